//! A connection with its statements, and how one is made, again and again.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::faults::{self, Trouble};
use super::migrations::{self, MigrateError};
use super::statements::{Prepared, Sql};
use crate::OpenError;

pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How long a server may be silent beyond the time limit that it keeps itself.
const SILENCE: Duration = Duration::from_secs(5);

/// The pause after a first failure to connect; each further one is twice as long.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);

/// The longest pause.
const BACKOFF_LAST: Duration = Duration::from_secs(2);

/// What every connection of a store is made from.
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) schema: String,
    /// How it is named to people: without its password.
    pub(super) name: String,
    pub(super) statement_timeout: Duration,
}

/// A connection that is ready for every statement.
pub(super) struct Session {
    client: Client,
    prepared: Prepared,
    limit: Duration,
    /// Whether the server was silent for longer than that, or has said that it is the end: what is
    /// sent before the connection is seen to be closed would only have an unknown outcome.
    is_over: AtomicBool,
}

impl Target {
    async fn client(&self) -> Result<Client, OpenError> {
        let connected = self.config.connect(self.tls.clone());
        let connected = self.within(connected).await?;
        let (client, connection) =
            connected.map_err(|error| faults::open_error(&self.name, &error))?;
        // Ends with its client, or tells it of the error that it ended with.
        tokio::spawn(async move { _ = connection.await });
        let settings = format!(
            "SET statement_timeout = {0}; SET idle_in_transaction_session_timeout = {0};
            SET jit = off; SET client_min_messages = warning;
            SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') IN ('off', 'local')",
            self.statement_timeout.as_millis()
        );
        let set = client.batch_execute(&settings).await;
        set.map_err(|error| faults::open_error(&self.name, &error))?;
        Ok(client)
    }

    async fn session(&self) -> Result<Session, OpenError> {
        let client = self.client().await?;
        let prepared = Prepared::on(&client, &self.schema).await;
        Ok(Session {
            client,
            prepared: prepared.map_err(|error| faults::open_error(&self.name, &error))?,
            limit: self.statement_timeout + SILENCE,
            is_over: AtomicBool::new(false),
        })
    }

    /// A connection, ready for every statement.
    pub(super) async fn connect(&self) -> Result<Arc<Session>, OpenError> {
        let session = self.within(self.session()).await?;
        session.map(Arc::new)
    }

    /// As long as a server may be silent, which may accept a connection and say nothing.
    async fn within<T>(&self, answered: impl Future<Output = T>) -> Result<T, OpenError> {
        let limit = self.statement_timeout + SILENCE;
        let answered = tokio::time::timeout(limit, answered).await;
        answered.map_err(|_| OpenError::NoServer {
            database: self.name.clone(),
            source: Trouble::Silent.fault(),
        })
    }

    /// Brings the schema up to date on a connection of its own.
    pub(super) async fn migrate(&self) -> Result<(), OpenError> {
        let client = self.client().await?;
        let migrated = migrations::run(&client, &self.schema).await;
        migrated.map_err(|error| match error {
            MigrateError::Server(error) => faults::open_error(&self.name, &error),
            MigrateError::TooNew(found) => OpenError::TooNew {
                database: self.name.clone(),
                found,
                known: migrations::NEWEST,
            },
        })
    }
}

/// Growing pauses, each between a half and the whole, so that many do not come back at once.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff(BACKOFF_FIRST)
    }

    pub(super) fn next(&mut self) -> Duration {
        let whole = self.0;
        self.0 = (whole * 2).min(BACKOFF_LAST);
        let random = RandomState::new().build_hasher().finish();
        whole.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
    }
}

impl Session {
    /// Whether it is of no use any more.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.is_over.load(Relaxed)
    }

    /// Runs a statement and answers how many rows it changed. It is sent at the first poll, so
    /// statements are executed in the order in which they are polled first.
    pub(super) async fn execute(&self, sql: Sql, values: Parameters<'_>) -> Result<u64, Trouble> {
        let executed = self.client.execute(self.prepared.of(sql), values);
        self.within(executed).await
    }

    /// As [`execute`](Self::execute), and answers the rows.
    pub(super) async fn query(
        &self,
        sql: Sql,
        values: Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        let queried = self.client.query(self.prepared.of(sql), values);
        self.within(queried).await
    }

    /// As [`query`](Self::query), of which there is one row or none.
    pub(super) async fn row(
        &self,
        sql: Sql,
        values: Parameters<'_>,
    ) -> Result<Option<Row>, Trouble> {
        let queried = self.client.query_opt(self.prepared.of(sql), values);
        self.within(queried).await
    }

    /// As [`query`](Self::query), making something of each row as it comes.
    pub(super) async fn collect<T>(
        &self,
        sql: Sql,
        values: Parameters<'_>,
        make: impl Fn(&Row) -> T,
    ) -> Result<Vec<T>, Trouble> {
        let queried = async {
            let rows = self
                .client
                .query_raw(self.prepared.of(sql), values.iter().copied());
            rows.await?.map_ok(|row| make(&row)).try_collect().await
        };
        self.within(queried).await
    }

    /// A statement of the user's, which is prepared first.
    pub(super) async fn foreign(&self, sql: &str, values: Parameters<'_>) -> Result<u64, Trouble> {
        self.within(self.client.execute(sql, values)).await
    }

    async fn within<T>(
        &self,
        answered: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        let trouble = match tokio::time::timeout(self.limit, answered).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Trouble::Server(error),
            Err(_) => Trouble::Silent,
        };
        if trouble.is_the_end() {
            self.is_over.store(true, Relaxed);
        }
        Err(trouble)
    }
}
