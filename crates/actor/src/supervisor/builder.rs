//! Describing a supervisor, and starting it.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vaxel_runtime::{Actor, CallError, ExitReason, System};

use super::process::Ready;
use super::spec::AnySpec;
use super::{ChildSpec, Supervisor, SupervisorRef};
use crate::durations::secs;

/// A supervisor before it is started: its strategy, its limits and its children.
///
/// Made by [`Supervisor::one_for_one`]. It can be cloned, and started more than once.
#[must_use = "a supervisor does nothing before it is started"]
pub struct SupervisorBuilder {
    pub(super) children: Vec<Box<dyn AnySpec>>,
    pub(super) max_restarts: u32,
    pub(super) within: Duration,
    /// Where the first start leaves what went wrong.
    pub(super) failure: Arc<OnceLock<FailedChild>>,
}

/// The child that kept a supervisor from starting.
#[derive(Debug, Clone)]
pub(super) struct FailedChild {
    pub(super) child: Arc<str>,
    pub(super) reason: ExitReason,
}

/// A supervisor could not be started. Children that had started before have been stopped again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The `init` of a child failed, or its name was taken.
    #[error("child `{child}` failed to start: {reason}")]
    Child {
        /// The child's name, or the path of its type.
        child: Arc<str>,
        /// Why it did not start.
        reason: ExitReason,
    },
    /// The supervisor itself ended before it was ready.
    #[error("the supervisor ended before it was ready: {0}")]
    Supervisor(ExitReason),
}

impl SupervisorBuilder {
    pub(super) fn one_for_one() -> Self {
        SupervisorBuilder {
            children: Vec::new(),
            max_restarts: 3,
            within: secs(5),
            failure: Arc::default(),
        }
    }

    /// More restarts than this within the window end the supervisor. Three unless told otherwise.
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.max_restarts = restarts;
        self
    }

    /// The window in which restarts are counted. Five seconds unless told otherwise.
    pub fn within(mut self, window: Duration) -> Self {
        self.within = window;
        self
    }

    /// OTP's limits: one restart in five seconds.
    pub fn like_otp(self) -> Self {
        self.max_restarts(1).within(secs(5))
    }

    /// Adds a child. Children start in the order added and stop in the opposite one.
    pub fn child<A: Actor>(mut self, spec: ChildSpec<A>) -> Self {
        self.children.push(Box::new(spec));
        self
    }

    /// Makes it a child of another supervisor, which waits for it as long as it takes to stop.
    pub fn into_child(self) -> ChildSpec<Supervisor> {
        ChildSpec::new(self).supervising()
    }

    /// Starts it in the current system; see [`start_in`](Self::start_in).
    ///
    /// # Panics
    /// When called outside of every system.
    pub fn start(self) -> impl Future<Output = Result<SupervisorRef, StartError>> + Send {
        self.start_in(&System::current())
    }

    /// Starts it and its children, one after another, each when the one before has finished its
    /// `init`.
    ///
    /// The supervisor is kept by its system: it lives until it is stopped, exceeds its restart
    /// intensity, or the system is shut down, whoever holds a reference.
    ///
    /// # Errors
    /// When a child fails to start. Those before it have been stopped by then, last one first.
    ///
    /// # Cancel safety
    /// The start is under way when this returns; dropping the future only gives up hearing of it.
    pub fn start_in(
        mut self,
        system: &System,
    ) -> impl Future<Output = Result<SupervisorRef, StartError>> + Send + use<> {
        let failure = Arc::new(OnceLock::new());
        self.failure = failure.clone();
        let supervisor = system.spawn::<Supervisor>(self);
        system.keep(supervisor.erase());
        let ready = supervisor.call(Ready).no_timeout();
        async move {
            let reason = match ready.await {
                Ok(()) => return Ok(SupervisorRef::from(supervisor)),
                Err(CallError::Crashed(reason)) => reason,
                Err(_) => ExitReason::NoProcess,
            };
            Err(match failure.get().cloned() {
                Some(FailedChild { child, reason }) => StartError::Child { child, reason },
                None => StartError::Supervisor(reason),
            })
        }
    }
}

impl Clone for SupervisorBuilder {
    fn clone(&self) -> Self {
        SupervisorBuilder {
            children: self.children.iter().map(|spec| spec.copy()).collect(),
            max_restarts: self.max_restarts,
            within: self.within,
            failure: self.failure.clone(),
        }
    }
}

impl std::fmt::Debug for SupervisorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SupervisorBuilder")
            .field("children", &self.children.len())
            .field("max_restarts", &self.max_restarts)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
