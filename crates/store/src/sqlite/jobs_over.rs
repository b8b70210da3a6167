//! Jobs in SQL, as their operators see them: looked at, called off, tried again, pruned.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::jobs::queue;
use super::rows::{count, int, number, small, time};
use super::writer::whole;
use crate::{JobError, JobState, NewJob, ReadError, StoredJob, Timestamp, WriteError};

const CANCEL: &str = "UPDATE job
    SET state = 3, over_at = ?2, lease_until = NULL, unique_key = NULL
    WHERE id = ?1 AND state IN (0, 1)";

const RETRY: &str = "UPDATE job SET state = 0, run_at = ?2, attempt = 0, over_at = NULL
    WHERE id = ?1 AND state IN (3, 4)";

const OVER: &str = "SELECT id FROM job WHERE over_at < ?1 ORDER BY over_at LIMIT ?2";

const DUE: &str = "SELECT min(run_at) FROM job WHERE queue = ?1 AND state = 0 AND priority = ?2";

const LEASED: &str = "SELECT min(lease_until) FROM job WHERE queue = ?1 AND state = 1";

const JOB: &str = "SELECT id, queue, state, priority, attempt, attempts_max, run_at, payload
    FROM job WHERE id = ?1";

const JOBS: &str = "SELECT id, queue, state, priority, attempt, attempts_max, run_at, payload
    FROM job WHERE queue = ?1 AND state = ?2 AND id > ?3 ORDER BY id LIMIT ?4";

const ERRORS: &str = "SELECT attempt, at, message FROM job_error WHERE job = ?1 ORDER BY rowid";

const COUNTS: &str = "SELECT state, count(*) FROM job WHERE queue = ?1 GROUP BY state";

pub(super) fn cancel(connection: &Connection, id: u64, now: Timestamp) -> Result<bool, WriteError> {
    let mut statement = connection.prepare_cached(CANCEL)?;
    Ok(statement.execute(params![int(id), now])? > 0)
}

pub(super) fn retry(connection: &Connection, id: u64, now: Timestamp) -> Result<bool, WriteError> {
    let mut statement = connection.prepare_cached(RETRY)?;
    Ok(statement.execute(params![int(id), now])? > 0)
}

pub(super) fn prune(
    connection: &Connection,
    before: Timestamp,
    limit: usize,
) -> Result<usize, WriteError> {
    whole(connection, || {
        let mut over = connection.prepare_cached(OVER)?;
        let ids = over
            .query_map(params![before, count(limit)], |row| row.get::<_, i64>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut errors = connection.prepare_cached("DELETE FROM job_error WHERE job = ?1")?;
        let mut jobs = connection.prepare_cached("DELETE FROM job WHERE id = ?1")?;
        for id in &ids {
            errors.execute((id,))?;
            jobs.execute((id,))?;
        }
        Ok(ids.len())
    })
}

pub(super) fn next_due(
    connection: &Connection,
    queue: &str,
) -> Result<Option<Timestamp>, ReadError> {
    let earliest = |row: &Row<'_>| row.get::<_, Option<i64>>(0);
    let mut leased = connection.prepare_cached(LEASED)?;
    let mut earliest_of = leased.query_row((queue,), earliest)?;
    let mut due = connection.prepare_cached(DUE)?;
    for priority in 0..=NewJob::PRIORITY_MAX {
        let of_priority = due.query_row(params![queue, priority], earliest)?;
        earliest_of = earliest_of.into_iter().chain(of_priority).min();
    }
    Ok(earliest_of.map(Timestamp))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredJob> {
    let code: i64 = row.get(2)?;
    let wrong = || rusqlite::Error::IntegralValueOutOfRange(2, code);
    Ok(StoredJob {
        id: number(row, 0)?,
        queue: queue(row, 1)?,
        state: JobState::of_code(code).ok_or_else(wrong)?,
        priority: row.get(3)?,
        attempt: small(row, 4)?,
        attempts_max: small(row, 5)?,
        run_at: time(row, 6)?,
        payload: row.get(7)?,
        errors: Vec::new(),
    })
}

pub(super) fn job(connection: &Connection, id: u64) -> Result<Option<StoredJob>, ReadError> {
    let mut statement = connection.prepare_cached(JOB)?;
    let Some(mut job) = statement.query_row((int(id),), stored).optional()? else {
        return Ok(None);
    };
    let mut errors = connection.prepare_cached(ERRORS)?;
    let errors = errors.query_map((int(id),), |row| {
        Ok(JobError {
            attempt: small(row, 0)?,
            at: time(row, 1)?,
            message: row.get(2)?,
        })
    })?;
    job.errors = errors.collect::<Result<_, _>>()?;
    Ok(Some(job))
}

pub(super) fn jobs(
    connection: &Connection,
    queue: &str,
    state: JobState,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredJob>, ReadError> {
    let mut statement = connection.prepare_cached(JOBS)?;
    let values = params![queue, state.code(), int(after), count(limit)];
    let jobs = statement.query_map(values, stored)?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

pub(super) fn counts(
    connection: &Connection,
    queue: &str,
) -> Result<Vec<(JobState, u64)>, ReadError> {
    let mut statement = connection.prepare_cached(COUNTS)?;
    let counts = statement
        .query_map((queue,), |row| Ok((row.get(0)?, number(row, 1)?)))?
        .collect::<Result<Vec<(i64, u64)>, _>>()?;
    let known = counts.into_iter();
    Ok(known
        .filter_map(|(code, jobs)| Some((JobState::of_code(code)?, jobs)))
        .collect())
}
