//! Events, snapshots and offsets in SQL.

use std::sync::Arc;

use futures_util::future::{join, join3};
use tokio_postgres::Row;

use super::faults::Trouble;
use super::journal_lane::judge;
use super::rows::{count, format, int, number, small, time};
use super::session::{Parameters, Session};
use super::statements::Sql;
use super::transactions::Refused;
use crate::{
    Append, Appended, Claimed, EntityId, Fence, Offset, READ_BYTES_MAX, SaveOffset, SaveSnapshot,
    Snapshot, StoredEvent, TailedEvent, Timestamp, WriteError,
};

/// Raises fences. `names` are in order, each once.
///
/// The fence is raised first, then the gate is passed alone, which waits for the appends that may
/// have seen the older one; the last event that is found then is the last under any older fence.
pub(super) async fn claim(session: &Session, names: &[&str]) -> Result<Vec<Claimed>, Trouble> {
    let values: Parameters<'_> = &[&names];
    let claimed = session.query(Sql::Claim, values);
    let gate = session.execute(Sql::Gate, &[]);
    let heads = session.query(Sql::Heads, values);
    let (claimed, gate, heads) = join3(claimed, gate, heads).await;
    let (claimed, _, heads) = (claimed?, gate?, heads?);
    let both = claimed.iter().zip(&heads);
    Ok(both
        .map(|(claimed, head)| Claimed {
            fence: Fence(number(claimed, 0)),
            sequence: number(head, 0),
        })
        .collect())
}

/// What the statement that appends has found of an entity.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) fence: u64,
    pub(super) head: u64,
    /// Of the last event, where it was written.
    pub(super) offset: Offset,
}

/// The appends of a batch as arrays, a place for each append or event.
#[derive(Default)]
struct Columns<'a> {
    names: Vec<&'a str>,
    fences: Vec<i64>,
    known: Vec<i64>,
    of_append: Vec<i32>,
    nths: Vec<i32>,
    versions: Vec<i32>,
    payloads: Vec<&'a [u8]>,
    tagged: Vec<i32>,
    tags: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(appends: impl Iterator<Item = &'a Append>) -> Self {
        let mut columns = Self::default();
        for append in appends {
            columns.push(append);
        }
        columns
    }

    fn push(&mut self, append: &'a Append) {
        self.names.push(append.entity.as_str());
        self.fences.push(int(append.fence.0));
        self.known.push(int(append.expected));
        for (nth, event) in (1..).zip(&append.events) {
            self.of_append.push(small(self.names.len()));
            self.nths.push(nth);
            self.versions.push(event.version.into());
            self.payloads.push(&event.payload);
            for tag in &event.tags {
                self.tagged.push(small(self.payloads.len()));
                self.tags.push(tag);
            }
        }
    }
}

/// What keeps claims from coming between the check of an append and its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Against {
    /// The gate, for a transaction that is this statement alone.
    AllClaims,
    /// A lock on the entity's row, that is held already.
    ClaimsOfItsOwn,
}

/// Appends in one statement; see `vaxel.append` in the migrations. Answers in the order given.
pub(super) async fn append<'a>(
    session: &Session,
    appends: impl Iterator<Item = &'a Append> + Clone,
    against: Against,
) -> Result<Vec<Found>, Trouble> {
    let columns = Columns::of(appends.clone());
    let values: Parameters<'_> = &[
        &columns.names,
        &columns.fences,
        &columns.known,
        &columns.of_append,
        &columns.nths,
        &columns.versions,
        &columns.payloads,
        &columns.tagged,
        &columns.tags,
        &Timestamp::now().0,
        &(against == Against::AllClaims),
    ];
    let row = session.row(Sql::Append, values).await?;
    let longs = |column| {
        let numbers: Option<Option<Vec<i64>>> = row.as_ref().map(|row| row.get(column));
        numbers.flatten().unwrap_or_default().into_iter()
    };
    let (fences, heads, mut positions) = (longs(0), longs(1), longs(2));
    let found = appends
        .zip(fences.zip(heads))
        .map(|(append, (fence, head))| {
            let mut found = Found {
                fence: fence.max(0) as u64,
                head: head.max(0) as u64,
                offset: Offset::START,
            };
            if (found.fence, found.head) == (append.fence.0, append.expected) {
                let written = append.events.len();
                let last = positions.by_ref().take(written).last();
                found.offset = Offset(last.unwrap_or(0).max(0) as u64);
            }
            found
        });
    Ok(found.collect())
}

