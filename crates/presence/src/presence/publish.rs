//! The task that publishes what has changed.

use std::sync::Arc;

use hashbrown::HashSet;
use vaxel_pubsub::Broadcast;
use vaxel_runtime::time;

use super::shard::Batch;
use super::{Presence, count, json};
use crate::config::{Fetch, Fetched};

/// Publishes the changes of all topics that share a lock with `topic`, until there are none.
pub(super) async fn run(presence: Presence, topic: Arc<str>) {
    loop {
        let batches = presence.shared.shard(&topic).take();
        if batches.is_empty() {
            return;
        }
        for batch in batches {
            publish(&presence, batch).await;
        }
    }
}

/// States first. A state contains what the diff is about to tell: merging that again changes
/// nothing.
async fn publish(presence: &Presence, batch: Batch) {
    let shared = &presence.shared;
    let fetched = fetch(presence, &batch).await;
    let fetched = fetched.as_ref();
    if !batch.sinks.is_empty() {
        let state = json::raw(json::state(&batch.entries, shared.node, fetched));
        for sink in &batch.sinks {
            count(&shared.counters.states);
            sink.presence_state(state.clone());
        }
    }
    if !batch.joins.is_empty() || !batch.leaves.is_empty() {
        count(&shared.counters.diffs);
        let diff = json::diff(&batch.joins, &batch.leaves, shared.node, fetched);
        let diff = json::raw(diff);
        // Whoever comes back is sent the state.
        let broadcast = Broadcast::raw(batch.topic, "presence_diff", diff).transient();
        shared.pubsub.send(&broadcast);
    }
}

/// What the hook adds, if there is one and it answers.
async fn fetch(presence: &Presence, batch: &Batch) -> Option<Fetched> {
    let config = &presence.shared.config;
    let hook = config.fetch.as_ref()?.clone();
    let changed = batch.joins.iter().chain(&batch.leaves).map(|(key, _)| key);
    let all = batch.entries.iter().map(|(key, _)| key);
    let keys: HashSet<Arc<str>> = changed.chain(all).cloned().collect();
    let fetch = Fetch {
        topic: batch.topic.clone(),
        keys: keys.into_iter().collect(),
    };
    // In a cell of its own, so that a panic ends the hook and nothing else.
    let system = &presence.shared.system;
    let answer = system.spawn_future(async move { hook(fetch).await });
    match time::timeout(config.fetch_timeout, answer).await {
        Ok(Ok(fetched)) => Some(fetched),
        Ok(Err(_)) | Err(_) => {
            count(&presence.shared.counters.fetch_failures);
            None
        }
    }
}
