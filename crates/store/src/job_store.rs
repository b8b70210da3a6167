//! Jobs: work that is done later, and again until it is done.
//!
//! # Life
//! A job is *available* from its time on. A worker claims it: it is *executing*, under a lease that
//! the worker renews. The worker finishes the attempt: the job is *completed*, *cancelled*, *dead*,
//! or available again at a later time. Where a lease ends unrenewed its worker is gone; the next
//! claim makes the job available again, or dead when it has no attempts left.
//!
//! # Who holds a job
//! Each claim has a token, the lease. Renewing and finishing name it: a worker that was given up
//! for dead is refused, whatever it has done meanwhile.
//!
//! Times are given by the caller, so that tests can drive them. Machines that share a store must
//! agree about the time to within a fraction of the lease.

use std::sync::Arc;
use std::time::Duration;

use crate::transact::Transact;
use crate::{Answer, ReadError, Timestamp, WriteError};

/// A job to be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewJob {
    /// Which queue.
    pub queue: Arc<str>,
    /// What is to be done, encoded.
    pub payload: Vec<u8>,
    /// When it was enqueued.
    pub now: Timestamp,
    /// Not before.
    pub run_at: Timestamp,
    /// From zero, which is first, to [`NewJob::PRIORITY_MAX`].
    pub priority: u8,
    /// How often it is tried. Default: 20.
    pub attempts_max: u32,
    /// Of several with one key, only one is enqueued.
    pub unique: Option<Unique>,
}

/// That there is only one job with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key, among the jobs of one queue.
    pub key: Arc<str>,
    /// For how long after it was enqueued another one counts as the same. `None`: as long as it
    /// waits or runs.
    pub period: Option<Duration>,
}

impl NewJob {
    /// The last priority.
    pub const PRIORITY_MAX: u8 = 9;
    /// How often a job is tried unless told otherwise.
    pub const ATTEMPTS_MAX: u32 = 20;
    /// Larger payloads are refused.
    pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

    /// A job that may run at once.
    pub fn new(queue: impl Into<Arc<str>>, payload: impl Into<Vec<u8>>) -> Self {
        let now = Timestamp::now();
        NewJob {
            queue: queue.into(),
            payload: payload.into(),
            now,
            run_at: now,
            priority: 0,
            attempts_max: Self::ATTEMPTS_MAX,
            unique: None,
        }
    }
}

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue under this id.
    New(u64),
    /// Its key is taken by the job with this id.
    Existing(u64),
}

impl Enqueued {
    /// The id of the job that does the work.
    pub fn id(self) -> u64 {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobState {
    /// Waits for its time, or for a worker.
    Available,
    /// Leased to a worker.
    Executing,
    /// Done.
    Completed,
    /// Called off.
    Cancelled,
    /// Given up after its last attempt. Kept, with its errors, until it is pruned or retried.
    Dead,
}

impl JobState {
    pub(crate) const ALL: [Self; 5] = [
        Self::Available,
        Self::Executing,
        Self::Completed,
        Self::Cancelled,
        Self::Dead,
    ];

    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether nothing more will happen by itself.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Available | Self::Executing)
    }
}

/// A claimed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Which job.
    pub id: u64,
    /// The token of this claim.
    pub lease: u64,
    /// Which attempt this is, from one.
    pub attempt: u32,
    /// How many there may be.
    pub attempts_max: u32,
    /// How often it was snoozed.
    pub snoozes: u32,
    /// When it was to run.
    pub run_at: Timestamp,
    /// What is to be done, encoded.
    pub payload: Vec<u8>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Completed,
    /// It failed and is tried again at that time, or is dead when this was its last attempt.
    Failed {
        /// When.
        retry_at: Timestamp,
        /// Why; cut at [`JobError::MESSAGE_BYTES_MAX`].
        error: String,
    },
    /// It failed and is not tried again.
    Dead {
        /// Why; cut at [`JobError::MESSAGE_BYTES_MAX`].
        error: String,
    },
    /// It is put off to that time, which costs no attempt.
    Snoozed {
        /// Until when.
        until: Timestamp,
    },
    /// It was called off while it ran.
    Cancelled,
}

/// The end of an attempt, by who holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishJob {
    /// Which job.
    pub id: u64,
    /// The token of the claim.
    pub lease: u64,
    /// When.
    pub now: Timestamp,
    /// How.
    pub outcome: Outcome,
}

/// An error of an earlier attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// Which attempt.
    pub attempt: u32,
    /// When it failed.
    pub at: Timestamp,
    /// Why.
    pub message: String,
}

impl JobError {
    /// Longer messages are cut.
    pub const MESSAGE_BYTES_MAX: usize = 1024;
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJob {
    /// Which job.
    pub id: u64,
    /// Its queue.
    pub queue: Arc<str>,
    /// Where it is in its life.
    pub state: JobState,
    /// Its priority.
    pub priority: u8,
    /// How often it has been begun.
    pub attempt: u32,
    /// How often it may be.
    pub attempts_max: u32,
    /// When it is to run next, or was.
    pub run_at: Timestamp,
    /// What is to be done, encoded.
    pub payload: Vec<u8>,
    /// Why earlier attempts failed, oldest first.
    pub errors: Vec<JobError>,
}

/// Jobs in queues.
pub trait JobStore: Transact {
    /// Enqueues a job; answers after the sync.
    ///
    /// # Errors
    /// See [`WriteError`]. A job whose key is taken is no error.
    fn enqueue(&self, job: NewJob) -> Answer<Enqueued, WriteError>;

    /// Claims up to `limit` jobs of a queue that are due, by priority and then by time, each
    /// leased until `lease_until`. Jobs whose lease has ended are given back first.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn claim_jobs(
        &self,
        queue: &str,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Answer<Vec<ClaimedJob>, WriteError>;

    /// Renews leases, given as id and token. Answers the ids that are still held; the others were
    /// cancelled, or given to another worker.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn renew_jobs(
        &self,
        held: Vec<(u64, u64)>,
        lease_until: Timestamp,
    ) -> Answer<Vec<u64>, WriteError>;

    /// Ends an attempt.
    ///
    /// # Errors
    /// [`LeaseLost`](WriteError::LeaseLost) when the job is not held under this token any more;
    /// see [`WriteError`].
    fn finish_job(&self, finish: FinishJob) -> Answer<(), WriteError>;

    /// Calls a job off. A worker that runs it hears of it when it renews. False when it was over.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn cancel_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError>;

    /// Makes a job that is dead or cancelled available again, with all its attempts. False when it
    /// is neither.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn retry_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError>;

    /// Deletes up to `limit` jobs of any queue that were over before `before`, and answers how
    /// many.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn prune_jobs(&self, before: Timestamp, limit: usize) -> Answer<usize, WriteError>;

    /// When a queue needs to be looked at next: the earliest time of an available job or the
    /// earliest end of a lease. `None` when it has neither.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn next_due(&self, queue: &str) -> Answer<Option<Timestamp>, ReadError>;

    /// A job with its errors.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn job(&self, id: u64) -> Answer<Option<StoredJob>, ReadError>;

    /// Jobs of a queue in a state, by id and after `after`; at most `limit`, without their errors.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn jobs(
        &self,
        queue: &str,
        state: JobState,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredJob>, ReadError>;

    /// How many jobs of a queue are in each state.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn job_counts(&self, queue: &str) -> Answer<Vec<(JobState, u64)>, ReadError>;
}
