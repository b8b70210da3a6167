//! States in SQL.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{count, format, int, number};
use crate::{EntityId, Put, ReadError, StoredState, WriteError};

const PUT: &str = "INSERT INTO state (name, version, format, payload)
    SELECT ?1, 1, ?3, ?4 WHERE ?2 = 0 OR EXISTS (SELECT 1 FROM state WHERE name = ?1)
    ON CONFLICT (name) DO UPDATE
    SET version = version + 1, format = excluded.format, payload = excluded.payload
    WHERE version = ?2";

const LOAD: &str = "SELECT version, format, payload FROM state WHERE name = ?1";

const NAMES: &str = "SELECT name FROM state
    WHERE name > ?1 AND name >= ?2 AND substr(name, 1, length(?2)) = ?2 AND payload IS NOT NULL
    ORDER BY name LIMIT ?3";

pub(super) fn put(connection: &Connection, put: &Put) -> Result<u64, WriteError> {
    let mut statement = connection.prepare_cached(PUT)?;
    let changed = statement.execute(params![
        put.entity,
        int(put.expected),
        put.format,
        put.payload
    ])?;
    if changed > 0 {
        return Ok(put.expected + 1);
    }
    let found = stored(connection, &put.entity)?.map_or(0, |state| state.version);
    Err(WriteError::Conflict {
        entity: put.entity.clone(),
        expected: put.expected,
        found,
    })
}

fn stored(connection: &Connection, entity: &EntityId) -> rusqlite::Result<Option<StoredState>> {
    let mut statement = connection.prepare_cached(LOAD)?;
    let state = statement.query_row((entity,), |row| {
        Ok(StoredState {
            version: number(row, 0)?,
            format: format(row, 1)?,
            payload: row.get(2)?,
        })
    });
    state.optional()
}

pub(super) fn load(
    connection: &Connection,
    entity: &EntityId,
) -> Result<Option<StoredState>, ReadError> {
    Ok(stored(connection, entity)?)
}

pub(super) fn names(
    connection: &Connection,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<EntityId>, ReadError> {
    let mut statement = connection.prepare_cached(NAMES)?;
    let names = statement.query_map(params![after, prefix, count(limit)], |row| {
        Ok(EntityId::new(row.get::<_, String>(0)?))
    })?;
    Ok(names.collect::<Result<_, _>>()?)
}
