//! Jobs in SQL.

use std::sync::Arc;

use futures_util::future::join;
use tokio_postgres::Row;

use super::faults::Trouble;
use super::rows::{count, int, number, time, unsigned};
use super::session::{Parameters, Session};
use super::statements::Sql;
use super::transactions::Refused;
use crate::{
    ClaimedJob, Enqueued, FinishJob, JobError, JobState, NewJob, Outcome, StoredJob, Timestamp,
    WriteError, checks,
};

const LEASE_ENDED: &str = "its lease ended unrenewed: the worker is gone";

const PRIORITY_MAX: i32 = NewJob::PRIORITY_MAX as i32;

fn code(state: JobState) -> i32 {
    state.code() as i32
}

pub(super) async fn enqueue(session: &Session, job: &NewJob) -> Result<Enqueued, Refused> {
    let unique = job.unique.as_ref();
    let key = unique.map(|unique| &*unique.key);
    let until = unique.map(|unique| {
        unique
            .period
            .map_or(Timestamp::MAX, |for_| job.now + for_)
            .0
    });
    let attempts = i32::try_from(job.attempts_max.max(1)).unwrap_or(i32::MAX);
    let values: Parameters<'_> = &[
        &&*job.queue,
        &i32::from(job.priority),
        &attempts,
        &job.run_at.0,
        &key,
        &until,
        &job.payload,
        &job.now.0,
    ];
    let row = session.query(Sql::Enqueue, values).await?.remove(0);
    let id = number(&row, 0);
    Ok(match row.get(1) {
        true => Enqueued::New(id),
        false => Enqueued::Existing(id),
    })
}

pub(super) async fn claim(
    session: &Session,
    queue: &str,
    limit: usize,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Vec<ClaimedJob>, Refused> {
    let limit = count(limit);
    let values: Parameters<'_> = &[&queue, &now.0, &LEASE_ENDED];
    let rescued = session.execute(Sql::Rescue, values);
    let values: Parameters<'_> = &[&queue, &now.0, &limit, &lease_until.0, &PRIORITY_MAX];
    let claimed = session.query(Sql::ClaimJobs, values);
    let (rescued, claimed) = join(rescued, claimed).await;
    rescued?;
    let claimed = claimed?;
    let mut jobs: Vec<_> = claimed
        .iter()
        .map(|row| (unsigned(row, 7), claimed_job(row)))
        .collect();
    jobs.sort_by_key(|(priority, job)| (*priority, job.run_at, job.id));
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}

fn claimed_job(row: &Row) -> ClaimedJob {
    ClaimedJob {
        id: number(row, 0),
        lease: number(row, 1),
        attempt: unsigned(row, 2),
        attempts_max: unsigned(row, 3),
        snoozes: unsigned(row, 4),
        run_at: time(row, 5),
        payload: row.get(6),
    }
}

pub(super) async fn renew(
    session: &Session,
    held: &[(u64, u64)],
    lease_until: Timestamp,
) -> Result<Vec<u64>, Refused> {
    let (ids, leases): (Vec<_>, Vec<_>) = held
        .iter()
        .map(|(id, lease)| (int(*id), int(*lease)))
        .unzip();
    let values: Parameters<'_> = &[&ids, &leases, &lease_until.0];
    let renewed = session.query(Sql::RenewJobs, values).await?;
    let renewed: std::collections::HashSet<_> = renewed.iter().map(|row| number(row, 0)).collect();
    let still = held.iter().map(|(id, _)| *id);
    Ok(still.filter(|id| renewed.contains(id)).collect())
}

pub(super) async fn finish(session: &Session, finish: &FinishJob) -> Result<(), Refused> {
    let (state, run_at, error) = match &finish.outcome {
        Outcome::Completed => (JobState::Completed, None, None),
        Outcome::Cancelled => (JobState::Cancelled, None, None),
        Outcome::Snoozed { until } => (JobState::Available, Some(until.0), None),
        Outcome::Failed { retry_at, error } => (JobState::Available, Some(retry_at.0), Some(error)),
        Outcome::Dead { error } => (JobState::Dead, None, Some(error)),
    };
    let dies_at_the_last = matches!(finish.outcome, Outcome::Failed { .. });
    let given_back = i32::from(matches!(finish.outcome, Outcome::Snoozed { .. }));
    let error = error.map(|error| checks::cut(error.clone()));
    let values: Parameters<'_> = &[
        &int(finish.id),
        &int(finish.lease),
        &code(state),
        &run_at,
        &finish.now.0,
        &dies_at_the_last,
        &error,
        &given_back,
    ];
    if session.execute(Sql::FinishJob, values).await? > 0 {
        return Ok(());
    }
    let (id, lease) = (finish.id, finish.lease);
    Err(Refused::Rule(WriteError::LeaseLost { id, lease }))
}

