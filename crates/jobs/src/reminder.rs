//! Reminders: appointments that are kept although the program ends meanwhile.
//!
//! A reminder has a name and a time, and a period if it is to come again. It is a job in the queue
//! [`Reminder::QUEUE`], which survives restarts, is delivered at least once, and is tried again
//! where delivering fails.
//!
//! ```
//! use vaxel_actor::{Supervisor, millis, secs};
//! use vaxel_jobs::{Jobs, Queue, Reminder};
//! use vaxel_store::Memory;
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let jobs = Jobs::new(Memory::new());
//! let (told, mut reminders) = tokio::sync::mpsc::channel(10);
//! let queue = Queue::new(&jobs, Reminder::QUEUE).remind(move |reminder: Reminder| {
//!     let told = told.clone();
//!     async move { Ok(told.send(reminder.name).await?) }
//! });
//! let supervisor = Supervisor::one_for_one().child(queue.child()).start().await?;
//!
//! jobs.remind(Reminder::new("invoice/17").after(millis(20))).await?;
//! jobs.remind(Reminder::new("invoice/18").after(secs(3600))).await?;
//! jobs.forget("invoice/18").await?;
//! assert_eq!(reminders.recv().await.as_deref(), Some("invoice/17"));
//! # drop(supervisor);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaxel_store::{Enqueued, Timestamp};

use crate::job::{Attempt, End, Job, JobFailure, Request};
use crate::jobs::{EnqueueError, Jobs};
use crate::queue::Queue;

/// What becomes of times that passed while no process was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Missed {
    /// One reminder for all of them. The default.
    #[default]
    Once,
    /// A reminder for each.
    All,
}

/// An appointment; see the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a reminder does nothing before `Jobs::remind` is given it"]
pub struct Reminder {
    /// Its name. A later one of the same name replaces it.
    pub name: String,
    /// What it carries.
    pub payload: String,
    delay_ms: u64,
    every_ms: Option<u64>,
    missed: Missed,
}

impl Job for Reminder {
    const KIND: &'static str = "vaxel.reminder";
    const QUEUE: &'static str = Reminder::QUEUE;
    // What comes for years may fail now and then.
    const ATTEMPTS_MAX: u32 = i32::MAX as u32;
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Reminder {
    /// The queue that keeps reminders.
    pub const QUEUE: &'static str = "reminders";

    /// Shorter periods count as this: 100 ms.
    pub const PERIOD_MIN: Duration = Duration::from_millis(100);

    /// A reminder that is due at once.
    pub fn new(name: impl Into<String>) -> Self {
        Reminder {
            name: name.into(),
            payload: String::new(),
            delay_ms: 0,
            every_ms: None,
            missed: Missed::Once,
        }
    }

    /// What it carries.
    pub fn payload(mut self, payload: impl Into<String>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Due after so long. To the millisecond.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay_ms = millis(delay);
        self
    }

    /// Comes again after each period, for ever.
    pub fn every(mut self, period: Duration) -> Self {
        self.every_ms = Some(millis(period.max(Self::PERIOD_MIN)));
        self
    }

    /// What becomes of times that were missed.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// When it comes again, after it was due at `run_at`.
    fn next(&self, run_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let every = i64::try_from(self.every_ms?).unwrap_or(i64::MAX);
        let missed = match self.missed {
            Missed::All => 0,
            Missed::Once => (now.0.saturating_sub(run_at.0) / every).max(0),
        };
        Some(Timestamp(
            run_at.0.saturating_add(every.saturating_mul(missed + 1)),
        ))
    }
}

impl Jobs {
    /// Sets a reminder, in place of one of the same name.
    ///
    /// # Errors
    /// See [`EnqueueError`].
    pub async fn remind(&self, reminder: Reminder) -> Result<u64, EnqueueError> {
        let delay = Duration::from_millis(reminder.delay_ms);
        let request = Request::of(&reminder)
            .after(delay)
            .unique(reminder.name.as_str());
        loop {
            match self.enqueue(request.clone()).await? {
                Enqueued::New(id) => return Ok(id),
                Enqueued::Existing(id) => self.cancel(id).await?,
            };
        }
    }

    /// Calls a reminder off. False when there was none.
    ///
    /// # Errors
    /// See [`EnqueueError`].
    pub async fn forget(&self, name: &str) -> Result<bool, EnqueueError> {
        // A place holder, far away, finds the one that has the name.
        let far = Request::of(&Reminder::new(name))
            .at(Timestamp::MAX)
            .unique(name);
        let found = self.enqueue(far).await?;
        let was_there = matches!(found, Enqueued::Existing(_));
        Ok(self.cancel(found.id()).await? && was_there)
    }
}

impl Queue {
    /// Delivers reminders so. One that fails is tried again after a while.
    pub fn remind<F>(self, deliver: impl Fn(Reminder) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), JobFailure>> + Send + 'static,
    {
        let jobs = self.jobs().clone();
        self.handle(move |reminder: Reminder, attempt: Attempt| {
            let delivered = deliver(reminder.clone());
            let jobs = jobs.clone();
            async move {
                delivered.await?;
                let next = reminder.next(attempt.run_at, jobs.now());
                Ok(next.map_or(End::Done, End::SnoozeUntil))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_a_whole_number_of_periods_later() {
        let every = Reminder::new("a").every(Duration::from_millis(250));
        let next = |reminder: &Reminder, now| reminder.next(Timestamp(1_000), Timestamp(now));
        assert_eq!(next(&every, 1_000), Some(Timestamp(1_250)));
        assert_eq!(next(&every, 1_600), Some(Timestamp(1_750)));
        let all = every.missed(Missed::All);
        assert_eq!(next(&all, 1_600), Some(Timestamp(1_250)));
        assert_eq!(next(&Reminder::new("a"), 1_000), None);
    }
}
