//! What a durable event costs: many writers, each acknowledged after the sync, against a raw
//! append to a file with fdatasync in the same run.
//!
//! `cargo run --release -p vaxel-store --features postgres --example commits -- [writers] [seconds]
//! [directory] [appenders]`
//!
//! Prints a line for each: events a second, p50 and p99 of an acknowledgement, and the ratio.
//! Rounds alternate, so that all meet the same disk. With the feature `postgres` a PostgreSQL
//! server of the run's own is among them, as `initdb` leaves it but for `max_wal_size`, which would
//! make it checkpoint every few seconds; its data are in the same directory, which must let other
//! users in. Without a server on the machine that line says NOT RUN.

#![allow(clippy::print_stdout)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use vaxel_store::{Append, Journal, NewEvent, Sqlite};

const EVENT_BYTES: usize = 200;
const ROUNDS: u32 = 5;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Latencies of one round.
struct Round {
    latencies: Vec<Duration>,
    took: Duration,
}

impl Round {
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    fn percentile(&mut self, percent: usize) -> f64 {
        self.latencies.sort_unstable();
        let at = self.latencies.len() * percent / 100;
        self.latencies[at.min(self.latencies.len() - 1)].as_secs_f64() * 1e3
    }
}

/// Runs `writers` threads, each of which writes again once it has been acknowledged.
fn round<W: FnMut() + Send>(writers: Vec<W>, for_: Duration) -> (Round, Vec<W>) {
    let begun = Instant::now();
    let (latencies, writers) = std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .into_iter()
            .map(|mut write| {
                scope.spawn(move || {
                    let mut latencies = Vec::new();
                    while begun.elapsed() < for_ {
                        let sent = Instant::now();
                        write();
                        latencies.push(sent.elapsed());
                    }
                    (latencies, write)
                })
            })
            .collect();
        let done = threads
            .into_iter()
            .map(|thread| thread.join().expect("it only writes"));
        done.unzip::<_, _, Vec<_>, Vec<_>>()
    });
    let round = Round {
        latencies: latencies.concat(),
        took: begun.elapsed(),
    };
    (round, writers)
}

type Waiting = (Vec<u8>, SyncSender<()>);

/// The least that group commit can be: one thread that appends what is queued and syncs.
fn raw_thread(mut file: File, waiting: &Receiver<Waiting>) -> std::io::Result<()> {
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    while let Ok(first) = waiting.recv() {
        for (event, done) in std::iter::once(first).chain(waiting.try_iter()) {
            bytes.extend_from_slice(&event);
            told.push(done);
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        bytes.clear();
        told.drain(..).for_each(|done| _ = done.send(()));
    }
    Ok(())
}

fn raw_writers(directory: &Path, writers: usize) -> std::io::Result<Vec<impl FnMut() + Send>> {
    let path = directory.join("raw.log");
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let (queue, waiting) = sync_channel(writers);
    std::thread::spawn(move || raw_thread(file, &waiting));
    let writer = |_| {
        let queue = queue.clone();
        let (done, is_done) = sync_channel(1);
        move || {
            let event = (vec![7; EVENT_BYTES], done.clone());
            queue.send(event).expect("the thread waits");
            is_done.recv().expect("it is written");
        }
    };
    Ok((0..writers).map(writer).collect())
}

fn store_writers<S: Journal>(
    store: &S,
    writers: usize,
) -> Result<Vec<impl FnMut() + Send>, Box<dyn std::error::Error>> {
    let writer = |number| {
        let entity = format!("writer/{number}").into();
        let owner = store.claim(&entity).wait()?;
        let mut expected = owner.sequence;
        Ok(move || {
            let append = Append {
                entity: entity.clone(),
                fence: owner.fence,
                expected,
                events: vec![NewEvent::new(1, vec![7; EVENT_BYTES])],
            };
            let appended = store.append(append).wait().expect("nobody else writes");
            expected = appended.sequence;
        })
    };
    (0..writers).map(writer).collect()
}

fn report(name: &str, rounds: &mut [Round]) -> f64 {
    rounds.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let median = &mut rounds[ROUNDS as usize / 2];
    let (rate, p50, p99) = (median.rate(), median.percentile(50), median.percentile(99));
    println!("{name:<28} {rate:>9.0} events/s   p50 {p50:>7.2} ms   p99 {p99:>7.2} ms");
    rate
}

/// Rounds of one kind of writers, and what they yielded.
struct Contestant<W> {
    name: &'static str,
    writers: Vec<W>,
    rounds: Vec<Round>,
}

impl<W: FnMut() + Send> Contestant<W> {
    fn new(name: &'static str, writers: Vec<W>) -> Self {
        Contestant {
            name,
            writers,
            rounds: Vec::new(),
        }
    }

    fn run(&mut self, for_: Duration) {
        let (done, writers) = round(std::mem::take(&mut self.writers), for_);
        self.writers = writers;
        self.rounds.push(done);
    }

    fn report(&mut self) -> f64 {
        report(self.name, &mut self.rounds)
    }
}

#[cfg(feature = "postgres")]
type Served = (vaxel_store::Postgres, vaxel_test_postgres::Server);

/// A server of this run's own, and a store on it.
#[cfg(feature = "postgres")]
fn postgres(
    parent: Option<&str>,
    appenders: usize,
) -> Result<Option<Served>, Box<dyn std::error::Error>> {
    use vaxel_test_postgres::{Absent, Server, Settings};
    let settings = Settings {
        parameters: vec![("max_wal_size".to_owned(), "8GB".to_owned())],
        parent: parent.map(Into::into),
        ..Settings::default()
    };
    match Server::start(&settings) {
        Ok(server) => {
            let config = vaxel_store::PostgresConfig::default().appenders(appenders);
            let store = vaxel_store::Postgres::open_with(&server.url("postgres"), config)?;
            Ok(Some((store, server)))
        }
        Err(Absent(why)) => {
            println!("PostgreSQL: NOT RUN: {why}");
            Ok(None)
        }
    }
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: Option<&str>, _: usize) -> Result<Option<(Sqlite, ())>, Box<dyn std::error::Error>> {
    println!("PostgreSQL: NOT RUN: built without the feature `postgres`");
    Ok(None)
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let writers: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(15.0), |text| text.parse())?;
    let parent = arguments.next();
    let appenders: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let directory = match &parent {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let for_ = Duration::from_secs_f64(seconds / 3.0) / ROUNDS;

    let store = Sqlite::open(directory.path().join("data.db"))?;
    let shared = postgres(parent.as_deref(), appenders)?;
    let raw = raw_writers(directory.path(), writers)?;
    let mut raw = Contestant::new("raw append and fdatasync", raw);
    let sqlite = store_writers(&store, writers)?;
    let mut sqlite = Contestant::new("SQLite, fence included", sqlite);
    let postgres = shared
        .as_ref()
        .map(|(store, _)| store_writers(store, writers));
    let mut postgres = postgres
        .transpose()?
        .map(|writers| Contestant::new("PostgreSQL, fence included", writers));
    for _ in 0..ROUNDS {
        raw.run(for_);
        sqlite.run(for_);
        if let Some(postgres) = &mut postgres {
            postgres.run(for_);
        }
    }
    println!("{writers} writers, {EVENT_BYTES} bytes an event, median of {ROUNDS} rounds");
    let limit = raw.report();
    println!("1 : {:.2}", limit / sqlite.report());
    if let Some(mut postgres) = postgres {
        println!("1 : {:.2}", limit / postgres.report());
    }
    Ok(())
}
