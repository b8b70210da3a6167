//! Events, snapshots and offsets in SQL.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::rows::{count, format, int, number, time};
use super::writer::whole;
use crate::{
    Append, Appended, Claimed, EntityId, Fence, NewEvent, Offset, READ_BYTES_MAX, ReadError,
    SaveOffset, SaveSnapshot, Snapshot, StoredEvent, TailedEvent, Timestamp, WriteError,
};

const HEAD: &str = "SELECT ifnull(max(sequence), 0) FROM event WHERE entity = ?1";

const CLAIM: &str = "INSERT INTO entity (name, fence) VALUES (?1, 1)
    ON CONFLICT (name) DO UPDATE SET fence = fence + 1 RETURNING id, fence";

/// The fence and the expected sequence number are checked by the statement that writes.
const APPEND: &str = "INSERT INTO event (entity, sequence, version, at, payload)
    SELECT id, ?3 + 1, ?4, ?5, ?6 FROM entity WHERE name = ?1 AND fence = ?2
    AND ?3 = (SELECT ifnull(max(sequence), 0) FROM event WHERE entity = entity.id)";

const TAG: &str = "INSERT OR IGNORE INTO event_tag (tag, position) VALUES (?1, ?2)";

const OWNER: &str = "SELECT fence, (SELECT ifnull(max(sequence), 0) FROM event
    WHERE entity = entity.id) FROM entity WHERE name = ?1";

const READ: &str = "SELECT sequence, position, version, at, payload FROM event
    WHERE entity = (SELECT id FROM entity WHERE name = ?1) AND sequence > ?2
    ORDER BY sequence LIMIT ?3";

const TAIL: &str = "SELECT sequence, position, version, at, payload, name
    FROM event JOIN entity ON entity.id = event.entity
    WHERE position > ?1 ORDER BY position LIMIT ?2";

const TAIL_TAG: &str = "SELECT sequence, position, version, at, payload, name
    FROM event_tag JOIN event USING (position) JOIN entity ON entity.id = event.entity
    WHERE tag = ?3 AND event_tag.position > ?1 ORDER BY event_tag.position LIMIT ?2";

const SAVE_SNAPSHOT: &str = "INSERT INTO snapshot (entity, sequence, version, payload)
    SELECT id, ?3, ?4, ?5 FROM entity WHERE name = ?1 AND fence = ?2
    ON CONFLICT (entity, sequence)
    DO UPDATE SET version = excluded.version, payload = excluded.payload";

const DROP_SNAPSHOTS: &str = "DELETE FROM snapshot
    WHERE entity = (SELECT id FROM entity WHERE name = ?1) AND sequence NOT IN (
        SELECT sequence FROM snapshot WHERE entity = (SELECT id FROM entity WHERE name = ?1)
        ORDER BY sequence DESC LIMIT ?2)";

const SNAPSHOT: &str = "SELECT sequence, version, payload FROM snapshot
    WHERE entity = (SELECT id FROM entity WHERE name = ?1) AND sequence <= ?2
    ORDER BY sequence DESC LIMIT 1";

const SAVE_OFFSET: &str = "INSERT INTO projection (name, position)
    SELECT ?1, ?3 WHERE ?2 = 0 OR EXISTS (SELECT 1 FROM projection WHERE name = ?1)
    ON CONFLICT (name) DO UPDATE SET position = ?3 WHERE position = ?2";

const OFFSET: &str = "SELECT position FROM projection WHERE name = ?1";

pub(super) fn claim(connection: &Connection, entity: &EntityId) -> Result<Claimed, WriteError> {
    let mut claim = connection.prepare_cached(CLAIM)?;
    let (id, fence): (i64, _) =
        claim.query_row((entity,), |row| Ok((row.get(0)?, Fence(number(row, 1)?))))?;
    let mut head = connection.prepare_cached(HEAD)?;
    let sequence = head.query_row((id,), |row| number(row, 0))?;
    Ok(Claimed { fence, sequence })
}

pub(super) fn append(
    connection: &Connection,
    append: &Append,
    now: Timestamp,
) -> Result<Appended, WriteError> {
    match append.events.as_slice() {
        // One statement is whole by itself.
        [event] if event.tags.is_empty() => insert(connection, append, now),
        _ => whole(connection, || insert(connection, append, now)),
    }
}

fn insert(
    connection: &Connection,
    append: &Append,
    now: Timestamp,
) -> Result<Appended, WriteError> {
    // Where there is nothing to insert, no statement that inserts can check.
    if append.events.is_empty()
        && owner(connection, &append.entity)? != (append.fence, append.expected)
    {
        return Err(refused(connection, append)?);
    }
    let mut statement = connection.prepare_cached(APPEND)?;
    let mut done = Appended {
        sequence: append.expected,
        offset: Offset::START,
    };
    for event in &append.events {
        let NewEvent {
            version, payload, ..
        } = event;
        let fence = int(append.fence.0);
        let values = params![
            append.entity,
            fence,
            int(done.sequence),
            version,
            now,
            payload
        ];
        if statement.execute(values)? == 0 {
            return Err(refused(connection, append)?);
        }
        let position = connection.last_insert_rowid();
        done.sequence += 1;
        done.offset = Offset(position.max(0) as u64);
        if !event.tags.is_empty() {
            let mut tagging = connection.prepare_cached(TAG)?;
            for tag in &event.tags {
                tagging.execute(params![tag, position])?;
            }
        }
    }
    Ok(done)
}

