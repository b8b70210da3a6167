//! Numbers on their way into the file and out of it.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Row, ToSql};

use crate::{EntityId, Timestamp};

/// SQLite's integers are signed; ours count up from zero and stay far below the sign.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The unsigned number in a column.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| number.max(0) as u64)
}

pub(super) fn small(row: &Row<'_>, column: usize) -> rusqlite::Result<u32> {
    let number = row.get::<_, i64>(column)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

pub(super) fn format(row: &Row<'_>, column: usize) -> rusqlite::Result<u16> {
    let number = row.get::<_, i64>(column)?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

impl ToSql for EntityId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}
