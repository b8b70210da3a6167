//! States: the newest value of an entity, for those who want no log.
//!
//! Each write names the version that the writer knows, and raises it by one. Of two writers that
//! know the same version one is refused, so nothing is overwritten unseen.

use crate::transact::Transact;
use crate::{Answer, EntityId, ReadError, WriteError};

/// A state to be stored, if nobody has changed it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Whose state.
    pub entity: EntityId,
    /// The version that the writer knows; zero when there is none.
    pub expected: u64,
    /// The version of its format.
    pub format: u16,
    /// The state, encoded. `None` deletes it: the version goes on, so a writer that knows an
    /// older one is refused also after a deletion.
    pub payload: Option<Vec<u8>>,
}

impl Put {
    /// Larger states are refused.
    pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
}

/// A state as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// How often it was written.
    pub version: u64,
    /// The version of its format.
    pub format: u16,
    /// The state, encoded; `None` when it was deleted.
    pub payload: Option<Vec<u8>>,
}

/// States with versions.
pub trait StateStore: Transact {
    /// Stores or deletes a state; answers its new version after the sync.
    ///
    /// # Errors
    /// [`Conflict`](WriteError::Conflict) when it has another version; see [`WriteError`].
    fn put(&self, put: Put) -> Answer<u64, WriteError>;

    /// The state of an entity; `None` when there never was one.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn load(&self, entity: &EntityId) -> Answer<Option<StoredState>, ReadError>;

    /// The names of the states that begin with `prefix`, deleted ones left out, in order and after
    /// `after`; at most `limit`.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn names(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Answer<Vec<EntityId>, ReadError>;
}
