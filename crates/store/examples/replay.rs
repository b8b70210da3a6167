//! What the replay of one entity costs: a million events read through the store, page by page,
//! against the engine's own scan of the same rows in the same run.
//!
//! `cargo run --release -p vaxel-store --features postgres --example replay -- [events]
//! [directory]`
//!
//! Prints for each engine the medians of both and their ratio. Rounds alternate. Without the
//! feature, or without a PostgreSQL server on the machine, its line says NOT RUN.

#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use vaxel_store::{Append, EntityId, Journal, NewEvent, Sqlite};

const EVENT_BYTES: usize = 200;
const ROUNDS: usize = 5;

/// Events in one answer of the store, as a recovering actor asks for them.
const PAGE: usize = 1_000;

type Failure = Box<dyn std::error::Error>;

fn fill<S: Journal>(store: &S, entity: &EntityId, events: usize) -> Result<(), Failure> {
    let owner = store.claim(entity).wait()?;
    let mut expected = owner.sequence;
    while (expected as usize) < events {
        let some = (events - expected as usize).min(Append::EVENTS_MAX);
        let append = Append {
            entity: entity.clone(),
            fence: owner.fence,
            expected,
            events: vec![NewEvent::new(1, vec![7; EVENT_BYTES]); some],
        };
        expected = store.append(append).wait()?.sequence;
    }
    Ok(())
}

/// Reads all, the next page on its way while one is looked at. Answers how much payload there was.
fn replay<S: Journal>(store: &S, entity: &EntityId) -> Result<usize, Failure> {
    let (mut bytes, mut page) = (0, store.read(entity, 0, PAGE));
    loop {
        let events = page.wait()?;
        let Some(last) = events.last() else {
            return Ok(bytes);
        };
        page = store.read(entity, last.sequence, PAGE);
        bytes += events
            .iter()
            .map(|event| event.payload.len())
            .sum::<usize>();
    }
}

fn scan_sqlite(path: &Path) -> Result<usize, Failure> {
    let connection = rusqlite::Connection::open(path)?;
    let sql = "SELECT sequence, position, version, at, payload FROM event
        WHERE entity = 1 ORDER BY sequence";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(())?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        bytes += row.get::<_, Vec<u8>>(4)?.len();
    }
    Ok(bytes)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Measures both, in turns.
fn compare(
    name: &str,
    bytes: usize,
    scan: impl Fn() -> Result<usize, Failure>,
    replay: impl Fn() -> Result<usize, Failure>,
) -> Result<(), Failure> {
    let (mut scans, mut replays) = (Vec::new(), Vec::new());
    let timed = |what: &dyn Fn() -> Result<usize, Failure>, times: &mut Vec<Duration>| {
        let begun = Instant::now();
        assert_eq!(what()?, bytes, "{name}: not all was read");
        times.push(begun.elapsed());
        Ok::<_, Failure>(())
    };
    for _ in 0..ROUNDS {
        timed(&scan, &mut scans)?;
        timed(&replay, &mut replays)?;
    }
    let (scan, replay) = (median(&mut scans), median(&mut replays));
    let ratio = replay / scan;
    println!("{name:<12} scan {scan:>6.3} s   replay {replay:>6.3} s   {ratio:.2} x");
    Ok(())
}

#[cfg(feature = "postgres")]
fn postgres(entity: &EntityId, events: usize, parent: Option<&str>) -> Result<(), Failure> {
    use vaxel_test_postgres::{Absent, Server, Settings};
    let settings = Settings {
        parent: parent.map(Into::into),
        ..Settings::default()
    };
    let server = match Server::start(&settings) {
        Ok(server) => server,
        Err(Absent(why)) => {
            println!("PostgreSQL   NOT RUN: {why}");
            return Ok(());
        }
    };
    let url = server.url("postgres");
    let store = vaxel_store::Postgres::open(&url)?;
    fill(&store, entity, events)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let scan = || runtime.block_on(scan_postgres(&url));
    let bytes = events * EVENT_BYTES;
    compare("PostgreSQL", bytes, scan, || replay(&store, entity))
}

#[cfg(feature = "postgres")]
async fn scan_postgres(url: &str) -> Result<usize, Failure> {
    use futures_util::TryStreamExt as _;
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let sql = "SELECT sequence, position, version, at, payload FROM vaxel.event
        WHERE entity = 1 ORDER BY sequence";
    let none: [&str; 0] = [];
    let rows = client.query_raw(sql, none).await?;
    let bytes = rows.try_fold(0, |bytes, row| async move {
        Ok(bytes + row.get::<_, Vec<u8>>(4).len())
    });
    Ok(bytes.await?)
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &EntityId, _: usize, _: Option<&str>) -> Result<(), Failure> {
    println!("PostgreSQL   NOT RUN: built without the feature `postgres`");
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let events: usize = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let parent = arguments.next();
    let directory = match &parent {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let path = directory.path().join("data.db");
    let entity = EntityId::new("one");
    let store = Sqlite::open(&path)?;
    fill(&store, &entity, events)?;
    println!("{events} events of {EVENT_BYTES} bytes, of one entity, median of {ROUNDS} rounds");
    let bytes = events * EVENT_BYTES;
    let scan = || scan_sqlite(&path);
    compare("SQLite", bytes, scan, || replay(&store, &entity))?;
    postgres(&entity, events, parent.as_deref())
}
