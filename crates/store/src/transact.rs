//! Writes that belong together: events, states, jobs and offsets in one transaction.
//!
//! ```
//! use vaxel_store::{Fence, Memory, NewEvent, NewJob, Append, Put, Transact, Journal, Write};
//!
//! let store = Memory::new();
//! let order = "order/17".into();
//! let owner = store.claim(&order).wait()?;
//! let write = Write::new()
//!     .append(Append {
//!         entity: order,
//!         fence: owner.fence,
//!         expected: owner.sequence,
//!         events: vec![NewEvent::new(1, *b"paid")],
//!     })
//!     .enqueue(NewJob::new("mail", *b"receipt for 17"));
//! store.write(write).wait()?; // both are stored, or neither
//! # Ok::<(), vaxel_store::WriteError>(())
//! ```

use std::sync::Arc;

use crate::{
    Answer, Append, Appended, Enqueued, FinishJob, NewJob, Offset, Put, SaveSnapshot, WriteError,
};

/// What every engine can do: write several things in one transaction.
pub trait Transact: Send + Sync + 'static {
    /// Writes everything or nothing, in the order given. Answers after the sync.
    ///
    /// # Errors
    /// The first that an operation meets; see [`WriteError`].
    fn write(&self, write: Write) -> Answer<Vec<Written>, WriteError>;

    /// What the store has done so far.
    fn counters(&self) -> StoreCounters;
}

/// Operations that are written together; see [`Transact::write`].
#[derive(Debug, Clone, Default)]
#[must_use = "a write does nothing before a store is given it"]
pub struct Write(pub(crate) Vec<Op>);

/// One operation of a [`Write`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Op {
    /// Appends events.
    Append(Append),
    /// Saves a snapshot.
    SaveSnapshot(SaveSnapshot),
    /// Stores a state.
    Put(Put),
    /// Stores how far a projection has come.
    SaveOffset(SaveOffset),
    /// Enqueues a job.
    Enqueue(NewJob),
    /// Ends an attempt of a job.
    Finish(FinishJob),
    /// A statement in the engine's SQL.
    Sql(Statement),
}

/// What an operation of a [`Write`] did, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// Events were appended.
    Appended(Appended),
    /// A state has this version now.
    Version(u64),
    /// A job was enqueued, or was there already.
    Enqueued(Enqueued),
    /// A statement changed so many rows.
    Rows(u64),
    /// There is nothing more to say.
    Done,
}

/// How far a projection has come, as a compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveOffset {
    /// Which projection.
    pub projection: Arc<str>,
    /// Where it was: of two that run at once, one is refused.
    pub expected: Offset,
    /// Where it is now.
    pub offset: Offset,
}

/// A statement of your own on your own tables, for projections into the same database.
///
/// The memory engine has no SQL and refuses it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The statement, with `?1`, `?2` … in SQLite and `$1`, `$2` … in PostgreSQL.
    pub sql: Arc<str>,
    /// What stands for them.
    pub values: Vec<Value>,
}

/// A value in a [`Statement`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL's `NULL`.
    Null,
    /// A number without a fraction.
    Integer(i64),
    /// A number with one.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Write {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, op: Op) -> Self {
        self.0.push(op);
        self
    }

    /// Adds events.
    pub fn append(self, append: Append) -> Self {
        self.with(Op::Append(append))
    }

    /// Adds a snapshot.
    pub fn save_snapshot(self, save: SaveSnapshot) -> Self {
        self.with(Op::SaveSnapshot(save))
    }

    /// Adds a state.
    pub fn put(self, put: Put) -> Self {
        self.with(Op::Put(put))
    }

    /// Adds the offset of a projection.
    pub fn save_offset(self, save: SaveOffset) -> Self {
        self.with(Op::SaveOffset(save))
    }

    /// Adds a job.
    pub fn enqueue(self, job: NewJob) -> Self {
        self.with(Op::Enqueue(job))
    }

    /// Adds the end of an attempt.
    pub fn finish(self, finish: FinishJob) -> Self {
        self.with(Op::Finish(finish))
    }

    /// Adds a statement.
    pub fn sql(self, sql: impl Into<Arc<str>>, values: Vec<Value>) -> Self {
        let sql = sql.into();
        self.with(Op::Sql(Statement { sql, values }))
    }

    /// Adds everything of another write.
    pub fn and(mut self, other: Write) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StoreCounters {
    /// Writes that were asked for.
    pub writes: u64,
    /// Commits; each carries one write or more.
    pub commits: u64,
    /// Commits that failed.
    pub commits_failed: u64,
    /// Writes that were refused because the queue was full.
    pub writes_overloaded: u64,
    /// Reads that were refused because the queue was full.
    pub reads_overloaded: u64,
    /// Connections for writing that were made to a server, again after each loss.
    pub connects: u64,
}
