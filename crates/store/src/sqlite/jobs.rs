//! Jobs in SQL: how they are enqueued, claimed, renewed and finished.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{count, int, number, small, time};
use super::writer::whole;
use crate::{
    ClaimedJob, Enqueued, FinishJob, JobState, NewJob, Outcome, Timestamp, WriteError, checks,
};

const ENQUEUE: &str = "INSERT INTO job (queue, state, priority, attempt, attempts_max, snoozes,
        run_at, lease, unique_key, unique_until, payload)
    SELECT ?1, 0, ?2, 0, ?3, 0, ?4, 0, ?5, ?6, ?7
    WHERE ?5 IS NULL OR NOT EXISTS (SELECT 1 FROM job
        WHERE queue = ?1 AND unique_key = ?5 AND unique_until > ?8)";

const TAKEN: &str = "SELECT id FROM job
    WHERE queue = ?1 AND unique_key = ?2 AND unique_until > ?3 ORDER BY id DESC LIMIT 1";

/// The state of a job whose lease has ended: dead (4) without attempts, else available.
const RESCUE: &str = "UPDATE job SET
        state = iif(attempt >= attempts_max, 4, 0), lease_until = NULL,
        over_at = iif(attempt >= attempts_max, ?2, NULL),
        unique_key = iif(attempt >= attempts_max, NULL, unique_key)
    WHERE queue = ?1 AND state = 1 AND lease_until <= ?2 RETURNING id, attempt";

const CLAIM: &str = "UPDATE job
    SET state = 1, attempt = attempt + 1, lease = lease + 1, lease_until = ?5
    WHERE id IN (SELECT id FROM job WHERE queue = ?1 AND state = 0 AND priority = ?2
        AND run_at <= ?3 ORDER BY run_at, id LIMIT ?4)
    RETURNING id, lease, attempt, attempts_max, snoozes, run_at, payload";

const RENEW: &str = "UPDATE job SET lease_until = ?3 WHERE id = ?1 AND lease = ?2 AND state = 1";

const ERROR: &str = "INSERT INTO job_error (job, attempt, at, message) VALUES (?1, ?2, ?3, ?4)";

/// Ends an attempt. A key that is kept for as long as the job is alive has no end.
const FINISH: &str = "UPDATE job SET state = ?3, run_at = ifnull(?4, run_at), over_at = ?5,
        attempt = attempt - ?6, snoozes = snoozes + ?6, lease_until = NULL,
        unique_key = iif(?3 IN (3, 4) OR (?3 = 2 AND unique_until = 9223372036854775807),
            NULL, unique_key)
    WHERE id = ?1 AND lease = ?2 AND state = 1";

const ATTEMPTS: &str = "SELECT attempt, attempts_max FROM job
    WHERE id = ?1 AND lease = ?2 AND state = 1";

const LEASE_ENDED: &str = "its lease ended unrenewed: the worker is gone";

pub(super) fn enqueue(connection: &Connection, job: &NewJob) -> Result<Enqueued, WriteError> {
    let unique = job.unique.as_ref();
    let key = unique.map(|unique| &unique.key);
    let until = unique.map(|unique| unique.period.map_or(Timestamp::MAX, |for_| job.now + for_));
    let mut statement = connection.prepare_cached(ENQUEUE)?;
    let inserted = statement.execute(params![
        job.queue,
        job.priority,
        job.attempts_max.max(1),
        job.run_at,
        key,
        until,
        job.payload,
        job.now
    ])?;
    if inserted > 0 {
        return Ok(Enqueued::New(connection.last_insert_rowid().max(0) as u64));
    }
    let mut taken = connection.prepare_cached(TAKEN)?;
    let id = taken.query_row(params![job.queue, key, job.now], |row| number(row, 0))?;
    Ok(Enqueued::Existing(id))
}

