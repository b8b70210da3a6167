//! What a user writes: a state that is made of events, and commands that decide them.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vaxel_actor::CallError;
use vaxel_store::WriteError;

use crate::codec::{Codec, DecodeError};
use crate::{Entity, Snapshots};

/// A state that is made of events; see the [crate](crate) for an example.
///
/// It is serialised for [snapshots](Self::SNAPSHOTS) only.
pub trait EventSourced: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The first part of the names of its entities, as in `account/ada`. Stored: never change it.
    const KIND: &'static str;

    /// The version in which events are written; see [`upcast`](Self::upcast). Default: 1.
    const VERSION: u16 = 1;

    /// The version in which snapshots are written. One of another version is passed over, and the
    /// state made of its events. Default: 1.
    const SNAPSHOT_VERSION: u16 = 1;

    /// When snapshots are taken. Default: never.
    const SNAPSHOTS: Snapshots = Snapshots::NEVER;

    /// What happens to it.
    type Event: Serialize + DeserializeOwned + Send + 'static;

    /// How events and snapshots are stored.
    type Format: Codec;

    /// The state before the first event.
    fn new(key: &str) -> Self;

    /// Changes the state as an event says. Runs when the event is decided and at every recovery:
    /// it must depend on nothing else and do nothing else.
    fn apply(&mut self, event: &Self::Event);

    /// Reads an event of another [`VERSION`](Self::VERSION).
    ///
    /// # Errors
    /// When there is no such version, which is the default: the actor does not start.
    fn upcast(stored: Upcast<'_>) -> Result<Self::Event, DecodeError> {
        let version = stored.version;
        Err(DecodeError::new(format!(
            "an event has the unknown version {version}"
        )))
    }

    /// What projections select this event by. Default: nothing.
    fn tags(event: &Self::Event) -> Vec<Arc<str>> {
        let _ = event;
        Vec::new()
    }
}

/// An event that was stored in another version.
#[derive(Debug, Clone, Copy)]
pub struct Upcast<'a> {
    /// In which version.
    pub version: u16,
    /// The event, encoded by the codec of that time.
    pub payload: &'a [u8],
}

/// Something that an actor is told to do.
pub trait Command: Send + 'static {
    /// What it answers, after the commit. A command that may be refused answers a `Result`.
    type Reply: Send + 'static;
}

/// How an [`EventSourced`] actor executes a command.
pub trait Execute<C: Command>: EventSourced {
    /// Decides what happens, with [`Entity::persist`], and what is answered after the commit.
    ///
    /// May await; mail waits meanwhile. A panic ends the actor, and nothing of this command is
    /// stored.
    fn execute(command: C, entity: &mut Entity<'_, Self>) -> impl Future<Output = C::Reply> + Send;
}

/// Why a command has no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// What it decided was not stored. Whether the outcome is known is told by
    /// [`WriteError::is_outcome_unknown`].
    #[error("the command was not confirmed")]
    Write(#[source] WriteError),
    /// The actor did not answer: it did not recover, its mailbox was full, it took too long.
    #[error(transparent)]
    Call(CallError),
}

impl ExecuteError {
    /// Whether the command may have been executed all the same.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Write(error) => error.is_outcome_unknown(),
            Self::Call(error) => matches!(error, CallError::Timeout | CallError::Crashed(_)),
        }
    }
}

impl From<CallError<WriteError>> for ExecuteError {
    fn from(error: CallError<WriteError>) -> Self {
        match error {
            CallError::Handler(error) => Self::Write(error),
            CallError::Crashed(reason) => Self::Call(CallError::Crashed(reason)),
            CallError::Timeout => Self::Call(CallError::Timeout),
            CallError::Cycle(cycle) => Self::Call(CallError::Cycle(cycle)),
            CallError::Full => Self::Call(CallError::Full),
            _ => Self::Call(CallError::Closed),
        }
    }
}
