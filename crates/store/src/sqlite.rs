//! The embedded engine: one SQLite file, no service.
//!
//! # Threads
//! One writer thread with a connection of its own takes whatever is queued, writes it in one
//! transaction and answers after the sync, so that many writers share one sync (group commit). A
//! pool of readers, each with a connection, reads beside it: WAL lets both go on. No operation
//! blocks its caller.
//!
//! # Durability
//! WAL with `synchronous=FULL`: the log is synced at every commit. When a commit fails in a way
//! that leaves its outcome open, everybody in it is told [`WriteError::Unknown`] and the store
//! takes no more writes: what the kernel has lost of an earlier write cannot be known.
//!
//! # Several processes
//! May open one file; fences and expected versions hold between them. A process that keeps a
//! transaction open for longer than [`SqliteConfig::busy_timeout`] makes writes of others fail.
//!
//! # Why not clustered
//! Events are rows in the order of their commit, found by an index on entity and sequence number.
//! A table clustered by that key saves the index, and scatters the payloads of a commit over as
//! many pages as it has entities.

mod embedded;
mod events;
mod jobs;
mod jobs_over;
mod migrations;
mod opening;
mod ops;
mod readers;
mod rows;
mod states;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::OpenError;
pub(crate) use embedded::{Embedded, Engine};
pub(crate) use writer::Faults;

/// A store in one SQLite file; see the [crate](crate) for what it can do.
///
/// Dropping it writes what is queued and waits for the writer's end.
#[derive(Debug)]
pub struct Sqlite {
    engine: Engine,
    path: PathBuf,
}

/// The bounds of a [`Sqlite`] store.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    pub(crate) readers: usize,
    pub(crate) queue: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) batch: usize,
    pub(crate) busy_timeout: Duration,
    pub(crate) cache_bytes: usize,
    pub(crate) checkpoint_pages: u32,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        SqliteConfig {
            readers: 2,
            queue: 16_384,
            queue_bytes: 64 * 1024 * 1024,
            batch: 1_024,
            busy_timeout: Duration::from_secs(5),
            cache_bytes: 64 * 1024 * 1024,
            checkpoint_pages: 4_000,
        }
    }
}

impl SqliteConfig {
    /// Threads that read. Default: 2; at least one.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// Writes that may wait, and reads that may wait. More are refused with
    /// [`Overloaded`](crate::WriteError::Overloaded) and counted. Default: 16,384.
    #[must_use]
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue.max(1);
        self
    }

    /// Payload of the writes that may wait, in bytes; one that is larger waits alone. More are
    /// refused as by [`queue`](Self::queue). Default: 64 MiB.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Writes that share one commit. Default: 1,024.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// How long another process may keep the file locked. Default: 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Memory for pages, in bytes, of each connection. Default: 64 MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Pages of 4 KiB that the log may have before it is copied into the file. More of them make
    /// fewer and longer pauses. Default: 4,000.
    #[must_use]
    pub fn checkpoint_pages(mut self, pages: u32) -> Self {
        self.checkpoint_pages = pages.max(1);
        self
    }
}

impl Sqlite {
    /// Opens the file, or makes it, and brings its schema up to date. Blocks the thread.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, SqliteConfig::default())
    }

    /// As [`open`](Self::open), with other bounds.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(path: impl AsRef<Path>, config: SqliteConfig) -> Result<Self, OpenError> {
        let path = path.as_ref().to_path_buf();
        let engine = Engine::of_file(&path, &config)?;
        Ok(Sqlite { engine, path })
    }

    /// Where it is stored.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Embedded for Sqlite {
    fn engine(&self) -> &Engine {
        &self.engine
    }
}
