//! Describing a supervisor, and starting it.

use std::any::Any;
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vaxel_runtime::{Actor, CallError, ExitReason, RegisterError, System};

use super::requests::Ready;
use super::spec::{AnySpec, Policy};
use super::{ChildSpec, Restart, Supervisor, SupervisorRef};
use crate::durations::secs;

/// More children than this are refused unless told otherwise: as many as a BEAM has processes by
/// default.
pub const CHILDREN_MAX: usize = 1 << 20;

/// A supervisor before it is started: its strategy, its limits and its children.
///
/// Made by [`Supervisor::one_for_one`], [`Supervisor::one_for_all`] and
/// [`Supervisor::rest_for_one`]. It can be cloned, and started more than once.
#[must_use = "a supervisor does nothing before it is started"]
pub struct SupervisorBuilder {
    pub(super) strategy: Strategy,
    pub(super) children: Vec<Box<dyn AnySpec>>,
    pub(super) max_restarts: u32,
    pub(super) within: Duration,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children_max: usize,
    pub(super) routes: Option<Arc<dyn Any + Send + Sync>>,
    /// Where the first start leaves what went wrong.
    pub(super) failure: Arc<OnceLock<FailedChild>>,
}

/// Whom the end of a child concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Nobody else.
    OneForOne,
    /// All children.
    OneForAll,
    /// The children after it.
    RestForOne,
}

/// Whether a supervisor shuts down by itself when [significant](ChildSpec::significant) children
/// have ended, and are not started again. Its reason is `shutdown`, as in OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AutoShutdown {
    /// Never; then no child may be significant.
    #[default]
    Never,
    /// When one of them has ended.
    AnySignificant,
    /// When the last of them has ended.
    AllSignificant,
}

/// The child that kept a supervisor from starting.
#[derive(Debug, Clone)]
pub(super) struct FailedChild {
    pub(super) child: Arc<str>,
    pub(super) reason: ExitReason,
}

impl FailedChild {
    /// It is not on record any more.
    pub(super) fn unknown(reason: ExitReason) -> Self {
        let child = "unknown".into();
        FailedChild { child, reason }
    }
}

/// Child specs that make no sense together, found before anything is started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A significant child whose end would never matter, since it is always started again.
    #[error("child `{0}` is significant, so it must be transient or temporary, not permanent")]
    SignificantPermanent(Arc<str>),
    /// A significant child under a supervisor that does not shut down by itself.
    #[error(
        "child `{0}` is significant, so its supervisor needs an auto_shutdown of AnySignificant \
         or AllSignificant"
    )]
    SignificantWithoutAutoShutdown(Arc<str>),
    /// Two children of one supervisor have the same name.
    #[error("two children are named `{0}`")]
    DuplicateName(Arc<str>),
    /// More children than the supervisor may have.
    #[error("{count} children are more than children_max, which is {max}")]
    TooManyChildren {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

impl SpecError {
    /// OTP's rules for significant children.
    pub(super) fn check(
        policy: &Policy,
        label: impl FnOnce() -> Arc<str>,
        auto_shutdown: AutoShutdown,
    ) -> Result<(), Self> {
        if !policy.significant {
            Ok(())
        } else if policy.restart == Restart::Permanent {
            Err(SpecError::SignificantPermanent(label()))
        } else if auto_shutdown == AutoShutdown::Never {
            Err(SpecError::SignificantWithoutAutoShutdown(label()))
        } else {
            Ok(())
        }
    }
}

/// A supervisor could not be started. Children that had started before have been stopped again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its child specs make no sense together; nothing was started.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The `init` of a child failed, or its name was taken.
    #[error("child `{child}` failed to start: {reason}")]
    Child {
        /// The child's name, or the path of its type.
        child: Arc<str>,
        /// Why it did not start.
        reason: ExitReason,
    },
    /// The supervisor's own name is taken.
    #[error("the supervisor cannot be named")]
    Name(#[from] RegisterError),
    /// The supervisor itself ended before it was ready.
    #[error("the supervisor ended before it was ready: {0}")]
    Supervisor(ExitReason),
}

impl SupervisorBuilder {
    pub(super) fn new(strategy: Strategy) -> Self {
        SupervisorBuilder {
            strategy,
            children: Vec::new(),
            max_restarts: 3,
            within: secs(5),
            auto_shutdown: AutoShutdown::Never,
            children_max: CHILDREN_MAX,
            routes: None,
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

    /// Whether it shuts down by itself when significant children have ended; not unless told.
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> Self {
        self.auto_shutdown = when;
        self
    }

    /// How many children it may have; [`CHILDREN_MAX`] unless told otherwise.
    pub fn children_max(mut self, children: usize) -> Self {
        self.children_max = children;
        self
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
    /// When the child specs make no sense together, see [`SpecError`], or when a child fails to
    /// start. Those before it have been stopped by then, last one first.
    ///
    /// # Cancel safety
    /// The start is under way when this returns; dropping the future only gives up hearing of it.
    pub fn start_in(
        mut self,
        system: &System,
    ) -> impl Future<Output = Result<SupervisorRef, StartError>> + Send + use<> {
        let failure = Arc::new(OnceLock::new());
        self.failure = failure.clone();
        let begun = self.validate().map(|()| {
            let supervisor = system.spawn::<Supervisor>(self);
            system.keep(supervisor.erase());
            let ready = supervisor.call(Ready).no_timeout();
            (supervisor, ready)
        });
        async move {
            let (supervisor, ready) = begun?;
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

    /// Whether the child specs go together.
    pub(super) fn validate(&self) -> Result<(), SpecError> {
        let mut names = HashSet::new();
        for spec in &self.children {
            SpecError::check(&spec.policy(), || spec.label(), self.auto_shutdown)?;
            if let Some(name) = spec.name()
                && !names.insert(name)
            {
                return Err(SpecError::DuplicateName(name.clone()));
            }
        }
        let (count, max) = (self.children.len(), self.children_max);
        if count > max {
            return Err(SpecError::TooManyChildren { count, max });
        }
        Ok(())
    }
}

impl Clone for SupervisorBuilder {
    fn clone(&self) -> Self {
        SupervisorBuilder {
            strategy: self.strategy,
            children: self.children.iter().map(|spec| spec.copy()).collect(),
            max_restarts: self.max_restarts,
            within: self.within,
            auto_shutdown: self.auto_shutdown,
            children_max: self.children_max,
            routes: self.routes.clone(),
            failure: self.failure.clone(),
        }
    }
}

impl std::fmt::Debug for SupervisorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SupervisorBuilder")
            .field("strategy", &self.strategy)
            .field("children", &self.children.len())
            .field("max_restarts", &self.max_restarts)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
