//! Why a supervisor refuses what it is asked for: one type for each operation.

use vaxel_runtime::{ExitReason, Pid, RegisterError};

use super::SpecError;

/// A child could not be added to a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartChildError {
    /// It has a child of that name, which runs.
    #[error("a child of that name is already started as {0}")]
    AlreadyStarted(Pid),
    /// It has a child of that name on record, which does not run: restart or delete that one.
    #[error("a child of that name is already present")]
    AlreadyPresent,
    /// It has as many children as it may have.
    #[error("the supervisor has its {max} children, as many as children_max allows")]
    TooManyChildren {
        /// How many it may have.
        max: usize,
    },
    /// The spec makes no sense under this supervisor.
    #[error("the child cannot be of this supervisor")]
    Spec(#[from] SpecError),
    /// Its name could not be registered.
    #[error("the child cannot be named")]
    Name(#[from] RegisterError),
    /// The supervisor was started with another template than this reference is for.
    #[error("the supervisor starts its children from another template")]
    Template,
    /// Its `init` failed; it is not kept.
    #[error("the child failed to start: {0}")]
    Init(ExitReason),
}

/// A child could not be stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TerminateChildError {
    /// There is no such child.
    #[error("the supervisor has no such child")]
    NotFound,
}

/// A child at rest could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestartChildError {
    /// There is no such child.
    #[error("the supervisor has no such child")]
    NotFound,
    /// It runs.
    #[error("the child is running")]
    Running,
    /// Its supervisor is about to start it again.
    #[error("the child is being restarted")]
    Restarting,
    /// Its `init` failed, or its name is taken; it stays at rest.
    #[error("the child failed to start: {0}")]
    Init(ExitReason),
}

/// A child could not be taken off the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteChildError {
    /// There is no such child.
    #[error("the supervisor has no such child")]
    NotFound,
    /// It runs: terminate it first.
    #[error("the child is running")]
    Running,
    /// Its supervisor is about to start it again: terminate it first.
    #[error("the child is being restarted")]
    Restarting,
}
