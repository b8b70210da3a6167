//! What can be wrong with a server, and what a store says about it.

#![cfg(feature = "postgres")]

#[path = "postgres/shared.rs"]
mod shared;

use std::time::Duration;

use shared::{fresh_schema, server};
use vaxel_store::{
    Append, FaultKind, JobStore, Journal, NewEvent, NewJob, Offset, OpenError, Postgres,
    PostgresConfig, Transact, Value, Write, WriteError,
};
use vaxel_test_postgres::{PASSWORD, Server, Settings, USER};

fn open(server: &Server, schema: &str) -> Postgres {
    let config = PostgresConfig::default().schema(schema);
    Postgres::open_with(&server.url("postgres"), config).expect("the server is there")
}

fn refused(url: &str) -> OpenError {
    Postgres::open_with(url, PostgresConfig::default().schema(fresh_schema()))
        .expect_err("it must be refused")
}

fn append(store: &Postgres, name: &str) -> Append {
    let owner = store.claim(&name.into()).wait().expect("anybody may claim");
    Append {
        entity: name.into(),
        fence: owner.fence,
        expected: owner.sequence,
        events: vec![NewEvent::new(1, *b"x")],
    }
}

/// Runs statements of the test's own, through a store in another schema.
fn execute(store: &Postgres, statements: &[&str]) {
    let write = statements
        .iter()
        .fold(Write::new(), |write, sql| write.sql(*sql, vec![]));
    store.write(write).wait().expect("the statements are right");
}

fn says(error: &OpenError, words: &str) {
    let said = error.to_string();
    assert!(said.contains(words), "{said}");
    assert!(!format!("{error:?} {said}").contains("sesame"), "{error:?}");
}

#[test]
fn a_wrong_password_is_told() {
    let server = server();
    let error = refused(&server.url_of(USER, "guessed", "postgres"));
    assert!(matches!(error, OpenError::Unauthorized { .. }), "{error:?}");
    says(&error, "correct user and password");
    let error = refused(&server.url_of("nobody", PASSWORD, "postgres"));
    assert!(matches!(error, OpenError::Unauthorized { .. }), "{error:?}");
}

#[test]
fn an_unknown_database_is_told() {
    let server = server();
    let error = refused(&server.url("elsewhere"));
    assert!(matches!(error, OpenError::NoDatabase { .. }), "{error:?}");
    says(&error, "createdb");
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let error = refused("postgres://vaxel@127.0.0.1:1/postgres");
    assert!(matches!(error, OpenError::NoServer { .. }), "{error:?}");
    says(&error, "127.0.0.1:1/postgres");
    let error = refused("mysql://localhost");
    assert!(
        matches!(error, OpenError::Setting { setting: "url", .. }),
        "{error:?}"
    );
}

#[test]
fn a_server_without_tls_is_told_where_tls_is_asked_for() {
    let server = server();
    let error = refused(&format!("{}?sslmode=require", server.url("postgres")));
    assert!(matches!(error, OpenError::Insecure { .. }), "{error:?}");
    says(&error, "ssl = on");
}