/// An append as a part of a transaction.
pub(super) async fn append_one(session: &Session, append: &Append) -> Result<Appended, Refused> {
    let name = append.entity.as_str();
    let values: Parameters<'_> = &[&name];
    let locked = session.execute(Sql::LockOwner, values);
    let found = self::append(session, std::iter::once(append), Against::ClaimsOfItsOwn);
    let (locked, found) = join(locked, found).await;
    let (_, found) = (locked?, found?);
    let found = found.into_iter().next().unwrap_or_default();
    Ok(judge(append, found)?)
}

fn event(row: &Row) -> StoredEvent {
    StoredEvent {
        sequence: number(row, 0),
        offset: Offset(number(row, 1)),
        version: format(row, 2),
        at: time(row, 3),
        payload: row.get(4),
    }
}

pub(super) async fn read(
    session: &Session,
    entity: &EntityId,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredEvent>, Trouble> {
    let (after, limit, bytes) = (int(after), count(limit), count(READ_BYTES_MAX));
    let values: Parameters<'_> = &[&entity.as_str(), &after, &limit, &bytes];
    session.collect(Sql::Read, values, event).await
}

pub(super) async fn tail(
    session: &Session,
    after: Offset,
    tag: Option<Arc<str>>,
    limit: usize,
) -> Result<Vec<TailedEvent>, Trouble> {
    let horizon = session.row(Sql::Horizon, &[]).await?;
    let horizon = horizon.map_or(0, |row| int(number(&row, 0)));
    let (after, limit, bytes) = (int(after.0), count(limit), count(READ_BYTES_MAX));
    let make = |row: &Row| TailedEvent {
        entity: EntityId::new(row.get::<_, &str>(5)),
        event: event(row),
    };
    match tag {
        None => {
            let values: Parameters<'_> = &[&after, &horizon, &limit, &bytes];
            session.collect(Sql::Tail, values, make).await
        }
        Some(tag) => {
            let tag = &*tag;
            let values: Parameters<'_> = &[&after, &horizon, &limit, &bytes, &tag];
            session.collect(Sql::TailTag, values, make).await
        }
    }
}

pub(super) async fn save_snapshot(session: &Session, save: &SaveSnapshot) -> Result<(), Refused> {
    let (name, fence) = (save.entity.as_str(), int(save.fence.0));
    let Snapshot {
        sequence,
        version,
        payload,
    } = &save.snapshot;
    let (sequence, version) = (int(*sequence), i32::from(*version));
    let keep = count(save.keep.max(1));
    let values: Parameters<'_> = &[&name, &fence, &sequence, &version, payload];
    let saved = session.execute(Sql::SaveSnapshot, values);
    let dropped: Parameters<'_> = &[&name, &keep];
    let dropped = session.execute(Sql::DropSnapshots, dropped);
    let (saved, dropped) = join(saved, dropped).await;
    dropped?;
    if saved? > 0 {
        return Ok(());
    }
    let owner = session.row(Sql::Owner, &[&name]).await?;
    let owner = owner.map_or(Fence::default(), |row| Fence(number(&row, 0)));
    let (entity, fence) = (save.entity.clone(), save.fence);
    Err(Refused::Rule(WriteError::Fenced {
        entity,
        fence,
        owner,
    }))
}

pub(super) async fn snapshot(
    session: &Session,
    entity: &EntityId,
    at_most: u64,
) -> Result<Option<Snapshot>, Trouble> {
    let values: Parameters<'_> = &[&entity.as_str(), &int(at_most)];
    let found = session.row(Sql::Snapshot, values).await?;
    Ok(found.map(|row| Snapshot {
        sequence: number(&row, 0),
        version: format(&row, 1),
        payload: row.get(2),
    }))
}

pub(super) async fn save_offset(session: &Session, save: &SaveOffset) -> Result<(), Refused> {
    let (name, expected) = (&*save.projection, int(save.expected.0));
    let offset = int(save.offset.0);
    let values: Parameters<'_> = &[&name, &expected, &offset];
    if session.execute(Sql::SaveOffset, values).await? > 0 {
        return Ok(());
    }
    let found = self::offset(session, name).await?.0;
    Err(Refused::Rule(WriteError::Conflict {
        entity: EntityId::new(save.projection.clone()),
        expected: save.expected.0,
        found,
    }))
}

pub(super) async fn offset(session: &Session, projection: &str) -> Result<Offset, Trouble> {
    let found = session.row(Sql::Offset, &[&projection]).await?;
    Ok(found.map_or(Offset::START, |row| Offset(number(&row, 0))))
}
