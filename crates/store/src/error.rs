//! Why an operation of a store failed, and whether anything was written.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{EntityId, Fence, Unanswered};

/// Why a store could not be opened. Every message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database was written by a newer version of the program.
    #[error(
        "{database} has schema version {found}, this program knows up to {known}: start a newer \
         version of the program, or restore a backup of before its upgrade"
    )]
    TooNew {
        /// Which database.
        database: String,
        /// The version that it has.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The file is a database, of another program.
    #[error("{path} is a database of another program: name another file")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not a database, or is damaged.
    #[error("{path} is damaged or no database: restore a backup, or name another file")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What the engine says.
        source: Fault,
    },
    /// Another process holds the file locked.
    #[error("{path} is locked by another process: end that process, or name another file")]
    Locked {
        /// Which file.
        path: PathBuf,
        /// What the engine says.
        source: Fault,
    },
    /// The file cannot be opened or made.
    #[error(
        "{path} cannot be opened: the directory must exist, and this user must be allowed to \
         write the file and in its directory"
    )]
    Unreachable {
        /// Which file.
        path: PathBuf,
        /// What the engine says.
        source: Fault,
    },
    /// What names the database cannot be understood.
    #[error("the setting `{setting}` of the store cannot be used: {problem}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it, and what is right.
        problem: String,
    },
    /// No server answers.
    #[error(
        "no server answers at {database}: start PostgreSQL there, or correct host and port; \
         behind a firewall the port must be open"
    )]
    NoServer {
        /// Which database.
        database: String,
        /// What the engine says.
        source: Fault,
    },
    /// The server does not accept this user.
    #[error(
        "{database} refuses the user: correct user and password in the URL, or the server's \
         pg_hba.conf"
    )]
    Unauthorized {
        /// Which database.
        database: String,
        /// What the engine says.
        source: Fault,
    },
    /// The server has no such database.
    #[error("{database} does not exist: create it (createdb), or name another in the URL")]
    NoDatabase {
        /// Which database.
        database: String,
        /// What the engine says.
        source: Fault,
    },
    /// The user may not do what the store needs.
    #[error(
        "{database} does not let the user make tables: GRANT CREATE ON DATABASE, or make the \
         schema for that user (CREATE SCHEMA … AUTHORIZATION …)"
    )]
    Forbidden {
        /// Which database.
        database: String,
        /// What the engine says.
        source: Fault,
    },
    /// The server is a standby, or was told to refuse writes.
    #[error(
        "{database} only reads, as a standby does: name the primary, or all hosts, of which the \
         one that writes is found"
    )]
    ReadOnly {
        /// Which database.
        database: String,
    },
    /// There is no secure way to the server, or not to this one.
    #[error(
        "no TLS to {database}: check that the server has it (ssl = on), that its certificate is \
         for this host, and that its authority is trusted or named"
    )]
    Insecure {
        /// Which database.
        database: String,
        /// What the engine says.
        source: Fault,
    },
    /// Anything else that the engine reports.
    #[error("{database} cannot be opened")]
    Other {
        /// Which database.
        database: String,
        /// What the engine says.
        source: Fault,
    },
}

/// What kind of trouble an engine is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// There is no room on the disk.
    DiskFull,
    /// What is stored cannot be read any more.
    Damaged,
    /// Another process or transaction held it for longer than the busy time-out.
    Locked,
    /// The disk or the network failed.
    Io,
    /// The server does not answer, or has cut the connection.
    Unreachable,
    /// A statement took longer than its time limit.
    TimedOut,
    /// The server only reads: it is a standby.
    ReadOnly,
    /// The program asks for something that the database refuses.
    Rejected,
    /// The store is closed.
    Closed,
}

/// What an engine reports, with what to do about it. Cheap to clone: one failed commit is told to
/// everybody who took part in it.
#[derive(Clone)]
pub struct Fault {
    kind: FaultKind,
    detail: Arc<str>,
}

impl Fault {
    /// A fault of this kind; `detail` is what the engine says.
    pub fn new(kind: FaultKind, detail: impl fmt::Display) -> Self {
        Fault {
            kind,
            detail: detail.to_string().into(),
        }
    }

    /// Which kind.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.kind {
            FaultKind::DiskFull => "the disk is full: make room, then try again",
            FaultKind::Damaged => "the database is damaged: stop the program and restore a backup",
            FaultKind::Locked => {
                "the database is locked: find the process that keeps a transaction open"
            }
            FaultKind::Io => "the disk or the network failed: look at the system's log",
            FaultKind::Unreachable => {
                "the server is away: start it, or look at the network; the store connects again"
            }
            FaultKind::TimedOut => {
                "the statement took too long: look for locks and load, or raise its time limit"
            }
            FaultKind::ReadOnly => "the server only reads: name the primary",
            FaultKind::Rejected => "the database refuses the statement",
            FaultKind::Closed => "the store is closed",
        };
        write!(f, "{advice} ({})", self.detail)
    }
}

impl std::error::Error for Fault {}

/// Why a write was not confirmed.
///
/// Every variant but [`Unknown`](Self::Unknown) means that nothing was written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Somebody else has written meanwhile.
    #[error("{entity} is at {found}, not at {expected}: another writer was faster")]
    Conflict {
        /// Whose journal or state.
        entity: EntityId,
        /// The sequence number or version that the writer knew.
        expected: u64,
        /// The one that is stored.
        found: u64,
    },
    /// Somebody else has become the owner.
    #[error("{entity} has a newer owner (epoch {owner} after {fence}): this one must stop")]
    Fenced {
        /// Whose journal.
        entity: EntityId,
        /// The epoch of the writer.
        fence: Fence,
        /// The epoch of the owner; zero when nobody ever claimed the entity.
        owner: Fence,
    },
    /// The job is not the writer's any more: its lease has ended, or it is finished.
    #[error("job {id} is not leased under token {lease} any more")]
    LeaseLost {
        /// Which job.
        id: u64,
        /// The token that the writer holds.
        lease: u64,
    },
    /// A bound of this crate is passed; retrying the same is pointless.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The store's queue of writes is full, by number or by bytes; what is ahead must be written
    /// first.
    #[error("{queued} writes wait already: the database does not keep up")]
    Overloaded {
        /// How many wait.
        queued: usize,
    },
    /// The engine failed before anything was written.
    #[error("nothing was written")]
    NotWritten {
        /// What the engine reports.
        source: Fault,
    },
    /// The engine failed while it committed: the write may be there or not. Reading tells.
    #[error("the outcome of the write is unknown")]
    Unknown {
        /// What the engine reports.
        source: Fault,
    },
}

impl WriteError {
    /// Whether the write may have happened all the same.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Whether another owner or writer was faster: read again, or stop.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Fenced { .. } | Self::LeaseLost { .. }
        )
    }
}

impl From<Unanswered> for WriteError {
    fn from(_: Unanswered) -> Self {
        let source = Fault::new(FaultKind::Closed, "its writer ended before it answered");
        Self::Unknown { source }
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Too many reads wait already.
    #[error("{queued} reads wait already")]
    Overloaded {
        /// The bound of the queue.
        queued: usize,
    },
    /// The engine failed.
    #[error("nothing was read")]
    Failed {
        /// What the engine reports.
        source: Fault,
    },
}

impl From<Unanswered> for ReadError {
    fn from(_: Unanswered) -> Self {
        let source = Fault::new(FaultKind::Closed, "its readers ended before they answered");
        Self::Failed { source }
    }
}