pub(super) async fn cancel(session: &Session, id: u64, now: Timestamp) -> Result<bool, Refused> {
    Ok(session.execute(Sql::CancelJob, &[&int(id), &now.0]).await? > 0)
}

pub(super) async fn retry(session: &Session, id: u64, now: Timestamp) -> Result<bool, Refused> {
    Ok(session.execute(Sql::RetryJob, &[&int(id), &now.0]).await? > 0)
}

pub(super) async fn prune(
    session: &Session,
    before: Timestamp,
    limit: usize,
) -> Result<usize, Refused> {
    let values: Parameters<'_> = &[&before.0, &count(limit)];
    let pruned = session.execute(Sql::PruneJobs, values).await?;
    Ok(usize::try_from(pruned).unwrap_or(usize::MAX))
}

pub(super) async fn next_due(session: &Session, queue: &str) -> Result<Option<Timestamp>, Trouble> {
    let row = session.row(Sql::NextDue, &[&queue, &PRIORITY_MAX]).await?;
    Ok(row
        .and_then(|row| row.get::<_, Option<i64>>(0))
        .map(Timestamp))
}

fn stored(row: &Row) -> Option<StoredJob> {
    Some(StoredJob {
        id: number(row, 0),
        queue: Arc::from(row.get::<_, &str>(1)),
        state: JobState::of_code(row.get::<_, i32>(2).into())?,
        priority: u8::try_from(unsigned(row, 3)).unwrap_or(NewJob::PRIORITY_MAX),
        attempt: unsigned(row, 4),
        attempts_max: unsigned(row, 5),
        run_at: time(row, 6),
        payload: row.get(7),
        errors: Vec::new(),
    })
}

pub(super) async fn job(session: &Session, id: u64) -> Result<Option<StoredJob>, Trouble> {
    let id = int(id);
    let values: Parameters<'_> = &[&id];
    let job = session.row(Sql::Job, values);
    let errors = session.collect(Sql::JobErrors, values, |row| JobError {
        attempt: unsigned(row, 0),
        at: time(row, 1),
        message: row.get(2),
    });
    let (job, errors) = join(job, errors).await;
    let (mut job, errors) = (job?.as_ref().and_then(stored), errors?);
    if let Some(job) = &mut job {
        job.errors = errors;
    }
    Ok(job)
}

pub(super) async fn jobs(
    session: &Session,
    queue: &str,
    state: JobState,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredJob>, Trouble> {
    let values: Parameters<'_> = &[&queue, &code(state), &int(after), &count(limit)];
    let jobs = session.collect(Sql::Jobs, values, stored).await?;
    Ok(jobs.into_iter().flatten().collect())
}

pub(super) async fn counts(
    session: &Session,
    queue: &str,
) -> Result<Vec<(JobState, u64)>, Trouble> {
    let count = |row: &Row| {
        Some((
            JobState::of_code(row.get::<_, i32>(0).into())?,
            number(row, 1),
        ))
    };
    let counts = session.collect(Sql::JobCounts, &[&queue], count).await?;
    Ok(counts.into_iter().flatten().collect())
}
