//! What actors cost that recover on demand, beside traffic, and are put to sleep.
//!
//! `cargo run --release -p vaxel-persistence --example asleep -- [actors]`
//!
//! Prints how fast they recover, how long commands of a busy actor take meanwhile, and how many
//! bytes of heap each costs awake and asleep. The heap is counted exactly, which slows it down.

#![allow(clippy::print_stdout)]

use std::alloc::System as Heap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vaxel_actor::{Program, millis, secs};
use vaxel_persistence::{Command, Entities, Entity, EventSourced, Execute, Persistence, Postcard};
use vaxel_store::Sqlite;

#[global_allocator]
static HEAP: &StatsAlloc<Heap> = &INSTRUMENTED_SYSTEM;

/// Callers that wake actors.
const CALLERS: usize = 64;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Serialize, Deserialize)]
struct Counter(u64);

#[derive(Serialize, Deserialize)]
struct Added;

impl EventSourced for Counter {
    const KIND: &'static str = "counter";
    type Event = Added;
    type Format = Postcard;

    fn new(_: &str) -> Self {
        Counter(0)
    }

    fn apply(&mut self, _: &Added) {
        self.0 += 1;
    }
}

struct Add;

impl Command for Add {
    type Reply = u64;
}

impl Execute<Add> for Counter {
    async fn execute(_: Add, counter: &mut Entity<'_, Self>) -> u64 {
        counter.persist(Added);
        counter.0
    }
}

fn heap_bytes() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Has every actor count once.
async fn wake_all(counters: &Entities<Counter>, actors: usize, expected: u64) -> Outcome<()> {
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let counters = counters.clone();
            tokio::spawn(async move {
                for key in (caller..actors).step_by(CALLERS) {
                    let number = counters.execute(&key.to_string(), Add).await?;
                    assert_eq!(number, expected);
                }
                Ok(())
            })
        })
        .collect();
    for caller in callers {
        let woken: Outcome<()> = caller.await?;
        woken?;
    }
    Ok(())
}

async fn asleep(counters: &Entities<Counter>) {
    while counters.awake() > 0 {
        tokio::time::sleep(millis(50)).await;
    }
}

/// One command after the other to an actor that is awake, and how long each takes.
async fn traffic(counters: Entities<Counter>, is_over: Arc<AtomicBool>) -> Outcome<Vec<Duration>> {
    let mut took = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let sent = Instant::now();
        counters.execute("busy", Add).await?;
        took.push(sent.elapsed());
    }
    Ok(took)
}

fn main() -> Outcome<()> {
    let actors = std::env::args().nth(1);
    let actors: usize = actors.map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let persistence = Persistence::new(Sqlite::open(folder.path().join("data.db"))?);
    Program::new().run(async {
        // Everything is once as large as it will be: caches, tables, queues.
        let counters = Entities::<Counter>::new(&persistence).idle_after(secs(1));
        wake_all(&counters, actors, 1).await?;
        asleep(&counters).await;
        drop(counters);
        tokio::time::sleep(secs(1)).await;
        let before = heap_bytes();

        let counters = Entities::<Counter>::new(&persistence).idle_after(secs(20));
        let is_over = Arc::new(AtomicBool::new(false));
        let busy = tokio::spawn(traffic(counters.clone(), is_over.clone()));
        let begun = Instant::now();
        wake_all(&counters, actors, 2).await?;
        let took = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let mut commands = busy.await??;
        commands.sort_unstable();
        let at =
            |percent: usize| commands[(commands.len() * percent / 100).min(commands.len() - 1)];
        let awake = heap_bytes().saturating_sub(before);
        println!(
            "{actors} actors recovered and stored an event in {:.1} s",
            took.as_secs_f64()
        );
        println!(
            "{} commands beside it: p50 {:?}, p99 {:?}",
            commands.len(),
            at(50),
            at(99)
        );
        println!(
            "awake: {} of {actors}, {} bytes each",
            counters.awake(),
            awake / actors
        );
        asleep(&counters).await;
        tokio::time::sleep(secs(1)).await;
        let left = heap_bytes().saturating_sub(before);
        println!("asleep: {} bytes each", left / actors);
        Ok(())
    })
}
