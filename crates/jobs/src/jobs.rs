//! The jobs of a store: how they are enqueued and looked after.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vaxel_actor::Recipient;
use vaxel_store::{Enqueued, JobState, ReadError, Store, StoredJob, Timestamp, WriteError};

use crate::job::{EncodeError, Request};
use crate::queue::Look;

/// The jobs of a store. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// The queues of this process, to be told of new jobs.
    queues: Mutex<HashMap<Arc<str>, Recipient<Look>>>,
    counts: Counts,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) leases_lost: AtomicU64,
    pub(crate) store_errors: AtomicU64,
    pruned: AtomicU64,
}

/// What the queues of a [`Jobs`] have done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct JobsCounters {
    /// Attempts that ended well.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that were ended because their job was cancelled or given to another worker, or
    /// because the store has not confirmed their lease in time.
    pub leases_lost: u64,
    /// Times the store refused or failed; tried again a second later.
    pub store_errors: u64,
    /// Jobs that were over for long enough and were deleted.
    pub pruned: u64,
}

/// Why a job was not enqueued.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// Its parameters cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The store did not confirm it.
    #[error("the job was not confirmed")]
    Write(#[from] WriteError),
}

impl Jobs {
    /// The jobs of this store.
    pub fn new(store: impl Store) -> Self {
        Self::on(Arc::new(store))
    }

    /// The jobs of a store that others use too.
    pub fn on(store: Arc<dyn Store>) -> Self {
        Self::with_clock(store, Timestamp::now)
    }

    /// As [`on`](Self::on) with a clock of its own, for tests.
    pub fn with_clock(
        store: Arc<dyn Store>,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Jobs(Arc::new(Shared {
            store,
            now: Box::new(now),
            queues: Mutex::default(),
            counts: Counts::default(),
        }))
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    /// Enqueues a job: `jobs.enqueue(&job)`, or a [`Request`] where something is special about it.
    /// Answers after the sync, with the job that has its key already where there is one.
    ///
    /// # Errors
    /// See [`EnqueueError`].
    ///
    /// # Cancel safety
    /// The job is on its way once this was polled; dropping it gives up hearing of it.
    pub async fn enqueue(&self, request: impl Into<Request>) -> Result<Enqueued, EnqueueError> {
        let job = request.into().into_new_job(self.now())?;
        let queue = job.queue.clone();
        let enqueued = self.0.store.enqueue(job).await?;
        self.look(&queue);
        Ok(enqueued)
    }

    /// Calls a job off. One that runs is ended when its lease is next renewed. False when it was
    /// over.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn cancel(&self, id: u64) -> Result<bool, WriteError> {
        self.0.store.cancel_job(id, self.now()).await
    }

    /// Has a dead or cancelled job tried again, with all its attempts. False when it is neither.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn retry(&self, id: u64) -> Result<bool, WriteError> {
        self.0.store.retry_job(id, self.now()).await
    }

    /// A job with its errors.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn job(&self, id: u64) -> Result<Option<StoredJob>, ReadError> {
        self.0.store.job(id).await
    }

    /// How many jobs of a queue are in each state.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn counts(&self, queue: &str) -> Result<Vec<(JobState, u64)>, ReadError> {
        self.0.store.job_counts(queue).await
    }

    /// Deletes up to 10,000 jobs that have been over for longer than this, and answers how many.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn prune(&self, older_than: Duration) -> Result<usize, WriteError> {
        self.prune_some(older_than, 10_000).await
    }

    pub(crate) async fn prune_some(
        &self,
        older_than: Duration,
        limit: usize,
    ) -> Result<usize, WriteError> {
        let before = self.now() - older_than;
        let pruned = self.0.store.prune_jobs(before, limit).await?;
        self.0.counts.pruned.fetch_add(pruned as u64, Relaxed);
        Ok(pruned)
    }

    /// What its queues have done.
    pub fn counters(&self) -> JobsCounters {
        let counts = &self.0.counts;
        JobsCounters {
            completed: counts.completed.load(Relaxed),
            failed: counts.failed.load(Relaxed),
            leases_lost: counts.leases_lost.load(Relaxed),
            store_errors: counts.store_errors.load(Relaxed),
            pruned: counts.pruned.load(Relaxed),
        }
    }

    pub(crate) fn count(&self) -> &Counts {
        &self.0.counts
    }

    /// Tells the queue, where it is in this process, that there may be something to do.
    pub(crate) fn look(&self, queue: &str) {
        let queues = self.0.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(queue) {
            // One that is full will look anyway.
            let _ = queue.cast(Look);
        }
    }

    pub(crate) fn add_queue(&self, name: Arc<str>, queue: Recipient<Look>) {
        let mut queues = self.0.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.insert(name, queue);
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jobs").field(&self.counters()).finish()
    }
}
