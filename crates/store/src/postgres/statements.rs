//! Every statement of the engine, prepared once for each connection.

use tokio_postgres::{Client, Error, Statement};

/// Names the schema in statements and migrations; replaced by that of the store.
const SCHEMA: &str = "vaxel.";

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        /// Names a prepared statement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Sql { $($name),* }

        const ALL: &[&str] = &[$($sql),*];
    };
}

statements! {
    Begin = "BEGIN";
    Commit = "COMMIT";
    Rollback = "ROLLBACK";

    Append = "SELECT fences, heads, positions
        FROM vaxel.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    LockOwner = "SELECT fence FROM vaxel.entity WHERE name = $1 FOR SHARE";
    Claim = "WITH claimed AS (
            INSERT INTO vaxel.entity AS e (name, fence)
            SELECT name, 1 FROM unnest($1::text[]) AS name
            ON CONFLICT (name) DO UPDATE SET fence = e.fence + 1 RETURNING e.name, e.fence)
        SELECT fence FROM claimed ORDER BY name";
    Gate = "SELECT pg_advisory_xact_lock(1447123020, 'vaxel.entity'::regclass::oid::integer)";
    Heads = "SELECT coalesce((SELECT max(v.sequence) FROM vaxel.event v WHERE v.entity = e.id), 0)
        FROM unnest($1::text[]) AS name JOIN vaxel.entity e USING (name) ORDER BY e.name";
    Owner = "SELECT fence FROM vaxel.entity WHERE name = $1";

    Read = "SELECT sequence, position, version, at, payload FROM (
            SELECT *, sum(octet_length(payload)) OVER (ROWS UNBOUNDED PRECEDING) AS bytes,
                row_number() OVER (ROWS UNBOUNDED PRECEDING) AS nth
            FROM (SELECT sequence, position, version, at, payload FROM vaxel.event
                WHERE entity = (SELECT id FROM vaxel.entity WHERE name = $1) AND sequence > $2
                ORDER BY sequence LIMIT $3) AS page) AS counted
        WHERE bytes <= $4 OR nth = 1 ORDER BY sequence";
    Horizon = "SELECT vaxel.horizon()";
    Tail = "SELECT sequence, position, version, at, payload, name FROM (
            SELECT *, sum(octet_length(payload)) OVER (ROWS UNBOUNDED PRECEDING) AS bytes,
                row_number() OVER (ROWS UNBOUNDED PRECEDING) AS nth
            FROM (SELECT v.sequence, v.position, v.version, v.at, v.payload, e.name
                FROM vaxel.event v JOIN vaxel.entity e ON e.id = v.entity
                WHERE v.position > $1 AND v.position <= $2
                ORDER BY v.position LIMIT $3) AS page) AS counted
        WHERE bytes <= $4 OR nth = 1 ORDER BY position";
    TailTag = "SELECT sequence, position, version, at, payload, name FROM (
            SELECT *, sum(octet_length(payload)) OVER (ROWS UNBOUNDED PRECEDING) AS bytes,
                row_number() OVER (ROWS UNBOUNDED PRECEDING) AS nth
            FROM (SELECT v.sequence, v.position, v.version, v.at, v.payload, e.name
                FROM vaxel.event_tag t JOIN vaxel.event v ON v.position = t.position
                JOIN vaxel.entity e ON e.id = v.entity
                WHERE t.tag = $5 AND t.position > $1 AND t.position <= $2
                ORDER BY t.position LIMIT $3) AS page) AS counted
        WHERE bytes <= $4 OR nth = 1 ORDER BY position";
    SaveSnapshot = "INSERT INTO vaxel.snapshot (entity, sequence, version, payload)
        SELECT id, $3, $4, $5 FROM vaxel.entity WHERE name = $1 AND fence = $2
        ON CONFLICT (entity, sequence)
        DO UPDATE SET version = excluded.version, payload = excluded.payload";
    DropSnapshots = "DELETE FROM vaxel.snapshot s USING vaxel.entity e
        WHERE e.name = $1 AND s.entity = e.id AND s.sequence NOT IN (
            SELECT n.sequence FROM vaxel.snapshot n WHERE n.entity = e.id
            ORDER BY n.sequence DESC LIMIT $2)";
    Snapshot = "SELECT sequence, version, payload FROM vaxel.snapshot
        WHERE entity = (SELECT id FROM vaxel.entity WHERE name = $1) AND sequence <= $2
        ORDER BY sequence DESC LIMIT 1";
    SaveOffset = "INSERT INTO vaxel.projection AS p (name, position)
        SELECT $1, $3::bigint
        WHERE $2::bigint = 0 OR EXISTS (SELECT 1 FROM vaxel.projection WHERE name = $1)
        ON CONFLICT (name) DO UPDATE SET position = $3 WHERE p.position = $2";
    Offset = "SELECT position FROM vaxel.projection WHERE name = $1";

    Put = "INSERT INTO vaxel.state AS s (name, version, format, payload)
        SELECT $1, 1, $3::integer, $4::bytea
        WHERE $2::bigint = 0 OR EXISTS (SELECT 1 FROM vaxel.state WHERE name = $1)
        ON CONFLICT (name) DO UPDATE
        SET version = s.version + 1, format = excluded.format, payload = excluded.payload
        WHERE s.version = $2";
    Load = "SELECT version, format, payload FROM vaxel.state WHERE name = $1";
    Names = "SELECT name FROM vaxel.state
        WHERE name > $1 AND name >= $2 AND ($3::text IS NULL OR name < $3)
            AND starts_with(name, $2) AND payload IS NOT NULL
        ORDER BY name LIMIT $4";

    Enqueue = "SELECT job_id, is_new FROM vaxel.enqueue($1, $2, $3, $4, $5, $6, $7, $8)";
    Rescue = "WITH ended AS (
            UPDATE vaxel.job SET lease_until = NULL,
                state = CASE WHEN attempt >= attempts_max THEN 4 ELSE 0 END,
                over_at = CASE WHEN attempt >= attempts_max THEN $2::bigint END,
                unique_key = CASE WHEN attempt >= attempts_max THEN NULL ELSE unique_key END
            WHERE queue = $1 AND state = 1 AND lease_until <= $2 RETURNING id, attempt)
        INSERT INTO vaxel.job_error (job, attempt, at, message)
        SELECT id, attempt, $2, $3 FROM ended";
    ClaimJobs = "WITH due AS (
            SELECT of_priority.id FROM generate_series(0, $5::integer) AS p (priority)
            CROSS JOIN LATERAL (SELECT j.id FROM vaxel.job j
                WHERE j.queue = $1 AND j.state = 0 AND j.priority = p.priority AND j.run_at <= $2
                ORDER BY j.run_at, j.id LIMIT $3 FOR UPDATE SKIP LOCKED) AS of_priority
            LIMIT $3)
        UPDATE vaxel.job j
        SET state = 1, attempt = attempt + 1, lease = lease + 1, lease_until = $4
        FROM due WHERE j.id = due.id
        RETURNING j.id, lease, attempt, attempts_max, snoozes, run_at, payload, priority";
    RenewJobs = "UPDATE vaxel.job j SET lease_until = $3
        FROM unnest($1::bigint[], $2::bigint[]) AS held (id, lease)
        WHERE j.id = held.id AND j.lease = held.lease AND j.state = 1 RETURNING j.id";
    FinishJob = "WITH held AS (
            SELECT id, attempt, CASE WHEN $6::boolean AND attempt >= attempts_max THEN 4
                ELSE $3::integer END AS next
            FROM vaxel.job WHERE id = $1 AND lease = $2 AND state = 1 FOR UPDATE
        ), noted AS (
            INSERT INTO vaxel.job_error (job, attempt, at, message)
            SELECT id, attempt, $5::bigint, $7::text FROM held WHERE $7 IS NOT NULL)
        UPDATE vaxel.job j SET state = next, lease_until = NULL,
            run_at = CASE WHEN next = 0 THEN coalesce($4::bigint, run_at) ELSE run_at END,
            over_at = CASE WHEN next >= 2 THEN $5 END,
            attempt = j.attempt - $8::integer, snoozes = snoozes + $8,
            unique_key = CASE WHEN next >= 3 OR (next = 2 AND unique_until = 9223372036854775807)
                THEN NULL ELSE unique_key END
        FROM held WHERE j.id = held.id";
    CancelJob = "UPDATE vaxel.job
        SET state = 3, over_at = $2, lease_until = NULL, unique_key = NULL
        WHERE id = $1 AND state IN (0, 1)";
    RetryJob = "UPDATE vaxel.job SET state = 0, run_at = $2, attempt = 0, over_at = NULL
        WHERE id = $1 AND state IN (3, 4)";
    PruneJobs = "WITH over AS (
            SELECT id FROM vaxel.job WHERE over_at < $1 ORDER BY over_at, id LIMIT $2
            FOR UPDATE SKIP LOCKED
        ), errors AS (DELETE FROM vaxel.job_error e USING over WHERE e.job = over.id)
        DELETE FROM vaxel.job j USING over WHERE j.id = over.id";
    NextDue = "SELECT least(
        (SELECT min(lease_until) FROM vaxel.job WHERE queue = $1 AND state = 1),
        (SELECT min(of_priority.run_at) FROM generate_series(0, $2::integer) AS p (priority)
            CROSS JOIN LATERAL (SELECT j.run_at FROM vaxel.job j
                WHERE j.queue = $1 AND j.state = 0 AND j.priority = p.priority
                ORDER BY j.run_at LIMIT 1) AS of_priority))";
    Job = "SELECT id, queue, state, priority, attempt, attempts_max, run_at, payload
        FROM vaxel.job WHERE id = $1";
    JobErrors = "SELECT attempt, at, message FROM vaxel.job_error WHERE job = $1 ORDER BY id";
    Jobs = "SELECT id, queue, state, priority, attempt, attempts_max, run_at, payload
        FROM vaxel.job WHERE queue = $1 AND state = $2 AND id > $3 ORDER BY id LIMIT $4";
    JobCounts = "SELECT state, count(*) FROM vaxel.job WHERE queue = $1 GROUP BY state
        ORDER BY state";
}

/// Puts the schema of the store into SQL.
pub(super) fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace(SCHEMA, &format!("\"{schema}\"."))
}

/// The statements of one connection.
pub(super) struct Prepared(Vec<Statement>);

impl Prepared {
    /// Prepares all of them in one round trip.
    pub(super) async fn on(client: &Client, schema: &str) -> Result<Self, Error> {
        let texts: Vec<_> = ALL.iter().map(|sql| in_schema(sql, schema)).collect();
        let prepare = texts.iter().map(|sql| client.prepare(sql));
        let prepared = futures_util::future::try_join_all(prepare).await?;
        Ok(Prepared(prepared))
    }

    pub(super) fn of(&self, sql: Sql) -> &Statement {
        &self.0[sql as usize]
    }
}
