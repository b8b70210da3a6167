//! Why something about a handler could not be done.

use std::any::type_name;

use vaxel_runtime::ExitReason;

use super::HandlerId;

/// A handler could not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddHandlerError {
    /// The manager has one of that id.
    #[error("there is already an event handler `{0}`")]
    Duplicate(HandlerId),
    /// The manager has as many handlers as it may have.
    #[error("an event manager has at most {handlers_max} handlers")]
    TooMany {
        /// [`EventManager::HANDLERS_MAX`](super::EventManager::HANDLERS_MAX).
        handlers_max: usize,
    },
    /// Its `init` refused or panicked.
    #[error("the event handler failed to start: {0}")]
    Init(ExitReason),
}

/// A handler could not be deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteHandlerError {
    /// There is none of that id.
    #[error("there is no event handler `{0}`")]
    Unknown(HandlerId),
    /// What its `terminate` returns is of another type; it stays.
    #[error(transparent)]
    WrongType(#[from] WrongTypeError),
    /// Its `terminate` panicked; it is gone.
    #[error("the event handler crashed: {0}")]
    Crashed(ExitReason),
}

/// A handler could not be swapped for another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapHandlerError {
    /// What the old one's `terminate` returns is of another type; it stays.
    #[error(transparent)]
    WrongType(#[from] WrongTypeError),
    /// The new one cannot be added. If because of its `init`, the old one is gone, else it stays.
    #[error(transparent)]
    Add(#[from] AddHandlerError),
}

/// A call of a handler has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallHandlerError {
    /// There is none of that id.
    #[error("there is no event handler `{0}`")]
    Unknown(HandlerId),
    /// The handler is of another type than the closure takes.
    #[error(transparent)]
    WrongType(#[from] WrongTypeError),
    /// The closure panicked, and the handler is removed, as if it had panicked itself.
    #[error("the event handler crashed: {0}")]
    Crashed(ExitReason),
}

/// A handler, or what its `terminate` returns, is not of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event handler `{handler}` has to do with `{found}`, not with `{expected}`")]
#[non_exhaustive]
pub struct WrongTypeError {
    /// Which handler.
    pub handler: HandlerId,
    /// The type that was asked for.
    pub expected: &'static str,
    /// The type that is there.
    pub found: &'static str,
}

impl WrongTypeError {
    pub(super) fn expecting<T>(handler: &HandlerId, found: &'static str) -> Self {
        WrongTypeError {
            handler: handler.clone(),
            expected: type_name::<T>(),
            found,
        }
    }
}
