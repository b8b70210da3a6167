//! Connections, and what can be wrong with a file.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{SqliteConfig, migrations};
use crate::{Fault, FaultKind, OpenError, ReadError, WriteError};

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

pub(super) fn fault(error: &rusqlite::Error) -> Fault {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => FaultKind::DiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FaultKind::Damaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FaultKind::Locked,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            FaultKind::Io
        }
        _ => FaultKind::Rejected,
    };
    Fault::new(kind, error)
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        let source = fault(&error);
        Self::NotWritten { source }
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        let source = fault(&error);
        Self::Failed { source }
    }
}

fn open_error(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, source) = (path.to_path_buf(), fault(error));
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Damaged { path, source }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::Locked { path, source }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            OpenError::Unreachable { path, source }
        }
        _ => OpenError::Other {
            database: path.display().to_string(),
            source,
        },
    }
}

/// The connection of the writer, with the schema brought up to date.
pub(super) fn writer(path: &Path, config: &SqliteConfig) -> Result<Connection, OpenError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(config.busy_timeout)?;
        // Before anything else, so that a foreign file is not changed.
        let foreign = migrations::is_foreign(&connection)?;
        Ok((connection, foreign))
    };
    let (mut connection, foreign) = open().map_err(|error| open_error(path, &error))?;
    if foreign {
        let path = path.to_path_buf();
        return Err(OpenError::Foreign { path });
    }
    settle(&connection, config).map_err(|error| open_error(path, &error))?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A database in memory with the same schema.
pub(super) fn in_memory() -> Result<Connection, OpenError> {
    let path = Path::new(":memory:");
    let open = || {
        let connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    let mut connection = open().map_err(|error| open_error(path, &error))?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    use migrations::MigrateError::{Engine, TooNew};
    migrations::run(connection).map_err(|error| match error {
        Engine(error) => open_error(path, &error),
        TooNew(found) => OpenError::TooNew {
            database: path.display().to_string(),
            found,
            known: migrations::NEWEST,
        },
    })
}

fn settle(connection: &Connection, config: &SqliteConfig) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", config.checkpoint_pages)?;
    cache(connection, config)
}

fn cache(connection: &Connection, config: &SqliteConfig) -> rusqlite::Result<()> {
    let kibibytes = i64::try_from(config.cache_bytes / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kibibytes)
}

/// The connection of a reader.
pub(super) fn reader(path: &Path, config: &SqliteConfig) -> Result<Connection, OpenError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(config.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        cache(&connection, config)?;
        Ok(connection)
    };
    open().map_err(|error| open_error(path, &error))
}