#[test]
fn a_certificate_is_verified_where_tls_is_asked_for() {
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("the name is right");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let on = ("ssl".to_owned(), "on".to_owned());
    let settings = Settings {
        parameters: vec![on],
        files: vec![
            ("server.crt".to_owned(), certificate.clone()),
            ("server.key".to_owned(), key),
        ],
        ..Settings::default()
    };
    let Ok(server) = Server::start(&settings) else {
        panic!("NOT RUN: there is no server on this machine");
    };
    let with = |mode: &str, authorities: Option<&std::path::Path>| {
        let url = format!("{}?sslmode={mode}", server.url("postgres"));
        let config = PostgresConfig::default();
        let config = authorities.map_or(config.clone(), |path| config.authorities(path));
        Postgres::open_with(&url, config)
    };
    let error = with("require", None).expect_err("the system does not trust it");
    assert!(matches!(error, OpenError::Insecure { .. }), "{error:?}");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let authorities = folder.path().join("authorities.pem");
    std::fs::write(&authorities, certificate).expect("it can be written");
    let store = with("require", Some(&authorities)).expect("it is trusted");
    let is_encrypted = "DO $$ BEGIN IF NOT (SELECT ssl FROM pg_stat_ssl
        WHERE pid = pg_backend_pid()) THEN RAISE 'in the clear'; END IF; END $$";
    execute(&store, &[is_encrypted]);
    execute(
        &with("prefer", None).expect("nothing is verified"),
        &[is_encrypted],
    );
    std::fs::write(&authorities, "no certificate").expect("it can be written");
    let error = with("require", Some(&authorities)).expect_err("there is none in it");
    assert!(
        matches!(
            error,
            OpenError::Setting {
                setting: "authorities",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_database_of_a_newer_program_is_told() {
    let (server, schema) = (server(), fresh_schema());
    let store = open(&server, &schema);
    let newer = format!("INSERT INTO {schema}.migration (number) VALUES (900)");
    execute(&store, &[&newer]);
    let config = PostgresConfig::default().schema(&schema);
    let error = Postgres::open_with(&server.url("postgres"), config).expect_err("it is newer");
    assert!(
        matches!(error, OpenError::TooNew { found: 900, .. }),
        "{error:?}"
    );
    says(&error, "start a newer version of the program");
}

#[test]
fn a_server_that_only_reads_is_told() {
    let server = server();
    let store = open(&server, &fresh_schema());
    let only_reads = [
        "CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'r'",
        "ALTER ROLE reader SET default_transaction_read_only = on",
    ];
    execute(&store, &only_reads);
    let error = refused(&server.url_of("reader", "r", "postgres"));
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    says(&error, "name the primary");
}

#[test]
fn a_user_who_may_not_make_tables_is_told() {
    let server = server();
    let store = open(&server, &fresh_schema());
    execute(&store, &["CREATE ROLE guest LOGIN PASSWORD 'g'"]);
    let error = refused(&server.url_of("guest", "g", "postgres"));
    assert!(matches!(error, OpenError::Forbidden { .. }), "{error:?}");
    says(&error, "GRANT CREATE ON DATABASE");
}

#[test]
fn of_many_that_open_a_new_schema_all_succeed() {
    let (server, schema) = (server(), fresh_schema());
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| drop(open(&server, &schema))))
            .collect();
        for opened in opening {
            opened.join().expect("the migrations run once");
        }
    });
}

#[test]
fn a_second_store_fences_the_first_off() {
    let (server, schema) = (server(), fresh_schema());
    let (first, second) = (open(&server, &schema), open(&server, &schema));
    let stale = append(&first, "a");
    second
        .append(append(&second, "a"))
        .wait()
        .expect("it is the owner");
    let error = first
        .append(stale)
        .wait()
        .expect_err("it is the owner no more");
    assert!(matches!(error, WriteError::Fenced { .. }), "{error:?}");
}

#[test]
fn of_two_programs_with_one_claim_each_event_is_written_once() {
    let (server, schema) = (server(), fresh_schema());
    let (first, second) = (open(&server, &schema), open(&server, &schema));
    let ready = append(&first, "a");
    let rounds = 200;
    let write = |store: &Postgres| {
        let at = |sequence| Append {
            expected: sequence,
            ..ready.clone()
        };
        let outcomes = (0..rounds).map(|sequence| store.append(at(sequence)).wait());
        outcomes
            .filter(|outcome| match outcome {
                Ok(_) => true,
                Err(error) => {
                    assert!(matches!(error, WriteError::Conflict { .. }), "{error:?}");
                    false
                }
            })
            .count()
    };
    let written = std::thread::scope(|scope| {
        let other = scope.spawn(|| write(&second));
        write(&first) + other.join().expect("it only writes")
    });
    let stored = first.read(&"a".into(), 0, 1_000).wait().expect("it reads");
    assert_eq!(stored.len(), written);
    let numbers = stored.iter().map(|event| event.sequence);
    assert!(numbers.eq(1..=written as u64), "no gap and no duplicate");
}

/// Holds a table until it is dropped, as a session that somebody has left open.
fn holding(
    store: &Postgres,
    schema: &str,
) -> vaxel_store::Answer<Vec<vaxel_store::Written>, WriteError> {
    let lock = format!("LOCK TABLE {schema}.event IN ACCESS EXCLUSIVE MODE /* {schema} */");
    let write = Write::new()
        .sql(lock, vec![])
        .sql(format!("SELECT pg_sleep(60) /* {schema} */"), vec![]);
    let answer = store.write(write);
    let is_held = format!(
        "DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock'
            AND relation = '{schema}.event'::regclass AND granted) LOOP
            PERFORM pg_sleep(0.001); END LOOP; END $$"
    );
    let watching = open_beside(store);
    execute(&watching, &[&is_held]);
    answer
}

