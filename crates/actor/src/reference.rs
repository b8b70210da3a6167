//! References of every kind.

use std::fmt::Debug;

use vaxel_runtime::{ActorRef, Handler, Message, Recipient, SendError, Watchable};

/// What stands for an actor: an [`ActorRef`](crate::ActorRef), a typed reference that the
/// `#[actor]` macro wrote, a [`Recipient`](crate::Recipient), an [`AnyRef`](crate::AnyRef).
///
/// Registries, process groups, routers and pools hand out references of the kind they were given.
pub trait Reference: Watchable + Clone + Debug + Send + Sync + 'static {}

impl<R: Watchable + Clone + Debug + Send + Sync + 'static> Reference for R {}

/// A reference through which messages of type `M` can be sent.
pub trait Receives<M: Message>: Reference {
    /// Sends a message without waiting for anything; see [`ActorRef::cast`].
    ///
    /// # Errors
    /// If the mailbox is full or the actor has ended; the message comes back.
    fn receive(&self, message: M) -> Result<(), SendError<M>>;
}

impl<A: Handler<M>, M: Message> Receives<M> for ActorRef<A> {
    fn receive(&self, message: M) -> Result<(), SendError<M>> {
        self.cast(message)
    }
}

impl<M: Message> Receives<M> for Recipient<M> {
    fn receive(&self, message: M) -> Result<(), SendError<M>> {
        self.cast(message)
    }
}
