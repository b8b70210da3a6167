//! What a recovery costs: the events of one actor, replayed, against the engine's own scan of the
//! same rows.
//!
//! `cargo run --release -p vaxel-persistence --example replay -- [events] [rounds]`
//!
//! Both read the same file, in turns. The scan is one SQL statement on a connection of its own
//! that looks at each payload and does nothing else; the recovery claims the entity, reads and
//! decodes each event, applies it, and answers a command.

#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vaxel_actor::Program;
use vaxel_persistence::{Command, Entities, Entity, EventSourced, Execute, Persistence, Postcard};
use vaxel_store::{Append, EntityId, Journal, NewEvent, Sqlite};

const EVENT_BYTES: usize = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How much has happened.
#[derive(Serialize, Deserialize)]
struct Sum {
    events: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Happened {
    number: u64,
    note: String,
}

impl EventSourced for Sum {
    const KIND: &'static str = "sum";
    type Event = Happened;
    type Format = Postcard;

    fn new(_: &str) -> Self {
        Sum {
            events: 0,
            bytes: 0,
        }
    }

    fn apply(&mut self, event: &Happened) {
        self.events += 1;
        self.bytes += event.note.len() as u64;
    }
}

/// How many events there were.
struct Count;

impl Command for Count {
    type Reply = u64;
}

impl Execute<Count> for Sum {
    async fn execute(_: Count, sum: &mut Entity<'_, Self>) -> u64 {
        sum.events
    }
}

fn write(store: &Sqlite, events: u64) -> Outcome<()> {
    let entity = EntityId::new("sum/all");
    let owner = store.claim(&entity).wait()?;
    let mut expected = 0;
    while expected < events {
        let number = expected + 1..=events.min(expected + Append::EVENTS_MAX as u64);
        let encode = |number| {
            let note = "x".repeat(EVENT_BYTES - 8);
            postcard::to_allocvec(&Happened { number, note }).map(|bytes| NewEvent::new(1, bytes))
        };
        let append = Append {
            entity: entity.clone(),
            fence: owner.fence,
            expected,
            events: number.map(encode).collect::<Result<_, _>>()?,
        };
        expected = store.append(append).wait()?.sequence;
    }
    Ok(())
}

fn scan(path: &Path, events: u64) -> Outcome<Duration> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    let begun = Instant::now();
    let mut statement = connection.prepare(
        "SELECT sequence, version, payload FROM event
         WHERE entity = (SELECT id FROM entity WHERE name = 'sum/all') ORDER BY sequence",
    )?;
    let mut rows = statement.query(())?;
    let (mut found, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        found += 1;
        bytes += row.get_ref(2)?.as_blob()?.len();
    }
    assert!(found == events && bytes > EVENT_BYTES);
    Ok(begun.elapsed())
}

fn replay(path: &Path, events: u64) -> Outcome<Duration> {
    let persistence = Persistence::new(Sqlite::open(path)?);
    Program::new().run(async {
        let sums = Entities::<Sum>::new(&persistence);
        let begun = Instant::now();
        let limit = Duration::from_secs(600);
        let found = sums.execute_within(limit, "all", Count).await?;
        assert_eq!(found, events);
        Ok(begun.elapsed())
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data.db");
    write(&Sqlite::open(&path)?, events)?;
    let (mut scans, mut replays) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        scans.push(scan(&path, events)?);
        replays.push(replay(&path, events)?);
    }
    let (scan, replay) = (median(scans), median(replays));
    println!("{events} events of {EVENT_BYTES} bytes, median of {rounds} rounds");
    println!("scan by SQLite   {:>8.3} s", scan.as_secs_f64());
    println!("replay           {:>8.3} s", replay.as_secs_f64());
    println!("1 : {:.2}", replay.as_secs_f64() / scan.as_secs_f64());
    Ok(())
}