pub(super) fn claim(
    connection: &Connection,
    queue: &str,
    limit: usize,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Vec<ClaimedJob>, WriteError> {
    whole(connection, || {
        rescue(connection, queue, now)?;
        let mut claimed = Vec::new();
        let mut statement = connection.prepare_cached(CLAIM)?;
        for priority in 0..=NewJob::PRIORITY_MAX {
            let room = limit - claimed.len();
            if room == 0 {
                break;
            }
            let values = params![queue, priority, now, count(room), lease_until];
            let rows = statement.query_map(values, claimed_job)?;
            let mut of_priority = rows.collect::<Result<Vec<_>, _>>()?;
            of_priority.sort_by_key(|job| (job.run_at, job.id));
            claimed.append(&mut of_priority);
        }
        Ok(claimed)
    })
}

fn claimed_job(row: &Row<'_>) -> rusqlite::Result<ClaimedJob> {
    Ok(ClaimedJob {
        id: number(row, 0)?,
        lease: number(row, 1)?,
        attempt: small(row, 2)?,
        attempts_max: small(row, 3)?,
        snoozes: small(row, 4)?,
        run_at: time(row, 5)?,
        payload: row.get(6)?,
    })
}

fn rescue(connection: &Connection, queue: &str, now: Timestamp) -> Result<(), WriteError> {
    let mut statement = connection.prepare_cached(RESCUE)?;
    let rescued = statement
        .query_map(params![queue, now], |row| {
            Ok((number(row, 0)?, small(row, 1)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for (id, attempt) in rescued {
        note(connection, id, attempt, now, LEASE_ENDED)?;
    }
    Ok(())
}

fn note(
    connection: &Connection,
    job: u64,
    attempt: u32,
    at: Timestamp,
    message: &str,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(ERROR)?;
    statement.execute(params![int(job), attempt, at, message])?;
    Ok(())
}

pub(super) fn renew(
    connection: &Connection,
    held: &[(u64, u64)],
    lease_until: Timestamp,
) -> Result<Vec<u64>, WriteError> {
    whole(connection, || {
        let mut statement = connection.prepare_cached(RENEW)?;
        let mut still = Vec::with_capacity(held.len());
        for (id, lease) in held {
            if statement.execute(params![int(*id), int(*lease), lease_until])? > 0 {
                still.push(*id);
            }
        }
        Ok(still)
    })
}

/// What an outcome makes of a job.
struct Next {
    state: JobState,
    run_at: Option<Timestamp>,
    /// An attempt that does not count.
    given_back: u32,
    error: Option<String>,
}

impl Next {
    fn after(outcome: &Outcome, is_last: bool) -> Self {
        let (state, run_at, error) = match outcome {
            Outcome::Completed => (JobState::Completed, None, None),
            Outcome::Cancelled => (JobState::Cancelled, None, None),
            Outcome::Snoozed { until } => (JobState::Available, Some(*until), None),
            Outcome::Failed { retry_at, error } if !is_last => {
                (JobState::Available, Some(*retry_at), Some(error))
            }
            Outcome::Failed { error, .. } | Outcome::Dead { error } => {
                (JobState::Dead, None, Some(error))
            }
        };
        Next {
            state,
            run_at,
            given_back: u32::from(matches!(outcome, Outcome::Snoozed { .. })),
            error: error.map(|error| checks::cut(error.clone())),
        }
    }
}

pub(super) fn finish(connection: &Connection, finish: &FinishJob) -> Result<(), WriteError> {
    let (id, lease) = (int(finish.id), int(finish.lease));
    let mut attempts = connection.prepare_cached(ATTEMPTS)?;
    let found = attempts
        .query_row((id, lease), |row| Ok((small(row, 0)?, small(row, 1)?)))
        .optional()?;
    let Some((attempt, attempts_max)) = found else {
        let (id, lease) = (finish.id, finish.lease);
        return Err(WriteError::LeaseLost { id, lease });
    };
    let next = Next::after(&finish.outcome, attempt >= attempts_max);
    let over_at = next.state.is_over().then_some(finish.now);
    whole(connection, || {
        let mut update = connection.prepare_cached(FINISH)?;
        let state = next.state.code();
        update.execute(params![
            id,
            lease,
            state,
            next.run_at,
            over_at,
            next.given_back
        ])?;
        if let Some(error) = &next.error {
            note(connection, finish.id, attempt, finish.now, error)?;
        }
        Ok(())
    })
}

pub(super) fn queue(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    row.get::<_, String>(column).map(Arc::from)
}