fn open_beside(store: &Postgres) -> Postgres {
    let url = format!("postgres://{USER}:open%20sesame@{}", store.name());
    Postgres::open_with(&url, PostgresConfig::default().schema(fresh_schema()))
        .expect("it is there")
}

/// Other tests have holders of their own on the same server.
fn holder_of(schema: &str) -> String {
    format!("query LIKE '%/* {schema} */' AND pid <> pg_backend_pid()")
}

fn terminate(store: &Postgres, which: &str) {
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}");
    execute(store, &[&sql]);
}

#[test]
fn an_append_whose_connection_is_cut_has_an_unknown_outcome() {
    let (server, schema) = (server(), fresh_schema());
    let config = PostgresConfig::default().schema(&schema).appenders(1);
    let store = Postgres::open_with(&server.url("postgres"), config).expect("it is there");
    let ready = append(&store, "a");
    let holder = open(&server, &fresh_schema());
    let held = holding(&holder, &schema);
    let sent = store.append(ready.clone());
    let admin = open(&server, &fresh_schema());
    let waits = format!(
        "DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted
            AND relation = '{schema}.event'::regclass) LOOP
            PERFORM pg_sleep(0.001); END LOOP; END $$"
    );
    execute(&admin, &[&waits]);
    terminate(
        &admin,
        &format!("query LIKE '%\"{schema}\".append(%' AND wait_event_type = 'Lock'"),
    );
    let error = sent.wait().expect_err("its connection is gone");
    assert!(error.is_outcome_unknown(), "{error:?}");
    terminate(&admin, &holder_of(&schema));
    let error = held.wait().expect_err("its connection is gone");
    assert!(
        matches!(error, WriteError::NotWritten { .. }),
        "never committed: {error:?}"
    );
    store
        .append(ready)
        .wait()
        .expect("it connects again, and nothing was written");
    assert!(store.counters().connects >= 2, "{:?}", store.counters());
}

#[test]
fn a_statement_that_takes_too_long_is_told_and_the_store_goes_on() {
    let (server, schema) = (server(), fresh_schema());
    let config = PostgresConfig::default()
        .schema(&schema)
        .statement_timeout(Duration::from_millis(500));
    let store = Postgres::open_with(&server.url("postgres"), config).expect("it is there");
    let ready = append(&store, "a");
    let holder = open(&server, &fresh_schema());
    let held = holding(&holder, &schema);
    let error = store
        .append(ready.clone())
        .wait()
        .expect_err("it waits for a lock");
    let WriteError::NotWritten { source } = &error else {
        panic!("the outcome is known: {error:?}");
    };
    assert_eq!(source.kind(), FaultKind::TimedOut);
    let admin = open(&server, &fresh_schema());
    terminate(&admin, &holder_of(&schema));
    drop(held.wait());
    store.append(ready).wait().expect("it goes on");
}

#[test]
fn one_append_that_cannot_be_stored_does_not_disturb_its_batch() {
    let server = server();
    let config = PostgresConfig::default()
        .schema(fresh_schema())
        .appenders(1);
    let store = Postgres::open_with(&server.url("postgres"), config).expect("it is there");
    let good: Vec<_> = (0..20).map(|n| append(&store, &format!("e/{n}"))).collect();
    let mut poisoned = good[0].clone();
    poisoned.entity = "nul\0".into();
    let all = good.into_iter().chain([poisoned]);
    let mut answers: Vec<_> = all.map(|append| store.append(append)).collect();
    let poisoned = answers.pop().expect("it was the last").wait();
    let error = poisoned.expect_err("PostgreSQL has no such text");
    assert!(matches!(error, WriteError::NotWritten { .. }), "{error:?}");
    for answer in answers {
        answer.wait().expect("it is right");
    }
}