/// Why the append was refused.
fn refused(connection: &Connection, append: &Append) -> rusqlite::Result<WriteError> {
    let (owner, found) = owner(connection, &append.entity)?;
    let entity = append.entity.clone();
    Ok(if owner == append.fence {
        let expected = append.expected;
        WriteError::Conflict {
            entity,
            expected,
            found,
        }
    } else {
        let fence = append.fence;
        WriteError::Fenced {
            entity,
            fence,
            owner,
        }
    })
}

fn owner(connection: &Connection, entity: &EntityId) -> rusqlite::Result<(Fence, u64)> {
    let mut owner = connection.prepare_cached(OWNER)?;
    let found = owner
        .query_row((entity,), |row| {
            Ok((Fence(number(row, 0)?), number(row, 1)?))
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        sequence: number(row, 0)?,
        offset: Offset(number(row, 1)?),
        version: format(row, 2)?,
        at: time(row, 3)?,
        payload: row.get(4)?,
    })
}

/// Rows up to the bound of an answer.
fn bounded<T>(
    mut statement: CachedStatement<'_>,
    values: impl rusqlite::Params,
    make: impl Fn(&Row<'_>) -> rusqlite::Result<(T, usize)>,
) -> Result<Vec<T>, ReadError> {
    let mut rows = statement.query(values)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (item, size) = make(row)?;
        bytes += size;
        if bytes > READ_BYTES_MAX && !found.is_empty() {
            break;
        }
        found.push(item);
    }
    Ok(found)
}

pub(super) fn read(
    connection: &Connection,
    entity: &EntityId,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredEvent>, ReadError> {
    let statement = connection.prepare_cached(READ)?;
    bounded(
        statement,
        params![entity, int(after), count(limit)],
        |row| {
            let event = event(row)?;
            let size = event.payload.len();
            Ok((event, size))
        },
    )
}

pub(super) fn tail(
    connection: &Connection,
    after: Offset,
    tag: Option<&str>,
    limit: usize,
) -> Result<Vec<TailedEvent>, ReadError> {
    let make = |row: &Row<'_>| {
        let event = event(row)?;
        let size = event.payload.len();
        let entity = EntityId::new(row.get::<_, String>(5)?);
        Ok((TailedEvent { entity, event }, size))
    };
    let (after, limit) = (int(after.0), count(limit));
    match tag {
        None => bounded(connection.prepare_cached(TAIL)?, (after, limit), make),
        Some(tag) => bounded(
            connection.prepare_cached(TAIL_TAG)?,
            (after, limit, tag),
            make,
        ),
    }
}

pub(super) fn save_snapshot(
    connection: &Connection,
    save: &SaveSnapshot,
) -> Result<(), WriteError> {
    whole(connection, || {
        let (fence, snapshot) = (int(save.fence.0), &save.snapshot);
        let mut insert = connection.prepare_cached(SAVE_SNAPSHOT)?;
        let Snapshot {
            sequence,
            version,
            payload,
        } = snapshot;
        let inserted = insert.execute(params![
            save.entity,
            fence,
            int(*sequence),
            version,
            payload
        ])?;
        if inserted == 0 {
            let (owner, _) = owner(connection, &save.entity)?;
            let (entity, fence) = (save.entity.clone(), save.fence);
            return Err(WriteError::Fenced {
                entity,
                fence,
                owner,
            });
        }
        let mut drop = connection.prepare_cached(DROP_SNAPSHOTS)?;
        drop.execute(params![save.entity, count(save.keep.max(1))])?;
        Ok(())
    })
}

pub(super) fn snapshot(
    connection: &Connection,
    entity: &EntityId,
    at_most: u64,
) -> Result<Option<Snapshot>, ReadError> {
    let mut statement = connection.prepare_cached(SNAPSHOT)?;
    let found = statement.query_row(params![entity, int(at_most)], |row| {
        Ok(Snapshot {
            sequence: number(row, 0)?,
            version: format(row, 1)?,
            payload: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn save_offset(connection: &Connection, save: &SaveOffset) -> Result<(), WriteError> {
    let mut statement = connection.prepare_cached(SAVE_OFFSET)?;
    let (expected, offset) = (save.expected.0, int(save.offset.0));
    if statement.execute(params![save.projection, int(expected), offset])? > 0 {
        return Ok(());
    }
    let found = self::offset(connection, &save.projection)?.0;
    Err(WriteError::Conflict {
        entity: EntityId::new(save.projection.clone()),
        expected,
        found,
    })
}

pub(super) fn offset(connection: &Connection, projection: &str) -> rusqlite::Result<Offset> {
    let mut statement = connection.prepare_cached(OFFSET)?;
    let found = statement
        .query_row((projection,), |row| number(row, 0))
        .optional()?;
    Ok(found.map_or(Offset::START, Offset))
}
