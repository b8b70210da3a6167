//! What happens inside a system that somebody may want to know.

use std::sync::Arc;

use crate::{ExitReason, Pid, SupervisorReport};

/// Something worth a line in a log. Given to the system's event hook.
///
/// The hook runs on the thread on which it happened, between two messages or on the watchdog's
/// thread: it must be quick and must not wait.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An incarnation ended for an abnormal reason.
    ActorCrashed {
        /// The Rust path of the actor's type.
        actor: &'static str,
        /// Which incarnation, if it had a pid.
        pid: Option<Pid>,
        /// Why.
        reason: ExitReason,
    },
    /// The watchdog found a handler that does not return and replaced its worker.
    HandlerStuck {
        /// The seat of the worker.
        worker: usize,
        /// The Rust path of the actor's type.
        actor: &'static str,
        /// The Rust path of the message's type.
        message: &'static str,
        /// Whether a spare worker could be started; there are at most 64 seats.
        replaced: bool,
    },
    /// A handler of an event manager panicked and was removed; the manager and the other handlers
    /// go on.
    HandlerCrashed {
        /// The incarnation of the manager.
        manager: Pid,
        /// The id of the handler.
        handler: Arc<str>,
        /// The panic.
        reason: ExitReason,
    },
    /// A supervisor reports a failed start, an end, or that it gives up.
    Supervisor(SupervisorReport),
}