#[test]
fn a_tail_waits_for_no_append_and_misses_none() {
    let (server, schema) = (server(), fresh_schema());
    let store = open(&server, &schema);
    store
        .append(append(&store, "first"))
        .wait()
        .expect("it fits");
    // A transaction that has appended, and is not committed before the test lets it.
    let slow = open(&server, &schema);
    let ready = append(&slow, "slow");
    let gate = fresh_schema();
    let other = open(&server, &gate);
    execute(&other, &[&format!("CREATE TABLE {gate}.gate (id integer)")]);
    let until_gate = format!(
        "DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM {gate}.gate) LOOP
            PERFORM pg_sleep(0.001); END LOOP; END $$"
    );
    let write = Write::new().append(ready).sql(until_gate, vec![]);
    let under_way = slow.write(write);
    let holds = format!(
        "DO $$ BEGIN WHILE (SELECT last_value FROM {schema}.position) < 3 LOOP
            PERFORM pg_sleep(0.001); END LOOP; END $$"
    );
    execute(&other, &[&holds]);
    store
        .append(append(&store, "later"))
        .wait()
        .expect("nobody waits for it");
    let names = |after| {
        let page = store.tail(after, None, 10).wait().expect("it reads");
        page.iter()
            .map(|tailed| tailed.entity.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(Offset::START),
        ["first"],
        "what is later is not seen before the slow one"
    );
    execute(&other, &[&format!("INSERT INTO {gate}.gate VALUES (1)")]);
    under_way.wait().expect("it is committed");
    assert_eq!(names(Offset::START), ["first", "slow", "later"]);
}

#[test]
fn a_projection_writes_into_tables_of_its_own() {
    let (server, schema) = (server(), fresh_schema());
    let store = open(&server, &schema);
    let table = format!("CREATE TABLE {schema}.total (name text, sum integer, share float8)");
    let insert = format!("INSERT INTO {schema}.total VALUES ($1, $2, $3)");
    let values = vec![Value::Text("a".into()), Value::Integer(7), Value::Real(0.5)];
    let write = Write::new().sql(table, vec![]).sql(insert, values);
    store.write(write).wait().expect("the statements are right");
    let update = format!("UPDATE {schema}.total SET sum = sum + $1 WHERE name = $2 AND sum = 7");
    let values = vec![Value::Integer(1), Value::Text("a".into())];
    let written = store.write(Write::new().sql(update, values)).wait();
    assert_eq!(
        written.expect("it is there"),
        [vaxel_store::Written::Rows(1)]
    );
    let error = store.write(Write::new().sql("INSERT INTO nowhere VALUES (1)", vec![]));
    let error = error.wait().expect_err("there is no such table");
    assert!(matches!(error, WriteError::NotWritten { .. }), "{error:?}");
}

#[test]
fn a_queue_is_bounded_by_number_and_by_bytes() {
    let (server, schema) = (server(), fresh_schema());
    let bounds = [
        PostgresConfig::default().queue(4),
        PostgresConfig::default().queue_bytes(4_000),
    ];
    for bounds in bounds {
        let config = bounds.schema(&schema);
        let store = Postgres::open_with(&server.url("postgres"), config).expect("it is there");
        let holder = open(&server, &fresh_schema());
        let held = holding(&holder, &schema);
        // All of one entity: one is under way at most, the others wait.
        let mut waiting = Append {
            entity: "a".into(),
            fence: vaxel_store::Fence(1),
            expected: 0,
            events: vec![NewEvent::new(1, vec![0; 1_000])],
        };
        let answers: Vec<_> = (0..10)
            .map(|sequence| {
                waiting.expected = sequence;
                store.append(waiting.clone())
            })
            .collect();
        assert!(
            store.counters().writes_overloaded >= 5,
            "{:?}",
            store.counters()
        );
        let admin = open(&server, &fresh_schema());
        terminate(&admin, &holder_of(&schema));
        drop(held.wait());
        let overloaded = answers.into_iter().filter_map(|answer| answer.wait().err());
        let overloaded = overloaded.filter(|error| matches!(error, WriteError::Overloaded { .. }));
        assert_eq!(
            overloaded.count() as u64,
            store.counters().writes_overloaded
        );
    }
}

#[test]
fn what_is_queued_is_written_before_a_store_is_closed() {
    let (server, schema) = (server(), fresh_schema());
    let store = open(&server, &schema);
    let appends: Vec<_> = (0..50).map(|n| append(&store, &format!("e/{n}"))).collect();
    let appended: Vec<_> = appends
        .into_iter()
        .map(|append| store.append(append))
        .collect();
    let jobs: Vec<_> = (0..50)
        .map(|_| store.enqueue(NewJob::new("q", *b"x")))
        .collect();
    drop(store);
    assert!(appended.into_iter().all(|answer| answer.wait().is_ok()));
    assert!(jobs.into_iter().all(|answer| answer.wait().is_ok()));
}
