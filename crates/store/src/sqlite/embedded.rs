//! The engine that [`Sqlite`](crate::Sqlite) and [`Memory`](crate::Memory) share, and how the
//! traits of this crate reach it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rusqlite::Connection;

use super::readers::Readers;
use super::writer::{Bounds, Faults, Writer};
use super::{SqliteConfig, events, jobs, jobs_over, opening, ops, states};
use crate::{
    Answer, Answering, Append, Appended, Claimed, ClaimedJob, Enqueued, EntityId, Fault, FaultKind,
    FinishJob, JobState, JobStore, Journal, NewJob, Offset, OpenError, Put, ReadError,
    SaveSnapshot, Snapshot, StateStore, StoreCounters, StoredEvent, StoredJob, StoredState,
    TailedEvent, Timestamp, Transact, Write, WriteError, Written, checks, size,
};

/// One writer, and readers where the database is a file.
#[derive(Debug)]
pub struct Engine {
    /// Before the writer, so that reads end first.
    readers: Option<Readers>,
    writer: Writer,
}

/// What stands on an [`Engine`].
pub trait Embedded: Send + Sync + 'static {
    #[doc(hidden)]
    fn engine(&self) -> &Engine;
}

fn bounds(config: &SqliteConfig) -> Bounds {
    Bounds {
        number: config.queue,
        bytes: config.queue_bytes,
        batch: config.batch,
    }
}

fn no_thread(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::Other {
        database: path.display().to_string(),
        source: Fault::new(FaultKind::Io, format!("no thread can be started: {error}")),
    }
}

impl Engine {
    pub(super) fn of_file(path: &Path, config: &SqliteConfig) -> Result<Self, OpenError> {
        let connection = opening::writer(path, config)?;
        let readers = (0..config.readers).map(|_| opening::reader(path, config));
        let readers = readers.collect::<Result<Vec<_>, _>>()?;
        let threads = || {
            let writer = Writer::start(connection, bounds(config), Arc::default())?;
            let readers = Some(Readers::start(readers, config.queue)?);
            Ok(Engine { readers, writer })
        };
        threads().map_err(|error| no_thread(path, &error))
    }

    /// A database in memory, which has one connection: reads take their turn with the writes.
    pub(crate) fn in_memory(faults: Arc<Faults>) -> Result<Self, OpenError> {
        let config = SqliteConfig::default();
        let writer = Writer::start(opening::in_memory()?, bounds(&config), faults);
        let writer = writer.map_err(|error| no_thread(Path::new(":memory:"), &error))?;
        let readers = None;
        Ok(Engine { readers, writer })
    }

    /// Queues a write that has passed its checks and takes so many bytes of the queue.
    pub(crate) fn change<T, F>(
        &self,
        checked: Result<(), WriteError>,
        bytes: usize,
        run: F,
    ) -> Answer<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, WriteError> + Send + 'static,
    {
        match checked {
            Ok(()) => self.writer.submit(bytes, run),
            Err(error) => Answer::ready(Err(error)),
        }
    }

    /// Queues what changes nothing, in its turn with the writes.
    pub(crate) fn in_turn(&self, run: impl FnOnce(&Connection) + Send + 'static) {
        self.writer.submit_read(run);
    }

    fn look<T, F>(&self, run: F) -> Answer<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    {
        if let Some(readers) = &self.readers {
            return readers.submit(run);
        }
        let (answering, answer): (Answering<_, ReadError>, _) = Answer::later();
        self.in_turn(move |connection| answering.send(run(connection)));
        answer
    }
}

impl<T: Embedded> Transact for T {
    fn write(&self, write: Write) -> Answer<Vec<Written>, WriteError> {
        let (checked, bytes) = (checks::write(&write), size::write(&write));
        self.engine().change(checked, bytes, move |connection| {
            ops::write(connection, &write)
        })
    }

    fn counters(&self) -> StoreCounters {
        let Engine { readers, writer } = self.engine();
        StoreCounters {
            writes: writer.counts.writes.load(Relaxed),
            commits: writer.counts.commits.load(Relaxed),
            commits_failed: writer.counts.commits_failed.load(Relaxed),
            writes_overloaded: writer.counts.overloaded.load(Relaxed),
            reads_overloaded: readers
                .as_ref()
                .map_or(0, |all| all.overloaded.load(Relaxed)),
            connects: 0,
        }
    }
}

impl<T: Embedded> Journal for T {
    fn claim(&self, entity: &EntityId) -> Answer<Claimed, WriteError> {
        let (checked, entity) = (checks::entity(entity), entity.clone());
        self.engine().change(checked, 0, move |connection| {
            events::claim(connection, &entity)
        })
    }

