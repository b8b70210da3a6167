//! What a job is, how it is asked for, and how an attempt ends.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vaxel_store::{NewJob, Timestamp, Unique, Write};

/// Work that can be stored: its parameters, and how it is to be treated.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Which handler it is for. Stored: never change it while such jobs wait.
    const KIND: &'static str;

    /// Its queue. Default: `default`.
    const QUEUE: &'static str = "default";

    /// How often it is tried. Default: 20.
    const ATTEMPTS_MAX: u32 = NewJob::ATTEMPTS_MAX;

    /// How long an attempt may take; then it is ended and counts as failed. Default: no limit.
    const TIME_LIMIT: Option<Duration> = None;

    /// How long after a failed attempt the next one is due, before jitter. Default: 15 s and twice
    /// as long each time, up to a day.
    fn backoff(attempt: u32) -> Duration {
        let growing = Duration::from_secs(1_u64 << attempt.min(17));
        Duration::from_secs(15) + growing.min(Duration::from_secs(24 * 60 * 60))
    }
}

/// What is stored of a job.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored<'a> {
    pub(crate) job: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) args: &'a RawValue,
}

/// The parameters of a job cannot be encoded.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the job {kind} cannot be encoded: {cause}")]
pub struct EncodeError {
    kind: &'static str,
    cause: Arc<str>,
}

/// A job to be enqueued, with what is special about it.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing before it is enqueued"]
pub struct Request {
    queue: Arc<str>,
    payload: Result<Vec<u8>, EncodeError>,
    when: When,
    priority: u8,
    attempts_max: u32,
    unique: Option<Unique>,
}

#[derive(Debug, Clone, Copy)]
enum When {
    After(Duration),
    At(Timestamp),
}

fn encode<J: Job>(job: &J) -> Result<Vec<u8>, serde_json::Error> {
    let args = serde_json::value::to_raw_value(job)?;
    serde_json::to_vec(&Stored {
        job: J::KIND.into(),
        args: &args,
    })
}

impl Request {
    /// This job, as soon as there is a worker.
    pub fn of<J: Job>(job: &J) -> Self {
        Request {
            queue: J::QUEUE.into(),
            payload: encode(job).map_err(|error| EncodeError {
                kind: J::KIND,
                cause: error.to_string().into(),
            }),
            when: When::After(Duration::ZERO),
            priority: 0,
            attempts_max: J::ATTEMPTS_MAX,
            unique: None,
        }
    }

    /// Not before so much time has passed.
    pub fn after(mut self, delay: Duration) -> Self {
        self.when = When::After(delay);
        self
    }

    /// Not before this time.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.when = When::At(time);
        self
    }

    /// From zero, which is first and the default, to [`NewJob::PRIORITY_MAX`].
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// In another queue than its kind's.
    pub fn queue(mut self, queue: impl Into<Arc<str>>) -> Self {
        self.queue = queue.into();
        self
    }

    /// How often it is tried.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Only one with this key for as long as it waits or runs: another is not enqueued.
    pub fn unique(mut self, key: impl Into<Arc<str>>) -> Self {
        let (key, period) = (key.into(), None);
        self.unique = Some(Unique { key, period });
        self
    }

    /// Only one with this key within a period after it was enqueued. One that was cancelled or is
    /// dead does not count.
    pub fn unique_within(mut self, key: impl Into<Arc<str>>, period: Duration) -> Self {
        let (key, period) = (key.into(), Some(period));
        self.unique = Some(Unique { key, period });
        self
    }

    /// What a store is given, for a [`Write`] together with events or states: such a job is seen
    /// by its queue when it next looks by itself, within a second.
    ///
    /// # Errors
    /// When the job cannot be encoded.
    pub fn into_new_job(self, now: Timestamp) -> Result<NewJob, EncodeError> {
        let mut job = NewJob::new(self.queue, self.payload?);
        job.now = now;
        job.run_at = match self.when {
            When::After(delay) => now + delay,
            When::At(time) => time,
        };
        job.priority = self.priority;
        job.attempts_max = self.attempts_max;
        job.unique = self.unique;
        Ok(job)
    }
}

impl<J: Job> From<&J> for Request {
    fn from(job: &J) -> Self {
        Request::of(job)
    }
}

/// What a handler knows about the attempt that it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// Which job.
    pub id: u64,
    /// Which attempt, from one.
    pub attempt: u32,
    /// How many there may be.
    pub attempts_max: u32,
    /// How often it was snoozed.
    pub snoozes: u32,
    /// When it was to run.
    pub run_at: Timestamp,
}

/// How an attempt ended that did not fail.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// The job is done.
    Done,
    /// The job is done, and this is stored in the same transaction: exactly once.
    DoneWith(Write),
    /// The job is put off, which costs no attempt.
    Snooze(Duration),
    /// The same until a point in time; one that has passed is at once.
    SnoozeUntil(Timestamp),
    /// The job is called off.
    Cancel,
    /// The job is dead: trying again is pointless.
    Discard(String),
}

/// Why an attempt failed; it is tried again.
pub type JobFailure = Box<dyn Error + Send + Sync>;
