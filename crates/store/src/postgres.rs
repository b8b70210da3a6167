//! The shared engine: a PostgreSQL server, where several machines write.
//!
//! # Connections
//! One thread of the engine holds them all: some for claims and appends, one for everything else
//! that is written, some for reads. No operation blocks its caller. What is queued by the time a
//! connection is free goes to the server as one batch, in one round trip, and is answered after
//! the server has synced; while one batch is synced another connection sends the next. Appends of
//! many entities are one statement over arrays, which checks the fence and the last event of each.
//!
//! # Order
//! Claims and appends of one entity are written in the order in which they came, and so is
//! everything else among itself. Nothing is promised between the two. Offsets are given out before
//! a commit, so [`Journal::tail`](crate::Journal::tail) reads up to the lowest that a running
//! append may still fill: it misses nothing and waits for nobody.
//!
//! # Ownership
//! Fences and sequence numbers are checked in the statement that writes, and an index lets each
//! sequence number in once, whichever machine writes it. A claim is answered after every append
//! that may have seen the older fence has ended.
//!
//! # Durability
//! `synchronous_commit` is switched on for a session where the server has it off. Data survive as
//! far as the server's disks and its `fsync`, which must be on, and with a standby as far as
//! `synchronous_standby_names` says.
//!
//! # When the server is away
//! Connections are made again, with growing and jittered pauses up to 2 s. What was sent and not
//! answered ends with [`WriteError::Unknown`](crate::WriteError::Unknown); what was not sent waits,
//! for as long as [`PostgresConfig::patience`] says, and ends with
//! [`NotWritten`](crate::WriteError::NotWritten).

mod engine;
mod events;
mod faults;
mod jobs;
mod journal_lane;
mod lane;
mod migrations;
mod ops;
mod queue;
mod readers;
mod rows;
mod session;
mod statements;
mod states;
mod tls;
mod traits;
mod transactions;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::OpenError;
use engine::Engine;
use session::Target;

/// A store in a PostgreSQL database; see the [crate](crate) for what it can do. Needs the feature
/// `postgres`.
///
/// Dropping it writes what is queued and waits for that.
pub struct Postgres {
    engine: Engine,
    name: String,
}

/// The bounds of a [`Postgres`] store.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    schema: String,
    authorities: Option<PathBuf>,
    appenders: usize,
    readers: usize,
    queue: usize,
    queue_bytes: usize,
    batch: usize,
    statement_timeout: Duration,
    connect_timeout: Duration,
    patience: Duration,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        PostgresConfig {
            schema: "vaxel".to_owned(),
            authorities: None,
            appenders: 2,
            readers: 2,
            queue: 16_384,
            queue_bytes: 64 * 1024 * 1024,
            batch: 1_024,
            statement_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(10),
        }
    }
}

impl PostgresConfig {
    /// Where the tables are; made when it is missing. Several stores may share a database under
    /// different names: lower-case letters, digits and `_`, at most 63. Default: `vaxel`.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// A file of PEM certificates of the authorities that are trusted with `sslmode=require`,
    /// instead of those that the system trusts.
    #[must_use]
    pub fn authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Connections that claim and append. Default: 2; at least one.
    #[must_use]
    pub fn appenders(mut self, appenders: usize) -> Self {
        self.appenders = appenders.max(1);
        self
    }

    /// Connections that read. Default: 2; at least one.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// Writes that may wait, and reads that may wait. More are refused with
    /// [`Overloaded`](crate::WriteError::Overloaded) and counted. Default: 16,384.
    #[must_use]
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue.max(1);
        self
    }

    /// Payload of the writes that may wait, in bytes; one that is larger waits alone. More are
    /// refused as by [`queue`](Self::queue). Default: 64 MiB.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Claims and appends in one batch. Default: 1,024.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// How long the server may work on a statement, locks included. Default: 30 s; at least 1 ms.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How long one attempt to reach a host may take, unless the URL says so. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long what is asked for waits for a server that is away before it is refused, and with it
    /// everything that has come meanwhile. Default: 10 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Postgres {
    /// Connects and brings the schema up to date. Blocks the thread.
    ///
    /// The URL is libpq's: `postgres://user:password@host:port/database?sslmode=require`. Several
    /// hosts may be named, of which the one that takes writes is used. About `sslmode` see
    /// [`PostgresConfig::authorities`]: `require` verifies certificate and name, `prefer`, the
    /// default, encrypts where it can and verifies nothing, `disable` does not encrypt.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, PostgresConfig::default())
    }

    /// As [`open`](Self::open), with other bounds.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(url: &str, config: PostgresConfig) -> Result<Self, OpenError> {
        let target = target(url, &config)?;
        let name = target.name.clone();
        let engine = Engine::start(target, &config)?;
        Ok(Postgres { engine, name })
    }

    /// Where it is stored: hosts, ports and database, without user and password.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.name).finish()
    }
}

/// Long enough for a busy network, short enough to notice that a server is gone.
const KEEPALIVE: Duration = Duration::from_secs(15);

fn target(url: &str, config: &PostgresConfig) -> Result<Target, OpenError> {
    let setting = |setting, problem| OpenError::Setting { setting, problem };
    let of_url = |error: tokio_postgres::Error| {
        let fault = faults::fault(&error);
        let example = "postgres://user:password@host:5432/database";
        setting("url", format!("write it as {example}: {fault}"))
    };
    let mut client: Config = url.parse().map_err(of_url)?;
    let is_name = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '_');
    if config.schema.is_empty() || config.schema.len() > 63 || !config.schema.chars().all(is_name) {
        let problem = "lower-case letters, digits and `_`, 1 to 63 of them".to_owned();
        return Err(setting("schema", problem));
    }
    let tls = tls::connector(client.get_ssl_mode(), config.authorities.as_deref())
        .map_err(|problem| setting("authorities", problem))?;
    if client.get_connect_timeout().is_none() {
        client.connect_timeout(config.connect_timeout);
    }
    if client.get_application_name().is_none() {
        client.application_name("vaxel");
    }
    client.keepalives_idle(KEEPALIVE);
    client.tcp_user_timeout(config.statement_timeout + KEEPALIVE);
    client.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Ok(Target {
        name: name_of(&client),
        config: client,
        tls,
        schema: config.schema.clone(),
        statement_timeout: config.statement_timeout,
    })
}

fn name_of(client: &Config) -> String {
    let port = |nth: usize| {
        let ports = client.get_ports();
        ports.get(nth).or(ports.first()).copied().unwrap_or(5432)
    };
    let hosts = client.get_hosts().iter().enumerate();
    let hosts = hosts.map(|(nth, host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(nth)),
        Host::Unix(folder) => format!("{}:{}", folder.display(), port(nth)),
    });
    let hosts = hosts.collect::<Vec<_>>().join(",");
    let database = client
        .get_dbname()
        .or(client.get_user())
        .unwrap_or_default();
    format!("{hosts}/{database}")
}
