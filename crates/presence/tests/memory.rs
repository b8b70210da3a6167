//! What an entry costs, by the bytes that are allocated.

use std::alloc::System as Allocator;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use serde_json::json;
use serde_json::value::RawValue;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vaxel_presence::{Presence, PresenceConfig, StateSink};
use vaxel_pubsub::PubSub;
use vaxel_runtime::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<Allocator> = &INSTRUMENTED_SYSTEM;

const ENTRIES: usize = 10_000;

/// Key, JSON, their places in two tables, and the guard: 226 bytes as the table happens to be
/// filled here.
const ENTRY_BYTES_MAX: usize = 256;

/// What is left when all have gone: the system, the empty tables.
const REST_BYTES_MAX: usize = 64 * 1024;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

struct Sink(SyncSender<usize>);

impl StateSink for Sink {
    fn presence_state(&self, state: Box<RawValue>) {
        // Whoever waits no more needs none.
        _ = self.0.send(state.get().len());
    }
}

/// What is allocated once the task that publishes has put its copies away, or after a while that
/// is long enough for it.
fn rested(before: usize, expected: usize) -> usize {
    let patience = Instant::now() + Duration::from_secs(5);
    while allocated().saturating_sub(before) > expected && Instant::now() < patience {
        std::thread::yield_now();
    }
    allocated().saturating_sub(before)
}

/// Waits until everything so far has been published, and tells the length of the state.
fn settle(presence: &Presence) -> usize {
    let (sender, state) = sync_channel(1);
    presence.push_state("room", Arc::new(Sink(sender)));
    state.recv().expect("the state is pushed")
}

#[test]
fn an_entry_costs_little_and_leaves_nothing_behind() {
    let system = System::builder().workers(1).build();
    let presence = Presence::new(system.clone(), PubSub::new(), PresenceConfig::new());
    drop(presence.track("room", "first", &json!({})));
    assert_eq!(settle(&presence), 2);
    let before = allocated();
    let mut tracked = Vec::with_capacity(ENTRIES);
    let meta = json!({"online_at": 1_700_000_000});
    for n in 0..ENTRIES {
        let key = format!("user:{n:05}");
        tracked.push(presence.track("room", &key, &meta).expect("there is room"));
    }
    assert!(settle(&presence) > ENTRIES * 50);
    let each = rested(before, ENTRIES * ENTRY_BYTES_MAX) / ENTRIES;
    assert!(each <= ENTRY_BYTES_MAX, "an entry costs {each} bytes");
    drop(tracked);
    assert_eq!(settle(&presence), 2);
    let rest = rested(before, REST_BYTES_MAX);
    assert!(rest <= REST_BYTES_MAX, "{rest} bytes are left");
    system.shutdown();
}
