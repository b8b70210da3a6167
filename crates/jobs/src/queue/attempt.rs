//! One attempt of a job: from its claim to the commit of its end.

use std::future::Future;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use vaxel_actor::task::TaskError;
use vaxel_actor::{Task, secs};
use vaxel_store::{ClaimedJob, FinishJob, Outcome, Write, WriteError};

use super::lease::Lease;
use super::{Handler, Queue};
use crate::job::{Attempt, End, JobFailure, Stored};

/// How often the end of an attempt is offered to a store that fails, a second apart. After that
/// the lease ends, and the job runs again.
const FINISH_TRIES: u32 = 10;

/// A task that ends when this is dropped.
pub(super) struct Guarded<T: Send + 'static>(Option<Task<T>>);

impl<T: Send + 'static> Guarded<T> {
    pub(super) fn new(task: Task<T>) -> Self {
        Guarded(Some(task))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(Task::is_finished)
    }

    /// Waits for its end. Dropping this future ends the task.
    pub(super) async fn ended(mut self) {
        if let Some(task) = self.0.as_mut() {
            let _ = task.yield_for(vaxel_actor::TimeLimit::Unlimited).await;
        }
    }
}

impl<T: Send + 'static> Drop for Guarded<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.kill();
        }
    }
}

/// Runs an attempt and stores its end.
pub(super) async fn run(queue: Queue, job: ClaimedJob, lease: &Lease) {
    let counts = queue.jobs.count();
    let Some(end) = while_leased(&queue, lease, attempt(&queue, &job)).await else {
        counts.leases_lost.fetch_add(1, Relaxed);
        tracing::error!(
            job = job.id,
            "an attempt is ended: the store has not confirmed its lease in time; the job runs \
             again when the lease ends"
        );
        return;
    };
    let ok = end.is_ok();
    let (ending, also) = outcome(&queue, &job, end);
    let mut stored = finish(&queue, &job, ending, also).await;
    if let Err(error @ (WriteError::Conflict { .. } | WriteError::Fenced { .. })) = stored {
        // What was to be stored with it was refused, so the attempt has failed.
        let (ending, _) = outcome(&queue, &job, Err(error.to_string().into()));
        stored = finish(&queue, &job, ending, None).await;
    }
    match stored {
        Ok(()) if ok => counts.completed.fetch_add(1, Relaxed),
        Ok(()) => counts.failed.fetch_add(1, Relaxed),
        Err(error) if error.is_conflict() => counts.leases_lost.fetch_add(1, Relaxed),
        Err(error) => {
            tracing::error!(
                job = job.id, %error,
                "the end of an attempt is not stored; the job runs again when its lease ends"
            );
            counts.store_errors.fetch_add(1, Relaxed)
        }
    };
}

/// Awaits an attempt for as long as its job is certainly ours; `None` when it no longer is.
async fn while_leased<T>(
    queue: &Queue,
    lease: &Lease,
    attempt: impl Future<Output = T>,
) -> Option<T> {
    let mut attempt = pin!(attempt);
    loop {
        let left = lease.left(queue.jobs.now())?;
        if let Ok(end) = vaxel_actor::time::timeout(left, attempt.as_mut()).await {
            return Some(end);
        }
    }
}

fn parse(payload: &[u8]) -> Result<Stored<'_>, JobFailure> {
    Ok(serde_json::from_slice(payload)?)
}

fn handler<'a>(queue: &'a Queue, job: &ClaimedJob) -> Option<&'a Handler> {
    let stored = parse(&job.payload).ok()?;
    queue.handlers.get(&*stored.job)
}

async fn attempt(queue: &Queue, job: &ClaimedJob) -> Result<End, JobFailure> {
    let stored = parse(&job.payload)?;
    let kind = &stored.job;
    let handler = queue.handlers.get(&**kind);
    let handler = handler.ok_or_else(|| format!("queue {} handles no {kind}", queue.name))?;
    let attempt = Attempt {
        id: job.id,
        attempt: job.attempt,
        attempts_max: job.attempts_max,
        snoozes: job.snoozes,
        run_at: job.run_at,
    };
    let running = (handler.run)(stored.args.get(), attempt)?;
    let task = Task::spawn(running);
    let mut task = Guarded::new(match handler.time_limit {
        Some(limit) => task.timeout(limit),
        None => task.no_timeout(),
    });
    let Some(task) = task.0.as_mut() else {
        unreachable!("it was just made");
    };
    match task.await {
        Ok(end) => end,
        Err(TaskError::Timeout) => Err("it has not ended within its time limit".into()),
        Err(error) => Err(error.to_string().into()),
    }
}

fn outcome(
    queue: &Queue,
    job: &ClaimedJob,
    end: Result<End, JobFailure>,
) -> (Outcome, Option<Write>) {
    let now = queue.jobs.now();
    let outcome = match end {
        Ok(End::Done) => Outcome::Completed,
        Ok(End::DoneWith(write)) => return (Outcome::Completed, Some(write)),
        Ok(End::Snooze(delay)) => Outcome::Snoozed { until: now + delay },
        Ok(End::SnoozeUntil(until)) => Outcome::Snoozed { until },
        Ok(End::Cancel) => Outcome::Cancelled,
        Ok(End::Discard(error)) => Outcome::Dead { error },
        Err(error) => {
            let backoff = handler(queue, job).map_or(secs(60), |kind| (kind.backoff)(job.attempt));
            Outcome::Failed {
                retry_at: now + jittered(backoff, job),
                error: error.to_string(),
            }
        }
    };
    (outcome, None)
}

/// Up to a tenth longer: jobs that failed together need not come back together.
fn jittered(backoff: Duration, job: &ClaimedJob) -> Duration {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let hash = hasher.hash_one((job.id, job.attempt));
    backoff + backoff.mul_f64((hash % 1_000) as f64 / 10_000.0)
}

async fn finish(
    queue: &Queue,
    job: &ClaimedJob,
    outcome: Outcome,
    also: Option<Write>,
) -> Result<(), WriteError> {
    let store = queue.jobs.store();
    let mut tries = 0;
    loop {
        let (id, lease, now) = (job.id, job.lease, queue.jobs.now());
        let outcome = outcome.clone();
        let finish = FinishJob {
            id,
            lease,
            now,
            outcome,
        };
        let written = match also.clone() {
            None => store.finish_job(finish).await,
            Some(also) => store.write(also.finish(finish)).await.map(drop),
        };
        tries += 1;
        match written {
            Err(error) if !error.is_conflict() && tries < FINISH_TRIES => {
                vaxel_actor::time::sleep(secs(1)).await;
            }
            // After an unknown outcome a lost lease says that the end was stored.
            other => return other,
        }
    }
}
