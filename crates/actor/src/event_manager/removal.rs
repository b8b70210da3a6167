//! Why handlers leave, and how their owners learn of it.

use std::fmt;

use vaxel_runtime::{ExitReason, Message, MonitorRef, Pid, Recipient, ending_reason};

use super::HandlerId;

/// Why a handler leaves its manager.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// By `delete_handler`.
    Deleted,
    /// It said so itself, by [`Next::remove`](super::Next::remove).
    Removed,
    /// Another takes its place, and its owner if it has one.
    Swapped {
        /// The new one.
        by: HandlerId,
    },
    /// It panicked, or was swapped for one that cannot be added.
    Crashed(ExitReason),
    /// The actor that it was added for has ended.
    OwnerExited(ExitReason),
    /// The manager ends.
    Stopped(ExitReason),
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Removal::Deleted => f.write_str("deleted"),
            Removal::Removed => f.write_str("removed by itself"),
            Removal::Swapped { by } => write!(f, "swapped for `{by}`"),
            Removal::Crashed(reason) => write!(f, "crashed: {reason}"),
            Removal::OwnerExited(reason) => write!(f, "the owner has ended: {reason}"),
            Removal::Stopped(reason) => write!(f, "the manager has ended: {reason}"),
        }
    }
}

/// What the owner of a supervised handler is told when the handler leaves.
///
/// Exactly once for each handler, past the bound of the owner's mailbox. A handler that takes the
/// place of a supervised one is supervised by the same owner, which is told of both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerExit {
    /// The incarnation of the manager.
    pub manager: Pid,
    /// Which handler.
    pub handler: HandlerId,
    /// Why.
    pub reason: Removal,
}

impl Message for HandlerExit {
    type Reply = ();
}

/// Who must be told when a handler leaves. Dropped untold only when the manager is killed.
pub(super) struct Owner {
    pub(super) monitor: MonitorRef,
    to: Recipient<HandlerExit>,
    /// The incarnation meant: the next one at its address has added no handler.
    pid: Pid,
    manager: Pid,
    handler: HandlerId,
    is_told: bool,
}

impl Owner {
    pub(super) fn new(
        to: Recipient<HandlerExit>,
        (monitor, pid): (MonitorRef, Pid),
        manager: Pid,
        handler: HandlerId,
    ) -> Self {
        Owner {
            monitor,
            to,
            pid,
            manager,
            handler,
            is_told: false,
        }
    }

    /// The handler has left; the same owner supervises the one that takes its place.
    pub(super) fn succeeded_by(&mut self, handler: HandlerId) {
        let by = handler.clone();
        self.send(Removal::Swapped { by });
        self.handler = handler;
    }

    pub(super) fn tell(mut self, reason: Removal) {
        self.is_told = true;
        self.send(reason);
    }

    /// It is the owner that has ended.
    pub(super) fn release(mut self) {
        self.is_told = true;
    }

    fn send(&self, reason: Removal) {
        if self.to.pid() != self.pid {
            return;
        }
        let (manager, handler) = (self.manager, self.handler.clone());
        // False if it has ended since: nobody is left to be told.
        self.to.cast_owed(HandlerExit {
            manager,
            handler,
            reason,
        });
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.is_told {
            let reason = ending_reason().unwrap_or(ExitReason::Killed);
            self.send(Removal::Stopped(reason));
        }
    }
}
