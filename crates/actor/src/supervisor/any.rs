//! A supervisor of either kind, for those who walk a tree.

use std::any::Any;
use std::fmt;

use vaxel_runtime::{Actor, ActorRef, AnyRef, CallError, Pid, Recipient};

use super::{
    ChildCounts, ChildEvent, ChildInfo, DynamicSupervisor, DynamicSupervisorRef, Supervisor,
    SupervisorRef,
};

/// A reference to a supervisor of either kind, with what both can be asked.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnySupervisor {
    /// Its children are ordered and known from the start.
    Ordered(SupervisorRef),
    /// Its children come and go.
    Dynamic(DynamicSupervisorRef),
}

impl AnySupervisor {
    pub(super) fn of<A: Actor>(actor: &ActorRef<A>) -> Option<Self> {
        let actor: &dyn Any = actor;
        if let Some(ordered) = actor.downcast_ref::<ActorRef<Supervisor>>() {
            return Some(AnySupervisor::Ordered(ordered.clone().into()));
        }
        let dynamic = actor.downcast_ref::<ActorRef<DynamicSupervisor>>()?;
        Some(AnySupervisor::Dynamic(dynamic.clone().into()))
    }

    /// See [`SupervisorRef::which_children`].
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, CallError> {
        match self {
            AnySupervisor::Ordered(supervisor) => supervisor.which_children().await,
            AnySupervisor::Dynamic(supervisor) => supervisor.which_children().await,
        }
    }

    /// See [`SupervisorRef::count_children`].
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn count_children(&self) -> Result<ChildCounts, CallError> {
        match self {
            AnySupervisor::Ordered(supervisor) => supervisor.count_children().await,
            AnySupervisor::Dynamic(supervisor) => supervisor.count_children().await,
        }
    }

    /// See [`SupervisorRef::subscribe`].
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn subscribe(&self, to: Recipient<ChildEvent>) -> Result<bool, CallError> {
        match self {
            AnySupervisor::Ordered(supervisor) => supervisor.subscribe(to).await,
            AnySupervisor::Dynamic(supervisor) => supervisor.subscribe(to).await,
        }
    }

    /// The supervisor if its children are ordered.
    pub fn ordered(&self) -> Option<&SupervisorRef> {
        match self {
            AnySupervisor::Ordered(supervisor) => Some(supervisor),
            AnySupervisor::Dynamic(_) => None,
        }
    }

    /// The supervisor if its children come and go.
    pub fn dynamic(&self) -> Option<&DynamicSupervisorRef> {
        match self {
            AnySupervisor::Dynamic(supervisor) => Some(supervisor),
            AnySupervisor::Ordered(_) => None,
        }
    }

    /// The actor.
    pub fn erase(&self) -> AnyRef {
        match self {
            AnySupervisor::Ordered(supervisor) => supervisor.erase(),
            AnySupervisor::Dynamic(supervisor) => supervisor.erase(),
        }
    }

    /// The pid of its present incarnation.
    pub fn pid(&self) -> Pid {
        self.erase().pid()
    }
}

impl From<SupervisorRef> for AnySupervisor {
    fn from(supervisor: SupervisorRef) -> Self {
        AnySupervisor::Ordered(supervisor)
    }
}

impl From<DynamicSupervisorRef> for AnySupervisor {
    fn from(supervisor: DynamicSupervisorRef) -> Self {
        AnySupervisor::Dynamic(supervisor)
    }
}

impl fmt::Debug for AnySupervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.erase().fmt(f)
    }
}
