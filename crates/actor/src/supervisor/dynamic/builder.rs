//! Describing a dynamic supervisor, and starting it.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{CallError, ExitReason, System};

use super::process::Ready;
use super::{DynamicSupervisor, DynamicSupervisorRef};
use crate::durations::secs;
use crate::supervisor::{CHILDREN_MAX, ChildSpec, StartError};

/// A dynamic supervisor before it is started. Made by
/// [`Supervisor::dynamic`](crate::Supervisor::dynamic).
#[derive(Clone)]
#[must_use = "a supervisor does nothing before it is started"]
pub struct DynamicSupervisorBuilder {
    pub(super) max_restarts: u32,
    pub(super) within: Duration,
    pub(super) children_max: usize,
    /// From what its children are made, if they are all alike.
    pub(in crate::supervisor) template: Option<Arc<dyn Any + Send + Sync>>,
}

impl DynamicSupervisorBuilder {
    pub(in crate::supervisor) fn new() -> Self {
        DynamicSupervisorBuilder {
            max_restarts: 3,
            within: secs(5),
            children_max: CHILDREN_MAX,
            template: None,
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

    /// How many children it may have; [`CHILDREN_MAX`] unless told otherwise.
    pub fn children_max(mut self, children: usize) -> Self {
        self.children_max = children;
        self
    }

    /// Makes it a child of another supervisor, which waits for it as long as it takes to stop.
    pub fn into_child(self) -> ChildSpec<DynamicSupervisor> {
        ChildSpec::new(self).supervising()
    }

    /// Starts it in the current system; see [`start_in`](Self::start_in).
    ///
    /// # Panics
    /// When called outside of every system.
    pub fn start(self) -> impl Future<Output = Result<DynamicSupervisorRef, StartError>> + Send {
        self.start_in(&System::current())
    }

    /// Starts it. It is kept by its system until it is stopped, exceeds its restart intensity, or
    /// the system is shut down, whoever holds a reference.
    ///
    /// # Errors
    /// When it ends before it is ready, which only a kill or the end of the system can bring about.
    ///
    /// # Cancel safety
    /// The start is under way when this returns; dropping the future only gives up hearing of it.
    pub fn start_in(
        self,
        system: &System,
    ) -> impl Future<Output = Result<DynamicSupervisorRef, StartError>> + Send + use<> {
        let supervisor = system.spawn::<DynamicSupervisor>(self);
        system.keep(supervisor.erase());
        let ready = supervisor.call(Ready).no_timeout();
        async move {
            let reason = match ready.await {
                Ok(()) => return Ok(DynamicSupervisorRef::from(supervisor)),
                Err(CallError::Crashed(reason)) => reason,
                Err(_) => ExitReason::NoProcess,
            };
            Err(StartError::Supervisor(reason))
        }
    }
}

impl std::fmt::Debug for DynamicSupervisorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamicSupervisorBuilder")
            .field("max_restarts", &self.max_restarts)
            .field("within", &self.within)
            .field("children_max", &self.children_max)
            .finish_non_exhaustive()
    }
}