    fn append(&self, append: Append) -> Answer<Appended, WriteError> {
        let (checked, bytes) = (checks::append(&append), size::append(&append));
        self.engine().change(checked, bytes, move |connection| {
            events::append(connection, &append, Timestamp::now())
        })
    }

    fn read(
        &self,
        entity: &EntityId,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredEvent>, ReadError> {
        let entity = entity.clone();
        self.engine()
            .look(move |connection| events::read(connection, &entity, after, limit))
    }

    fn tail(
        &self,
        after: Offset,
        tag: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<Vec<TailedEvent>, ReadError> {
        self.engine()
            .look(move |connection| events::tail(connection, after, tag.as_deref(), limit))
    }

    fn save_snapshot(&self, save: SaveSnapshot) -> Answer<(), WriteError> {
        let (checked, bytes) = (checks::snapshot(&save), save.snapshot.payload.len());
        self.engine().change(checked, bytes, move |connection| {
            events::save_snapshot(connection, &save)
        })
    }

    fn snapshot(&self, entity: &EntityId, at_most: u64) -> Answer<Option<Snapshot>, ReadError> {
        let entity = entity.clone();
        self.engine()
            .look(move |connection| events::snapshot(connection, &entity, at_most))
    }

    fn projection(&self, name: &str) -> Answer<Offset, ReadError> {
        let name = name.to_owned();
        self.engine()
            .look(move |connection| Ok(events::offset(connection, &name)?))
    }
}

impl<T: Embedded> StateStore for T {
    fn put(&self, put: Put) -> Answer<u64, WriteError> {
        let (checked, bytes) = (checks::put(&put), put.payload.as_ref().map_or(0, Vec::len));
        self.engine().change(checked, bytes, move |connection| {
            states::put(connection, &put)
        })
    }

    fn load(&self, entity: &EntityId) -> Answer<Option<StoredState>, ReadError> {
        let entity = entity.clone();
        self.engine()
            .look(move |connection| states::load(connection, &entity))
    }

    fn names(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Answer<Vec<EntityId>, ReadError> {
        let prefix = prefix.to_owned();
        let after = after.map_or_else(String::new, ToString::to_string);
        self.engine()
            .look(move |connection| states::names(connection, &prefix, &after, limit))
    }
}

impl<T: Embedded> JobStore for T {
    fn enqueue(&self, job: NewJob) -> Answer<Enqueued, WriteError> {
        let (checked, bytes) = (checks::job(&job), job.payload.len());
        self.engine().change(checked, bytes, move |connection| {
            jobs::enqueue(connection, &job)
        })
    }

    fn claim_jobs(
        &self,
        queue: &str,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Answer<Vec<ClaimedJob>, WriteError> {
        let queue = queue.to_owned();
        self.engine().change(Ok(()), 0, move |connection| {
            jobs::claim(connection, &queue, limit, now, lease_until)
        })
    }

    fn renew_jobs(
        &self,
        held: Vec<(u64, u64)>,
        lease_until: Timestamp,
    ) -> Answer<Vec<u64>, WriteError> {
        self.engine().change(Ok(()), 0, move |connection| {
            jobs::renew(connection, &held, lease_until)
        })
    }

    fn finish_job(&self, finish: FinishJob) -> Answer<(), WriteError> {
        self.engine().change(Ok(()), 0, move |connection| {
            jobs::finish(connection, &finish)
        })
    }

    fn cancel_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError> {
        self.engine().change(Ok(()), 0, move |connection| {
            jobs_over::cancel(connection, id, now)
        })
    }

    fn retry_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError> {
        self.engine().change(Ok(()), 0, move |connection| {
            jobs_over::retry(connection, id, now)
        })
    }

    fn prune_jobs(&self, before: Timestamp, limit: usize) -> Answer<usize, WriteError> {
        self.engine().change(Ok(()), 0, move |connection| {
            jobs_over::prune(connection, before, limit)
        })
    }

    fn next_due(&self, queue: &str) -> Answer<Option<Timestamp>, ReadError> {
        let queue = queue.to_owned();
        self.engine()
            .look(move |connection| jobs_over::next_due(connection, &queue))
    }

    fn job(&self, id: u64) -> Answer<Option<StoredJob>, ReadError> {
        self.engine()
            .look(move |connection| jobs_over::job(connection, id))
    }

    fn jobs(
        &self,
        queue: &str,
        state: JobState,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredJob>, ReadError> {
        let queue = queue.to_owned();
        self.engine()
            .look(move |connection| jobs_over::jobs(connection, &queue, state, after, limit))
    }

    fn job_counts(&self, queue: &str) -> Answer<Vec<(JobState, u64)>, ReadError> {
        let queue = queue.to_owned();
        self.engine()
            .look(move |connection| jobs_over::counts(connection, &queue))
    }
}
