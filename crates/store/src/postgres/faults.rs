//! What a server or a connection reports, in the words of this crate.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::{Fault, FaultKind, OpenError, ReadError, WriteError};

/// Why an operation on a connection failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server, or the way to it.
    Server(tokio_postgres::Error),
    /// No answer within the statement's time limit and some.
    Silent,
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl Trouble {
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Server(error) => error.code(),
            Self::Silent => None,
        }
    }

    /// Whether the server said so and goes on: the statement, and its transaction, are undone.
    pub(super) fn is_undone(&self) -> bool {
        let Self::Server(error) = self else {
            return false;
        };
        let severity = error.as_db_error().map(DbError::parsed_severity);
        matches!(severity, Some(Some(Severity::Error)))
    }

    /// Whether nothing more can be asked on this connection.
    pub(super) fn is_the_end(&self) -> bool {
        let Self::Server(error) = self else {
            return true;
        };
        match error.as_db_error() {
            Some(_) => !self.is_undone(),
            None => error.is_closed() || io_cause(error).is_some(),
        }
    }

    /// Whether the same may succeed at once: it met another transaction.
    pub(super) fn is_collision(&self) -> bool {
        const COLLISIONS: [SqlState; 3] = [
            SqlState::UNIQUE_VIOLATION,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ];
        self.code().is_some_and(|code| COLLISIONS.contains(code))
    }

    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Server(error) => fault(error),
            Self::Silent => Fault::new(FaultKind::Unreachable, "the server does not answer"),
        }
    }

    /// For what can have been written only if the server did not say that it was undone.
    pub(super) fn of_commit(&self) -> WriteError {
        let source = self.fault();
        match self.is_undone() {
            true => WriteError::NotWritten { source },
            false => WriteError::Unknown { source },
        }
    }

    /// For what was not committed yet.
    pub(super) fn before_commit(&self) -> WriteError {
        let source = self.fault();
        WriteError::NotWritten { source }
    }
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> Self {
        let source = trouble.fault();
        Self::Failed { source }
    }
}

fn kind(code: &SqlState) -> FaultKind {
    // The first two characters are the class, see PostgreSQL's appendix A.
    match (code, &code.code()[..2]) {
        (&SqlState::DISK_FULL, _) => FaultKind::DiskFull,
        (&SqlState::QUERY_CANCELED, _) => FaultKind::TimedOut,
        (&SqlState::READ_ONLY_SQL_TRANSACTION, _) => FaultKind::ReadOnly,
        (&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE, _) => FaultKind::Locked,
        (&SqlState::TOO_MANY_CONNECTIONS, _) | (_, "08" | "57") => FaultKind::Unreachable,
        (_, "XX") => FaultKind::Damaged,
        (_, "53" | "58") => FaultKind::Io,
        _ => FaultKind::Rejected,
    }
}

/// What the server says, or the last cause of what the client says.
fn detail(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let more = [said.detail(), said.hint()].into_iter().flatten();
        let more: String = more.map(|more| format!("; {more}")).collect();
        return format!("{} {}{more}", said.code().code(), said.message());
    }
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

pub(super) fn fault(error: &tokio_postgres::Error) -> Fault {
    let network = || {
        let is_network = error.is_closed() || io_cause(error).is_some();
        match is_network {
            true => FaultKind::Unreachable,
            false => FaultKind::Rejected,
        }
    };
    let kind = error.code().map_or_else(network, kind);
    Fault::new(kind, detail(error))
}

fn io_cause(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

/// Why there is no connection; `database` is how it is named to people.
pub(super) fn open_error(database: &str, error: &tokio_postgres::Error) -> OpenError {
    let (database, source) = (database.to_owned(), fault(error));
    match error.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            OpenError::Unauthorized { database, source }
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => OpenError::NoDatabase { database, source },
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => OpenError::Forbidden { database, source },
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => OpenError::ReadOnly { database },
        Some(_) if source.kind() != FaultKind::Unreachable => OpenError::Other { database, source },
        None if refuses_writes(error) => OpenError::ReadOnly { database },
        None if is_tls(error) => OpenError::Insecure { database, source },
        // The client's own word for a password that it needs and was not given.
        None if error.to_string().starts_with("invalid configuration") => {
            OpenError::Unauthorized { database, source }
        }
        _ => OpenError::NoServer { database, source },
    }
}

/// The client asks each host whether it takes writes, and says so with an error of its own.
fn refuses_writes(error: &tokio_postgres::Error) -> bool {
    io_cause(error).is_some_and(|cause| {
        cause.kind() == io::ErrorKind::PermissionDenied && cause.to_string().contains("writes")
    })
}

fn is_tls(error: &tokio_postgres::Error) -> bool {
    error.to_string().contains("TLS")
}
