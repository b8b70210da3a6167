//! What can be wrong with a file, and what survives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use vaxel_store::{
    Append, FaultKind, Journal, Memory, NewEvent, OpenError, Sqlite, SqliteConfig, StateStore,
    Transact, Value, Write, WriteError,
};

fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("data.db");
    (directory, path)
}

fn refused(path: &Path) -> OpenError {
    let config = SqliteConfig::default().busy_timeout(Duration::from_millis(1));
    Sqlite::open_with(path, config).expect_err("it must be refused")
}

fn append(store: &Sqlite, name: &str) -> Append {
    let owner = store.claim(&name.into()).wait().expect("anybody may claim");
    Append {
        entity: name.into(),
        fence: owner.fence,
        expected: owner.sequence,
        events: vec![NewEvent::new(1, *b"x")],
    }
}

#[test]
fn what_was_acknowledged_is_there_when_the_file_is_opened_again() {
    let (_directory, path) = file();
    for round in 0..3 {
        let store = Sqlite::open(&path).expect("it can be opened");
        let append = append(&store, "a");
        assert_eq!((append.expected, append.fence.0), (round, round + 1));
        store.append(append).wait().expect("it fits");
    }
}

#[test]
fn a_second_store_on_the_same_file_fences_the_first_off() {
    let (_directory, path) = file();
    let first = Sqlite::open(&path).expect("it can be opened");
    let stale = append(&first, "a");
    let second = Sqlite::open(&path).expect("a file may have several");
    second
        .append(append(&second, "a"))
        .wait()
        .expect("it is the owner");
    let refused = first
        .append(stale)
        .wait()
        .expect_err("it is the owner no more");
    assert!(matches!(refused, WriteError::Fenced { .. }), "{refused:?}");
}

