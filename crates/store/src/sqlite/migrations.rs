//! Numbered changes of the schema, each applied once.
//!
//! The number of the last one stands in the file's `user_version`. All that are missing are
//! applied in one transaction that holds the write lock, so of two processes that start at once
//! one applies them and the other finds them done. A migration that has been released is never
//! changed: what is wrong with it is mended by the next.

use rusqlite::{Connection, TransactionBehavior};

/// "VAXL", in the header of the file: what tells our files from those of other programs.
const APPLICATION: i64 = 0x5641_584c;

const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_begin.sql")];

/// The schema version that this program knows.
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

pub(super) enum MigrateError {
    TooNew(u32),
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

/// Whether the file has tables that are not ours. In this order: a program that makes the tables
/// meanwhile puts the mark in the same transaction, so who sees its tables sees the mark as well.
pub(super) fn is_foreign(connection: &Connection) -> rusqlite::Result<bool> {
    let count = "SELECT count(*) > 0 FROM sqlite_schema";
    let has_tables: bool = connection.query_row(count, (), |row| row.get(0))?;
    Ok(has_tables && number(connection, "application_id")? != APPLICATION)
}

pub(super) fn run(connection: &mut Connection) -> Result<(), MigrateError> {
    let found = number(connection, "user_version")?;
    if found == i64::from(NEWEST) {
        return Ok(());
    }
    let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Again, under the lock.
    let found = u32::try_from(number(&write, "user_version")?).unwrap_or(u32::MAX);
    let missing = MIGRATIONS
        .get(found as usize..)
        .ok_or(MigrateError::TooNew(found))?;
    for migration in missing {
        write.execute_batch(migration)?;
    }
    write.pragma_update(None, "application_id", APPLICATION)?;
    write.pragma_update(None, "user_version", NEWEST)?;
    Ok(write.commit()?)
}
