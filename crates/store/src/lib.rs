//! Durable storage: journals of events, states and jobs, behind three narrow traits.
//!
//! [`Journal`] appends events and reads them back, [`StateStore`] keeps the newest state of an
//! entity, [`JobStore`] keeps queues of jobs; [`Transact`] writes several things of all three in
//! one transaction. [`Memory`], [`Sqlite`] and, with the feature `postgres`, `Postgres` are engines
//! that implement all of them: [`Store`].
//!
//! ```
//! use vaxel_store::{Append, Journal, NewEvent, Sqlite};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("data.db");
//! let store = Sqlite::open(path)?;
//! let account = "account/ada".into();
//! let owner = store.claim(&account).wait()?;
//! let events = vec![NewEvent::new(1, *b"deposited 100")];
//! let appended = store.append(Append {
//!     entity: account.clone(),
//!     fence: owner.fence,
//!     expected: owner.sequence,
//!     events,
//! });
//! assert_eq!(appended.wait()?.sequence, 1); // in an actor: `.await`
//! assert_eq!(store.read(&account, 0, 100).wait()?[0].payload, b"deposited 100");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//! - **Durability.** What is answered with success survives the end of the process and of the
//!   machine. ([`Memory`], for tests, keeps nothing.)
//! - **Atomicity.** A write is stored whole or not at all, and an error says which: only
//!   [`WriteError::Unknown`] leaves it open.
//! - **Single writer.** Appends name the last event that their writer knows and its owner epoch;
//!   both are checked in the statement that writes.
//! - **Bounds.** Queues of writes and reads, sizes of payloads and of answers are bounded; see
//!   [`SqliteConfig`], `PostgresConfig` and the constants of each type.
//! - **No worker waits.** Every operation answers through an [`Answer`], a future; files and
//!   sockets belong to threads of the engine.

#![forbid(unsafe_code)]

mod answer;
mod checks;
mod error;
mod job_store;
mod journal;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod size;
mod sqlite;
mod state_store;
mod timestamp;
mod transact;

pub use answer::{Answer, Answering, Unanswered};
pub use error::{Fault, FaultKind, OpenError, ReadError, WriteError};
pub use job_store::{
    ClaimedJob, Enqueued, FinishJob, JobError, JobState, JobStore, NewJob, Outcome, StoredJob,
    Unique,
};
pub use journal::{
    Append, Appended, Claimed, EntityId, Fence, Journal, NewEvent, Offset, READ_BYTES_MAX,
    SaveSnapshot, Snapshot, StoredEvent, TailedEvent,
};
pub use memory::{Held, Memory};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresConfig};
pub use sqlite::{Sqlite, SqliteConfig};
pub use state_store::{Put, StateStore, StoredState};
pub use timestamp::Timestamp;
pub use transact::{Op, SaveOffset, Statement, StoreCounters, Transact, Value, Write, Written};

/// An engine that stores everything. `Arc<dyn Store>` is what the crates above are given.
pub trait Store: Journal + StateStore + JobStore {}

impl<S: Journal + StateStore + JobStore> Store for S {}
