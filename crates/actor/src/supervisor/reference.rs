//! The typed reference to a supervisor.

use std::any::Any;
use std::ops::Deref;

use vaxel_runtime::{
    Actor, ActorRef, CallError, ExitReason, Recipient, RegisterError, Started, System,
};

use super::ChildSpec;
use super::info::{ChildCounts, ChildEvent, ChildId, ChildInfo};
use super::process::{
    Begun, CountChildren, RestartChild, StartChild, Subscribe, Supervisor, TerminateChild,
    WhichChildren,
};
use crate::call::call;

/// A reference to a [`Supervisor`]: cheap to clone, valid across restarts.
///
/// It dereferences to the supervisor's `ActorRef`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SupervisorRef(ActorRef<Supervisor>);

/// A child could not be added to a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartChildError {
    /// Its name could not be registered.
    #[error("the child cannot be named")]
    Name(#[from] RegisterError),
    /// Its `init` failed; it is not kept.
    #[error("the child failed to start: {0}")]
    Init(ExitReason),
}

/// More children than this are never listed at once.
pub const CHILDREN_LISTED_MAX: usize = 10_000;

impl SupervisorRef {
    /// The supervisor that is registered under `name` in the current system.
    pub fn whereis(name: &str) -> Option<Self> {
        System::current().whereis(name).map(SupervisorRef)
    }

    pub(super) fn of<A: Actor>(actor: &ActorRef<A>) -> Option<Self> {
        let actor: &dyn Any = actor;
        actor
            .downcast_ref::<ActorRef<Supervisor>>()
            .cloned()
            .map(SupervisorRef)
    }

    /// Adds a child, starts it, and waits for its `init`.
    ///
    /// The supervisor itself does not wait, so a slow `init` keeps nobody else waiting. Added
    /// children are forgotten when they end for good. When the supervisor restarts it has only the
    /// children it was built with.
    ///
    /// # Errors
    /// When the child's `init` fails (it is not kept, whatever its restart policy), when its name
    /// is taken, or when the supervisor does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future gives up hearing of the start; the child may be there all the same.
    pub async fn start_child<A: Actor>(
        &self,
        spec: ChildSpec<A>,
    ) -> Result<ActorRef<A>, CallError<StartChildError>> {
        let begun = call::<Begun<A>, StartChildError, _, _>(&self.0, StartChild(spec)).await?;
        begun.started.await.map_err(init_failed)?;
        Ok(begun.actor)
    }

    /// Stops a child and waits until it is gone. False: there is no such child.
    ///
    /// An added child is forgotten; one the supervisor was built with stays on record, stopped,
    /// until [`restart_child`](Self::restart_child).
    ///
    /// # Errors
    /// When the supervisor does not answer, or ends meanwhile.
    pub async fn terminate_child(&self, child: ChildId) -> Result<bool, CallError> {
        match self.0.call(TerminateChild(child)).await? {
            Some(gone) => gone.await.map(|()| true).map_err(|_| CallError::Closed),
            None => Ok(false),
        }
    }

    /// Starts a child that is on record as stopped, at a new address, and waits for its `init`.
    /// False: there is no such child.
    ///
    /// # Errors
    /// As for [`start_child`](Self::start_child); the child stays on record.
    pub async fn restart_child(&self, child: ChildId) -> Result<bool, CallError<StartChildError>> {
        let message = RestartChild(child);
        let begun = call::<Option<Started>, StartChildError, _, _>(&self.0, message).await?;
        match begun {
            Some(started) => started.await.map(|()| true).map_err(init_failed),
            None => Ok(false),
        }
    }

    /// How many children there are.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn count_children(&self) -> Result<ChildCounts, CallError> {
        self.0.call(CountChildren).await
    }

    /// The children: those the supervisor was built with in their order, then the others in none,
    /// [`CHILDREN_LISTED_MAX`] at most.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, CallError> {
        self.0
            .call(WhichChildren {
                limit: CHILDREN_LISTED_MAX,
            })
            .await
    }

    /// Has every later change among the children sent to `to`, which loses those that find its
    /// mailbox full. False: there are 64 subscribers already.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn subscribe(&self, to: Recipient<ChildEvent>) -> Result<bool, CallError> {
        self.0.call(Subscribe(to)).await
    }
}

fn init_failed(reason: ExitReason) -> CallError<StartChildError> {
    CallError::Handler(StartChildError::Init(reason))
}

impl Deref for SupervisorRef {
    type Target = ActorRef<Supervisor>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<ActorRef<Supervisor>> for SupervisorRef {
    fn from(actor: ActorRef<Supervisor>) -> Self {
        SupervisorRef(actor)
    }
}

impl From<SupervisorRef> for ActorRef<Supervisor> {
    fn from(reference: SupervisorRef) -> Self {
        reference.0
    }
}

impl std::fmt::Debug for SupervisorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
