//! Numbered changes of the schema, each applied once.
//!
//! The number of the last one stands in the table `migration` of the schema. All that are missing
//! are applied in one transaction that holds an advisory lock, so of several programs that start
//! at once one applies them and the others find them done. A migration that has been released is
//! never changed: what is wrong with it is mended by the next.

use tokio_postgres::{Client, Error};

use super::statements::in_schema;

const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_begin.sql")];

/// The schema version that this program knows.
pub(super) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// "VAXL", as the lock of all migrations of a database.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1447123020)";

const TABLE: &str = "CREATE TABLE IF NOT EXISTS vaxel.migration (
    number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";

const FOUND: &str = "SELECT coalesce(max(number), 0) FROM vaxel.migration";

pub(super) enum MigrateError {
    TooNew(u32),
    Server(Error),
}

impl From<Error> for MigrateError {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// Asked of the tables of the catalogue: what the server remembers of names within a transaction
/// may be older than the lock.
const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = 'migration')";

/// The number of the last migration; none without the table.
async fn found(client: &Client, schema: &str) -> Result<Option<u32>, Error> {
    let is_there = client.query_one(IS_THERE, &[&schema]).await?;
    if !is_there.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one(&in_schema(FOUND, schema), &[]).await?;
    Ok(Some(u32::try_from(row.get::<_, i32>(0)).unwrap_or(0)))
}

fn missing(found: Option<u32>) -> Result<&'static [&'static str], MigrateError> {
    let found = found.unwrap_or(0);
    let missing = MIGRATIONS.get(found as usize..);
    missing.ok_or(MigrateError::TooNew(found))
}

/// Brings the schema up to date, if it is not.
pub(super) async fn run(client: &Client, schema: &str) -> Result<(), MigrateError> {
    // Without a lock, and without a right to change anything.
    if missing(found(client, schema).await?)?.is_empty() {
        return Ok(());
    }
    // The time limit is for statements that somebody waits for; large tables take their time.
    client
        .batch_execute("SET statement_timeout = 0; BEGIN")
        .await?;
    let outcome = apply(client, schema).await;
    let end = match outcome {
        Ok(()) => "COMMIT",
        Err(_) => "ROLLBACK",
    };
    client.batch_execute(end).await?;
    outcome
}

async fn apply(client: &Client, schema: &str) -> Result<(), MigrateError> {
    client.batch_execute(LOCK).await?;
    // Again, under the lock.
    let found = found(client, schema).await?;
    let missing = missing(found)?;
    if found.is_none() {
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
        client.batch_execute(&create).await?;
        client.batch_execute(&in_schema(TABLE, schema)).await?;
    }
    for (number, migration) in (found.unwrap_or(0) + 1..).zip(missing) {
        client.batch_execute(&in_schema(migration, schema)).await?;
        let note = format!("INSERT INTO vaxel.migration (number) VALUES ({number})");
        client.batch_execute(&in_schema(&note, schema)).await?;
    }
    Ok(())
}
