//! The typed reference to a supervisor of ordered children.

use std::ops::Deref;

use vaxel_runtime::{Actor, ActorRef, CallError, Recipient, Started, System};

use super::info::{ChildCounts, ChildEvent, ChildInfo, ChildKey};
use super::process::Supervisor;
use super::questions::{CountChildren, FindChild, Subscribe, WhichChildren};
use super::requests::{Begun, DeleteChild, RestartChild, StartChild, TerminateChild};
use super::{ChildSpec, DeleteChildError, RestartChildError, StartChildError, TerminateChildError};
use crate::call::call;

/// A reference to a [`Supervisor`]: cheap to clone, valid across restarts.
///
/// It dereferences to the supervisor's `ActorRef`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SupervisorRef(ActorRef<Supervisor>);

/// More children than this are never listed at once.
pub const CHILDREN_LISTED_MAX: usize = 10_000;

impl SupervisorRef {
    /// The supervisor that is registered under `name` in the current system.
    pub fn whereis(name: &str) -> Option<Self> {
        System::current().whereis(name).map(SupervisorRef)
    }

    /// Adds a child after the others, starts it, and waits for its `init`.
    ///
    /// The supervisor itself does not wait, so a slow `init` keeps nobody else waiting. When the
    /// supervisor is restarted it has only the children that it was built with.
    ///
    /// # Errors
    /// When the child's `init` fails (it is not kept, whatever its restart policy), when there is a
    /// child of its name, when there are too many children, or when the supervisor does not answer.
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

    /// Stops a child and waits until it is gone. It stays on record, at rest, until
    /// [`restart_child`](Self::restart_child) or [`delete_child`](Self::delete_child); a temporary
    /// child is forgotten. One that is at rest already is no error.
    ///
    /// # Errors
    /// When there is no such child, when the supervisor does not answer, or ends meanwhile.
    pub async fn terminate_child(
        &self,
        child: impl Into<ChildKey>,
    ) -> Result<(), CallError<TerminateChildError>> {
        let message = TerminateChild(child.into());
        match call::<_, TerminateChildError, _, _>(&self.0, message).await? {
            Some(gone) => gone.await.map_err(|_| CallError::Closed),
            None => Ok(()),
        }
    }

    /// Starts a child at rest, at a new address and under its name, and waits for its `init`.
    ///
    /// # Errors
    /// When there is no such child, it runs, is being restarted, or fails to start, in which case
    /// it stays at rest; or when the supervisor does not answer.
    pub async fn restart_child(
        &self,
        child: impl Into<ChildKey>,
    ) -> Result<(), CallError<RestartChildError>> {
        let message = RestartChild(child.into());
        let started = call::<Started, RestartChildError, _, _>(&self.0, message).await?;
        let started = started.await;
        started.map_err(|reason| CallError::Handler(RestartChildError::Init(reason)))
    }

    /// Takes a child at rest off the record.
    ///
    /// # Errors
    /// When there is no such child, it runs or is being restarted, or when the supervisor does not
    /// answer.
    pub async fn delete_child(
        &self,
        child: impl Into<ChildKey>,
    ) -> Result<(), CallError<DeleteChildError>> {
        call::<(), DeleteChildError, _, _>(&self.0, DeleteChild(child.into())).await
    }

    /// How many children there are.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn count_children(&self) -> Result<ChildCounts, CallError> {
        self.0.call(CountChildren).await
    }

    /// The children in their order, [`CHILDREN_LISTED_MAX`] at most.
    ///
    /// # Errors
    /// When the supervisor does not answer.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, CallError> {
        let limit = CHILDREN_LISTED_MAX;
        self.0.call(WhichChildren { limit }).await
    }

    /// One child with its spec: OTP's `get_childspec`, and where it is in its life.
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
