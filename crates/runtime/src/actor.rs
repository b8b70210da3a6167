//! The traits that a user's actor implements.

use crate::{Context, ExitReason};
use std::future::Future;

/// Something that can be sent to an actor.
///
/// The type of the message decides the type of the answer, so a call cannot receive a wrong one.
pub trait Message: Send + 'static {
    /// What a call with this message yields; `()` for casts and infos.
    type Reply: Send + 'static;
}

/// An actor: a state that handles one message at a time.
///
/// # Life
/// [`init`](Self::init) runs first, in the actor's own cell. Then messages are handled in turn;
/// while a handler awaits, mail waits. [`terminate`](Self::terminate) runs when the actor stops on
/// purpose, and the state is dropped last. After a panic, a kill or an exit signal only the state
/// is dropped.
pub trait Actor: Sized + Send + 'static {
    /// What [`init`](Self::init) is given.
    type Args: Send + 'static;

    /// How many messages may wait, and what happens beyond.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::DEFAULT_CAPACITY);

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

/// How many messages may wait for one actor.
///
/// The bound counts messages that wait in the mailbox; the batch that a worker has already taken
/// out of it, at most as many again, is not counted. Replies, downs, timers and the runtime's own
/// messages are exempt. At the bound the sender is told: `cast` and `call` give the message back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox {
    capacity: u32,
}

impl Mailbox {
    /// The bound of an actor type that does not say otherwise.
    pub const DEFAULT_CAPACITY: u32 = 1024;

    /// The greatest bound there is.
    pub const CAPACITY_MAX: u32 = 32_767;

    /// At most `capacity` waiting messages, between 1 and [`Mailbox::CAPACITY_MAX`].
    ///
    /// # Panics
    /// At compile time when used in a constant, if `capacity` is out of range.
    pub const fn bounded(capacity: u32) -> Self {
        assert!(
            capacity >= 1 && capacity <= Self::CAPACITY_MAX,
            "a mailbox holds between 1 and 32,767 messages"
        );
        Self { capacity }
    }

    /// No bound: memory is then the only one. For actors whose senders are bounded otherwise.
    pub const fn unbounded() -> Self {
        Self { capacity: u32::MAX }
    }

    /// The number of waiting messages at which the sender is told, if any.
    pub const fn capacity(self) -> Option<u32> {
        if self.capacity == u32::MAX {
            None
        } else {
            Some(self.capacity)
        }
    }
}
