//! The typed reference to a dynamic supervisor.

use std::ops::Deref;

use vaxel_runtime::{Actor, ActorRef, CallError, Recipient, System};

use super::DynamicSupervisor;
use super::process::{Begun, StartChild, TerminateChild};
use crate::call::call;
use crate::supervisor::info::{ChildCounts, ChildEvent, ChildInfo, ChildKey};
use crate::supervisor::questions::{CountChildren, FindChild, Subscribe, WhichChildren};
use crate::supervisor::{CHILDREN_LISTED_MAX, ChildSpec, StartChildError, TerminateChildError};

/// A reference to a [`DynamicSupervisor`]: cheap to clone, valid across restarts.
///
/// It dereferences to the supervisor's `ActorRef`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DynamicSupervisorRef(ActorRef<DynamicSupervisor>);

impl DynamicSupervisorRef {
    /// The supervisor that is registered under `name` in the current system.
    pub fn whereis(name: &str) -> Option<Self> {
        System::current().whereis(name).map(DynamicSupervisorRef)
    }

    /// Adds a child, starts it, and waits for its `init`.
    ///
    /// The supervisor itself does not wait, so a slow `init` keeps nobody else waiting. Children
    /// are forgotten when they end for good, and when the supervisor itself is restarted.
    ///
    /// # Errors
    /// When the child's `init` fails (it is not kept, whatever its restart policy), when its name
    /// is taken, when there are too many children, or when the supervisor does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future gives up hearing of the start; the child may be there all the same.
    pub async fn start_child<A: Actor>(
        &self,
        spec: ChildSpec<A>,
    ) -> Result<ActorRef<A>, CallError<StartChildError>> {
        let begun = call::<Begun<A>, StartChildError, _, _>(&self.0, StartChild(spec)).await?;
        let started = begun.started.await;
        started.map_err(|reason| CallError::Handler(StartChildError::Init(reason)))?;
        Ok(begun.actor)
    }

    /// Stops a child and waits until it is gone. It is forgotten.
    ///
    /// # Errors
    /// When there is no such child, when the supervisor does not answer, or ends meanwhile.
    pub async fn terminate_child(
        &self,
        child: impl Into<ChildKey>,
    ) -> Result<(), CallError<TerminateChildError>> {
        let message = TerminateChild(child.into());
        let gone = call::<_, TerminateChildError, _, _>(&self.0, message).await?;
        gone.await.map_err(|_| CallError::Closed)
    }

    /// How many children there are.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn count_children(&self) -> Result<ChildCounts, CallError> {
        self.0.call(CountChildren).await
    }

    /// The children in no order, [`CHILDREN_LISTED_MAX`] at most.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, CallError> {
        let limit = CHILDREN_LISTED_MAX;
        self.0.call(WhichChildren { limit }).await
    }

    /// One child with its spec, and where it is in its life.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn child(&self, child: impl Into<ChildKey>) -> Result<Option<ChildInfo>, CallError> {
        self.0.call(FindChild(child.into())).await
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

impl Deref for DynamicSupervisorRef {
    type Target = ActorRef<DynamicSupervisor>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<ActorRef<DynamicSupervisor>> for DynamicSupervisorRef {
    fn from(actor: ActorRef<DynamicSupervisor>) -> Self {
        DynamicSupervisorRef(actor)
    }
}

impl From<DynamicSupervisorRef> for ActorRef<DynamicSupervisor> {
    fn from(reference: DynamicSupervisorRef) -> Self {
        reference.0
    }
}

impl std::fmt::Debug for DynamicSupervisorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
