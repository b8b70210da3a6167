//! An engine that fails where a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vaxel_store::{
    Answer, Append, Appended, Claimed, ClaimedJob, Enqueued, EntityId, Fault, FaultKind, FinishJob,
    JobState, JobStore, Journal, NewJob, Offset, Put, ReadError, SaveSnapshot, Snapshot,
    StateStore, Store, StoreCounters, StoredEvent, StoredJob, StoredState, TailedEvent, Timestamp,
    Transact, Write, WriteError, Written,
};

/// How a call fails. A read fails in one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Nothing is written, and the caller is told so.
    NotWritten,
    /// Nothing is written, and the caller is told that nobody knows.
    Lost,
    /// It is written, and the caller is told that nobody knows.
    Unconfirmed,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NotWritten, Self::Lost, Self::Unconfirmed];
}

type Plan = dyn Fn(u64) -> Option<Trouble> + Send + Sync;

/// An engine in front of another.
pub struct Faulty {
    store: Arc<dyn Store>,
    calls: AtomicU64,
    plan: Box<Plan>,
}

impl Faulty {
    /// Asks the plan for each call, which are numbered from zero.
    pub fn new(
        store: Arc<dyn Store>,
        plan: impl Fn(u64) -> Option<Trouble> + Send + Sync + 'static,
    ) -> Self {
        Faulty {
            store,
            calls: AtomicU64::new(0),
            plan: Box::new(plan),
        }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn trouble(&self) -> Option<Trouble> {
        (self.plan)(self.calls.fetch_add(1, Ordering::Relaxed))
    }

    fn change<T>(
        &self,
        run: impl FnOnce(&dyn Store) -> Answer<T, WriteError>,
    ) -> Answer<T, WriteError> {
        let source = || Fault::new(FaultKind::Io, "as the test wants it");
        let unknown = || Answer::ready(Err(WriteError::Unknown { source: source() }));
        match self.trouble() {
            None => run(&*self.store),
            Some(Trouble::NotWritten) => {
                Answer::ready(Err(WriteError::NotWritten { source: source() }))
            }
            Some(Trouble::Lost) => unknown(),
            Some(Trouble::Unconfirmed) => {
                let _ = run(&*self.store).wait();
                unknown()
            }
        }
    }

    fn look<T>(
        &self,
        run: impl FnOnce(&dyn Store) -> Answer<T, ReadError>,
    ) -> Answer<T, ReadError> {
        match self.trouble() {
            None => run(&*self.store),
            Some(_) => Answer::ready(Err(ReadError::Failed {
                source: Fault::new(FaultKind::Io, "as the test wants it"),
            })),
        }
    }
}

impl Transact for Faulty {
    fn write(&self, write: Write) -> Answer<Vec<Written>, WriteError> {
        self.change(|store| store.write(write))
    }

    fn counters(&self) -> StoreCounters {
        self.store.counters()
    }
}

impl Journal for Faulty {
    fn claim(&self, entity: &EntityId) -> Answer<Claimed, WriteError> {
        self.change(|store| store.claim(entity))
    }

    fn append(&self, append: Append) -> Answer<Appended, WriteError> {
        self.change(|store| store.append(append))
    }

    fn read(
        &self,
        entity: &EntityId,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredEvent>, ReadError> {
        self.look(|store| store.read(entity, after, limit))
    }

    fn tail(
        &self,
        after: Offset,
        tag: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<Vec<TailedEvent>, ReadError> {
        self.look(|store| store.tail(after, tag, limit))
    }

    fn save_snapshot(&self, save: SaveSnapshot) -> Answer<(), WriteError> {
        self.change(|store| store.save_snapshot(save))
    }

    fn snapshot(&self, entity: &EntityId, at_most: u64) -> Answer<Option<Snapshot>, ReadError> {
        self.look(|store| store.snapshot(entity, at_most))
    }

    fn projection(&self, name: &str) -> Answer<Offset, ReadError> {
        self.look(|store| store.projection(name))
    }
}

impl StateStore for Faulty {
    fn put(&self, put: Put) -> Answer<u64, WriteError> {
        self.change(|store| store.put(put))
    }

    fn load(&self, entity: &EntityId) -> Answer<Option<StoredState>, ReadError> {
        self.look(|store| store.load(entity))
    }

    fn names(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Answer<Vec<EntityId>, ReadError> {
        self.look(|store| store.names(prefix, after, limit))
    }
}

impl JobStore for Faulty {
    fn enqueue(&self, job: NewJob) -> Answer<Enqueued, WriteError> {
        self.change(|store| store.enqueue(job))
    }

    fn claim_jobs(
        &self,
        queue: &str,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Answer<Vec<ClaimedJob>, WriteError> {
        self.change(|store| store.claim_jobs(queue, limit, now, lease_until))
    }

    fn renew_jobs(
        &self,
        held: Vec<(u64, u64)>,
        lease_until: Timestamp,
    ) -> Answer<Vec<u64>, WriteError> {
        self.change(|store| store.renew_jobs(held, lease_until))
    }

    fn finish_job(&self, finish: FinishJob) -> Answer<(), WriteError> {
        self.change(|store| store.finish_job(finish))
    }

    fn cancel_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError> {
        self.change(|store| store.cancel_job(id, now))
    }

    fn retry_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError> {
        self.change(|store| store.retry_job(id, now))
    }

    fn prune_jobs(&self, before: Timestamp, limit: usize) -> Answer<usize, WriteError> {
        self.change(|store| store.prune_jobs(before, limit))
    }

    fn next_due(&self, queue: &str) -> Answer<Option<Timestamp>, ReadError> {
        self.look(|store| store.next_due(queue))
    }

    fn job(&self, id: u64) -> Answer<Option<StoredJob>, ReadError> {
        self.look(|store| store.job(id))
    }

    fn jobs(
        &self,
        queue: &str,
        state: JobState,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredJob>, ReadError> {
        self.look(|store| store.jobs(queue, state, after, limit))
    }

    fn job_counts(&self, queue: &str) -> Answer<Vec<(JobState, u64)>, ReadError> {
        self.look(|store| store.job_counts(queue))
    }
}