#[test]
fn a_file_of_a_newer_program_is_refused() {
    let (_directory, path) = file();
    drop(Sqlite::open(&path).expect("it can be opened"));
    let other = Connection::open(&path).expect("it is a database");
    other
        .pragma_update(None, "user_version", 900)
        .expect("it can be changed");
    let error = refused(&path);
    assert!(
        matches!(error, OpenError::TooNew { found: 900, .. }),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("start a newer version of the program"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    let (_directory, path) = file();
    let other = Connection::open(&path).expect("it can be made");
    other
        .execute_batch("CREATE TABLE songs (title TEXT)")
        .expect("it is empty");
    let before = fs::read(&path).expect("it is there");
    assert!(matches!(refused(&path), OpenError::Foreign { .. }));
    assert_eq!(fs::read(&path).expect("it is there"), before);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let (_directory, path) = file();
    fs::write(&path, "dear diary, ".repeat(1_000)).expect("it can be written");
    let error = refused(&path);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[test]
fn a_file_that_cannot_be_made_is_refused() {
    let (directory, _) = file();
    let error = refused(&directory.path().join("missing/data.db"));
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    assert!(
        error.to_string().contains("the directory must exist"),
        "{error}"
    );
}

#[test]
fn a_file_that_somebody_holds_locked_is_refused_and_so_are_writes() {
    let (_directory, path) = file();
    let config = SqliteConfig::default().busy_timeout(Duration::from_millis(1));
    let store = Sqlite::open_with(&path, config).expect("it can be opened");
    let ready = append(&store, "a");
    let other = Connection::open(&path).expect("it is a database");
    other
        .execute_batch("BEGIN EXCLUSIVE")
        .expect("nobody writes");
    let error = store
        .append(ready.clone())
        .wait()
        .expect_err("it is locked");
    let WriteError::NotWritten { source } = &error else {
        panic!("the outcome is known: {error:?}");
    };
    assert_eq!(source.kind(), FaultKind::Locked);
    other.execute_batch("ROLLBACK").expect("it is open");
    store.append(ready).wait().expect("it goes on");
}

#[test]
fn two_that_open_a_new_file_at_once_both_succeed() {
    let (_directory, path) = file();
    std::thread::scope(|scope| {
        let open = || Sqlite::open(&path).map(drop);
        let opening: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        for opened in opening {
            opened
                .join()
                .expect("it only opens")
                .expect("the migrations run once");
        }
    });
}

#[test]
fn a_full_disk_is_told_and_the_store_goes_on_when_there_is_room() {
    let (_directory, path) = file();
    let store = Sqlite::open(&path).expect("it can be opened");
    let small = append(&store, "a");
    let limit = |pages: &str| {
        let limit = Write::new().sql(format!("PRAGMA max_page_count = {pages}"), vec![]);
        // A pragma answers with a row, which a statement may not; it counts all the same.
        let _ = store.write(limit).wait();
    };
    limit("40");
    let mut large = small.clone();
    large.events[0].payload = vec![7; 1_000_000];
    let error = store.append(large).wait().expect_err("there is no room");
    let WriteError::NotWritten { source } = &error else {
        panic!("the outcome is known: {error:?}");
    };
    assert_eq!(source.kind(), FaultKind::DiskFull);
    assert!(source.to_string().contains("make room"), "{source}");
    limit("1000000");
    store.append(small).wait().expect("it goes on");
}

#[test]
fn a_projection_writes_into_tables_of_its_own() {
    let (_directory, path) = file();
    let store = Sqlite::open(&path).expect("it can be opened");
    let table = "CREATE TABLE total (name TEXT PRIMARY KEY, sum INTEGER)";
    let insert = "INSERT INTO total VALUES (?1, ?2)";
    let values = vec![Value::Text("a".into()), Value::Integer(7)];
    let write = Write::new().sql(table, vec![]).sql(insert, values);
    store.write(write).wait().expect("the statements are right");
    let error = store.write(Write::new().sql("INSERT INTO nowhere VALUES (1)", vec![]));
    let error = error.wait().expect_err("there is no such table");
    assert!(matches!(error, WriteError::NotWritten { .. }), "{error:?}");
    let other = Connection::open(&path).expect("it is a database");
    let sum: i64 = other
        .query_row("SELECT sum FROM total", (), |row| row.get(0))
        .expect("it was written");
    assert_eq!(sum, 7);
}

#[test]
fn a_full_queue_refuses_at_once_and_counts() {
    let (_directory, path) = file();
    let config = SqliteConfig::default().queue(2).batch(1);
    let store = Sqlite::open_with(&path, config).expect("it can be opened");
    let other = Connection::open(&path).expect("it is a database");
    other
        .execute_batch("BEGIN EXCLUSIVE")
        .expect("nobody writes");
    let entity = "a".into();
    let claims: Vec<_> = (0..10).map(|_| store.claim(&entity)).collect();
    other.execute_batch("ROLLBACK").expect("it is open");
    let refused = claims.into_iter().filter_map(|claim| claim.wait().err());
    let overloaded = refused.filter(|error| matches!(error, WriteError::Overloaded { .. }));
    let overloaded = overloaded.count() as u64;
    assert!(overloaded >= 7, "{overloaded}");
    assert_eq!(store.counters().writes_overloaded, overloaded);
}

#[test]
fn a_queue_is_bounded_by_bytes_and_lets_a_large_write_in_alone() {
    let (_directory, path) = file();
    let config = SqliteConfig::default().queue_bytes(4_000).batch(1);
    let store = Sqlite::open_with(&path, config).expect("it can be opened");
    let large = append(&store, "a");
    let large = Append {
        events: vec![NewEvent::new(1, vec![7; 10_000])],
        ..large
    };
    store
        .append(large.clone())
        .wait()
        .expect("nothing else waits");
    let other = Connection::open(&path).expect("it is a database");
    other
        .execute_batch("BEGIN EXCLUSIVE")
        .expect("nobody writes");
    let answers: Vec<_> = (0..10).map(|_| store.append(large.clone())).collect();
    other.execute_batch("ROLLBACK").expect("it is open");
    let refused = answers.into_iter().filter_map(|answer| answer.wait().err());
    let overloaded = refused.filter(|error| matches!(error, WriteError::Overloaded { .. }));
    let overloaded = overloaded.count() as u64;
    assert!(overloaded >= 8, "one is under way, one waits: {overloaded}");
    assert_eq!(store.counters().writes_overloaded, overloaded);
}

#[test]
fn writes_that_wait_share_a_commit() {
    let store = Memory::new();
    let held = store.hold();
    let entities: Vec<_> = (0..100)
        .map(|number| format!("e/{number}").into())
        .collect();
    let claims: Vec<_> = entities.iter().map(|entity| store.claim(entity)).collect();
    drop(held);
    assert!(claims.into_iter().all(|claim| claim.wait().is_ok()));
    assert!(store.counters().commits <= 3, "{:?}", store.counters());
}

#[test]
fn a_planted_fault_is_told_to_all_in_the_commit_and_nothing_is_stored() {
    let store = Arc::new(Memory::new());
    let held = store.hold();
    let lost: Vec<_> = (0..3).map(|_| store.claim(&"a".into())).collect();
    let fault = vaxel_store::Fault::new(FaultKind::Io, "planted");
    store.fail_next_commit(WriteError::Unknown { source: fault });
    drop(held);
    for claim in lost {
        assert!(claim.wait().expect_err("it was lost").is_outcome_unknown());
    }
    assert_eq!(
        store.claim(&"a".into()).wait().expect("it goes on").fence.0,
        1
    );
    assert_eq!(store.load(&"a".into()).wait().expect("it reads"), None);
}
