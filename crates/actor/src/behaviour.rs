//! Actors as closures that become other closures.
//!
//! A [`Behaviour`] is what an actor does with its next message. It may become another one, and the
//! other one may carry what only it needs: states without an enum, and without fields that are
//! `None` most of the time. One message type is all it takes; other messages, such as downs, are
//! taken where it can be made of them.
//!
//! What comes too early is put aside by [`Context::stash`] and comes back by
//! [`Context::unstash_all`]. Behaviours do not await; an actor that does is written with
//! [`Handler`].
//!
//! # Failure
//! A panic ends the incarnation. A supervised one begins again with its first behaviour.
//!
//! ```
//! use vaxel_actor::behaviour::{self, *};
//! use vaxel_actor::{Message, ReplyTo};
//!
//! #[derive(Message)]
//! # #[message(crate = vaxel_actor)]
//! enum Door {
//!     Open(u32),
//!     Close,
//!     IsOpen(ReplyTo<bool>),
//! }
//!
//! fn locked(code: u32) -> Behaviour<Door> {
//!     Behaviour::new(move |message, _| match message {
//!         Door::Open(tried) if tried == code => becomes(open(code)),
//!         Door::IsOpen(reply) => {
//!             reply.send(false);
//!             same()
//!         }
//!         _ => same(),
//!     })
//! }
//!
//! fn open(code: u32) -> Behaviour<Door> {
//!     Behaviour::new(move |message, _| match message {
//!         Door::Close => becomes(locked(code)),
//!         Door::IsOpen(reply) => {
//!             reply.send(true);
//!             same()
//!         }
//!         Door::Open(_) => same(),
//!     })
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let door = behaviour::spawn(|| locked(7));
//! door.cast(Door::Open(7)).expect("its mailbox has room");
//! assert_eq!(door.call_with(Door::IsOpen).await, Ok(true));
//! # });
//! ```

use std::sync::Arc;

use vaxel_runtime::{Actor, ActorRef, Context, ExitReason, Handler, Message};

use crate::ChildSpec;

/// What an actor does with its next message.
pub struct Behaviour<M: Message<Reply = ()>>(Box<React<M>>);

type React<M> = dyn FnMut(M, &mut Context<Behaving<M>>) -> Next<M> + Send;

impl<M: Message<Reply = ()>> Behaviour<M> {
    /// A behaviour from a closure, which is used until another one takes its place.
    pub fn new(
        react: impl FnMut(M, &mut Context<Behaving<M>>) -> Next<M> + Send + 'static,
    ) -> Self {
        Behaviour(Box::new(react))
    }
}

/// What comes after a message.
#[must_use = "return it from the behaviour"]
pub struct Next<M: Message<Reply = ()>>(To<M>);

enum To<M: Message<Reply = ()>> {
    Same,
    Other(Behaviour<M>),
    Stop(ExitReason),
}

/// The behaviour stays.
pub fn same<M: Message<Reply = ()>>() -> Next<M> {
    Next(To::Same)
}

/// Another behaviour takes its place, from the next message on.
pub fn becomes<M: Message<Reply = ()>>(other: Behaviour<M>) -> Next<M> {
    Next(To::Other(other))
}

/// The actor stops; reason `Normal`.
pub fn stop<M: Message<Reply = ()>>() -> Next<M> {
    stop_with(ExitReason::Normal)
}

/// The actor stops for a reason of its own.
pub fn stop_with<M: Message<Reply = ()>>(reason: ExitReason) -> Next<M> {
    Next(To::Stop(reason))
}

/// The actor that has a [`Behaviour`].
pub struct Behaving<M: Message<Reply = ()>>(Behaviour<M>);

/// A reference to an actor that has a [`Behaviour`].
pub type BehavingRef<M> = ActorRef<Behaving<M>>;

/// How the first behaviour is made, at the start and at every restart.
pub struct First<M: Message<Reply = ()>>(Arc<dyn Fn() -> Behaviour<M> + Send + Sync>);

impl<M: Message<Reply = ()>> Clone for First<M> {
    fn clone(&self) -> Self {
        First(self.0.clone())
    }
}

impl<M: Message<Reply = ()>> Actor for Behaving<M> {
    type Args = First<M>;

    async fn init(First(make): First<M>, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Behaving(make()))
    }
}

impl<M, I> Handler<I> for Behaving<M>
where
    M: Message<Reply = ()> + From<I>,
    I: Message<Reply = ()>,
{
    async fn handle(&mut self, message: I, cx: &mut Context<Self>) {
        let Next(to) = (self.0.0)(message.into(), cx);
        match to {
            To::Same => {}
            To::Other(other) => self.0 = other,
            To::Stop(reason) => cx.stop_with(reason),
        }
    }
}

/// Starts an actor in the current system with the behaviour that `first` makes.
///
/// # Panics
/// If there is no current system.
pub fn spawn<M: Message<Reply = ()>>(
    first: impl Fn() -> Behaviour<M> + Send + Sync + 'static,
) -> BehavingRef<M> {
    vaxel_runtime::spawn(First(Arc::new(first)))
}

/// A child of a supervisor that begins, and begins again, with the behaviour that `first` makes.
pub fn child<M: Message<Reply = ()>>(
    first: impl Fn() -> Behaviour<M> + Send + Sync + 'static,
) -> ChildSpec<Behaving<M>> {
    ChildSpec::new(First(Arc::new(first)))
}
