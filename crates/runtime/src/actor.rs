//! The traits that a user's actor implements.

use crate::inspect::Children;
use crate::{Context, ExitReason, Mailbox};
use std::future::Future;

/// Something that can be sent to an actor.
///
/// The type of the message decides the type of the answer, so a call cannot receive a wrong one.
pub trait Message: Send + 'static {
    /// What a call with this message yields; `()` for casts and infos.
    type Reply: Send + 'static;

    /// What this message is about: of several with one key,
    /// [`OnFull::KeepNewest`](crate::OnFull::KeepNewest) gives up the older ones first. Asked for
    /// by that policy alone. Default: about nothing that another message could supersede.
    fn key(&self) -> Option<u64> {
        None
    }
}

/// An actor: a state that handles one message at a time.
///
/// # Life
/// [`init`](Self::init) runs first, in the actor's own cell. Then messages are handled in turn;
/// while a handler awaits, mail waits. [`terminate`](Self::terminate) runs when the actor stops on
/// purpose, and the state is dropped last. After a panic, a kill or an exit signal only the state
/// is dropped.
///
/// ```
/// use vaxel_runtime::{Actor, Context, ExitReason, System};
///
/// /// A file that is written while its actor lives.
/// struct Journal(String);
///
/// impl Actor for Journal {
///     type Args = Option<String>;
///
///     async fn init(path: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
///         // What goes wrong here is a failed start: a supervisor is told the reason.
///         let path = path.ok_or_else(|| ExitReason::error("the journal has no path"))?;
///         Ok(Journal(path))
///     }
///
///     async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Self>) {
///         println!("{} is closed: {reason}", self.0);
///     }
/// }
///
/// let system = System::builder().workers(1).build();
/// # fn run<T: Send + 'static>(
/// #     system: &System,
/// #     body: impl Future<Output = T> + Send + 'static,
/// # ) -> T {
/// #     let (done, output) = std::sync::mpsc::sync_channel(1);
/// #     let task = system.spawn_future(async move { done.send(body.await) });
/// #     let output = output.recv().unwrap();
/// #     drop(task);
/// #     output
/// # }
/// let journal = system.spawn::<Journal>(Some("journal.log".to_owned()));
/// let exit = journal.exit();
/// journal.shutdown();
/// assert_eq!(run(&system, exit), ExitReason::Shutdown);
///
/// let refused = system.spawn::<Journal>(None);
/// let reason = run(&system, refused.exit());
/// assert!(reason.is_abnormal(), "{reason}");
/// # system.shutdown();
/// ```
pub trait Actor: Sized + Send + 'static {
    /// What [`init`](Self::init) is given.
    type Args: Send + 'static;

    /// How many messages may wait, and what happens beyond.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::DEFAULT_CAPACITY);

    /// Whether calls that nobody waits for any more are dropped unhandled: the caller has gone, or
    /// its deadline has passed. They are counted in
    /// [`TypeStats::calls_expired`](crate::TypeStats). Default: no, every message is handled.
    const SKIP_EXPIRED: bool = false;

    /// Makes the state. May await; mail waits meanwhile.
    ///
    /// # Errors
    /// An `Err` or a panic is a failed start: the actor ends with that reason, and so do the calls
    /// that wait in its mailbox. `Err(ExitReason::Normal)` says that the actor is not needed: its
    /// supervisor goes on without it (OTP's `ignore`).
    fn init(
        args: Self::Args,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = Result<Self, ExitReason>> + Send;

    /// The state as text, for [`Inspector::state`](crate::inspect::Inspector::state): `None` keeps
    /// it to itself. Runs between two messages and should be quick.
    fn inspect(&self) -> Option<String> {
        None
    }

    /// Those that this actor has started and looks after, for
    /// [`Inspector::describe`](crate::inspect::Inspector::describe): a supervisor's answer. Runs
    /// between two messages and should be quick. Default: none.
    fn children(&self) -> Children {
        Children::default()
    }

    /// Runs when the actor stops on purpose: by itself, by request, by its supervisor, or because
    /// nobody holds a reference any more. Not after a panic or a kill.
    fn terminate(
        &mut self,
        reason: &ExitReason,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, cx);
        std::future::ready(())
    }
}

/// How an actor handles one type of message.
pub trait Handler<M: Message>: Actor {
    /// Handles one message. A handler that is ready at its first poll allocates nothing.
    ///
    /// The future is dropped half-way only when the actor is killed or ended by an exit signal.
    fn handle(
        &mut self,
        message: M,
        cx: &mut Context<Self>,
    ) -> impl Future<Output = M::Reply> + Send;
}
