//! Journals: what happened to an entity, in order.
//!
//! # Ownership
//! Who wants to write claims the entity first. Each claim raises its owner epoch, the *fence*, and
//! every append names the fence of its writer: an owner that was replaced is refused by the
//! database itself, in the statement that writes, however late it notices.
//!
//! # Order
//! Sequence numbers of an entity begin at one and have no gaps. [`Offset`]s order the events of
//! all entities as they were committed: a reader that goes on after the last offset it has seen
//! misses nothing.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::transact::Transact;
use crate::{Answer, ReadError, Timestamp, WriteError};

/// Names what owns a journal or a state: an account, a room, a sensor.
///
/// At most [`EntityId::BYTES_MAX`] bytes; by convention `type/key`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(Arc<str>);

impl EntityId {
    /// Longer names are refused when they are written.
    pub const BYTES_MAX: usize = 255;

    /// The entity with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        EntityId(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for EntityId {
    fn from(name: T) -> Self {
        EntityId::new(name)
    }
}

impl Borrow<str> for EntityId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The owner epoch of an entity: the newest claim has the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fence(pub u64);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an event among those of all entities. Not without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// Before every event.
    pub const START: Self = Offset(0);
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The version of its format, for those who read it years later.
    pub version: u16,
    /// The event, encoded.
    pub payload: Vec<u8>,
    /// What [`Journal::tail`] can be asked for; at most [`NewEvent::TAGS_MAX`].
    pub tags: Vec<Arc<str>>,
}

impl NewEvent {
    /// Larger payloads are refused: what is larger belongs into an object store, with its name in
    /// the event.
    pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
    /// More tags on one event are refused.
    pub const TAGS_MAX: usize = 16;

    /// An event without tags.
    pub fn new(version: u16, payload: impl Into<Vec<u8>>) -> Self {
        NewEvent {
            version,
            payload: payload.into(),
            tags: Vec::new(),
        }
    }

    /// The same with one tag more.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

/// Events of one entity, appended together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Whose events.
    pub entity: EntityId,
    /// The epoch of the writer's claim.
    pub fence: Fence,
    /// The sequence number of the last event that the writer knows; zero when there is none.
    pub expected: u64,
    /// What happened.
    pub events: Vec<NewEvent>,
}

impl Append {
    /// More events in one append are refused.
    pub const EVENTS_MAX: usize = 10_000;
}

/// Where an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The sequence number of the last event.
    pub sequence: u64,
    /// Its offset.
    pub offset: Offset,
}

/// What a claim yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The epoch to write with.
    pub fence: Fence,
    /// The sequence number of the last event.
    pub sequence: u64,
}

/// An event as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number among those of its entity, from one.
    pub sequence: u64,
    /// Its place among those of all entities.
    pub offset: Offset,
    /// The version of its format.
    pub version: u16,
    /// When it was written.
    pub at: Timestamp,
    /// The event, encoded.
    pub payload: Vec<u8>,
}

/// An event with whose it is, as [`Journal::tail`] yields it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailedEvent {
    /// Whose event.
    pub entity: EntityId,
    /// The event.
    pub event: StoredEvent,
}

/// The state of an entity after an event, so that a replay need not begin at the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event in it.
    pub sequence: u64,
    /// The version of its format.
    pub version: u16,
    /// The state, encoded.
    pub payload: Vec<u8>,
}

impl Snapshot {
    /// Larger snapshots are refused.
    pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
}

/// A snapshot to be saved, which deletes older ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveSnapshot {
    /// Whose state.
    pub entity: EntityId,
    /// The epoch of the writer's claim.
    pub fence: Fence,
    /// The state.
    pub snapshot: Snapshot,
    /// How many are kept, the new one included; at least one.
    pub keep: usize,
}

/// Journals of events, with snapshots.
pub trait Journal: Transact {
    /// Makes the caller the owner: earlier claims are fenced off from now on.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn claim(&self, entity: &EntityId) -> Answer<Claimed, WriteError>;

    /// Appends events. Answers after the sync.
    ///
    /// # Errors
    /// [`Fenced`](WriteError::Fenced) and [`Conflict`](WriteError::Conflict) when the writer is
    /// not the owner or does not know the last event; see [`WriteError`] for the rest, and for
    /// whether anything was written.
    fn append(&self, append: Append) -> Answer<Appended, WriteError>;

    /// Events of an entity after a sequence number, in order; at most `limit`, and no more than
    /// [`READ_BYTES_MAX`] of payload beyond the first. Empty at the end.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(
        &self,
        entity: &EntityId,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredEvent>, ReadError>;

    /// Events of all entities after an offset, or of those among them with a tag; bounded as
    /// [`read`](Self::read).
    ///
    /// # Errors
    /// See [`ReadError`].
    fn tail(
        &self,
        after: Offset,
        tag: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<Vec<TailedEvent>, ReadError>;

    /// Saves a snapshot and deletes the oldest beyond those to keep.
    ///
    /// # Errors
    /// [`Fenced`](WriteError::Fenced) when the writer is not the owner; see [`WriteError`].
    fn save_snapshot(&self, save: SaveSnapshot) -> Answer<(), WriteError>;

    /// The newest snapshot of a sequence number up to `at_most`.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn snapshot(&self, entity: &EntityId, at_most: u64) -> Answer<Option<Snapshot>, ReadError>;

    /// How far a projection has come; [`Offset::START`] when it has never been stored.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn projection(&self, name: &str) -> Answer<Offset, ReadError>;
}

/// How much payload one answer holds at most, in bytes, unless a single event is larger.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
