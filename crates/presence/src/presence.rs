//! What an application does with presence.

mod json;
mod publish;
mod shard;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::DefaultHashBuilder;
use serde::Serialize;
use serde_json::value::RawValue;
use vaxel_pubsub::PubSub;
use vaxel_runtime::System;

use crate::config::PresenceConfig;
use crate::counters::{Counters, PresenceCounters};
use crate::reference::Node;
use shard::{Meta, Shard};

/// Topics are spread over so many locks. Each is held for one change or one copy.
const SHARDS: usize = 16;

/// Who is on which topic. Cloning copies a pointer.
#[derive(Clone)]
pub struct Presence {
    shared: Arc<Shared>,
}

struct Shared {
    system: System,
    pubsub: PubSub,
    config: PresenceConfig,
    shards: [Mutex<Shard>; SHARDS],
    hasher: DefaultHashBuilder,
    node: Node,
    changes: AtomicU64,
    counters: Counters,
}

/// Why an entry is not tracked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// [`PresenceConfig::entries_max`] entries are tracked already.
    #[error("too many entries are tracked; raise PresenceConfig::entries_max")]
    Full,
    /// The key is longer than [`PresenceConfig::key_bytes_max`].
    #[error("a presence key of {0} bytes is too long; raise PresenceConfig::key_bytes_max")]
    Key(usize),
    /// The JSON is longer than [`PresenceConfig::meta_bytes_max`].
    #[error("a presence meta of {0} bytes is too long; raise PresenceConfig::meta_bytes_max")]
    Meta(usize),
    /// The value has no JSON form, or one that is no object.
    #[error("a presence meta must be a struct or map, whose JSON is an object")]
    Shape,
    /// A channel updates what it does not track.
    #[error("this channel tracks nothing under that key; track it first")]
    NotTracked,
}

/// Who gets a `presence_state`. What it is given must not make it wait.
pub trait StateSink: Send + Sync + 'static {
    /// Takes the state, as JSON.
    fn presence_state(&self, state: Box<RawValue>);
}

impl Presence {
    /// A presence that broadcasts by `pubsub` and whose tasks run in `system`.
    pub fn new(system: System, pubsub: PubSub, config: PresenceConfig) -> Self {
        let shared = Shared {
            system,
            pubsub,
            config,
            shards: Default::default(),
            hasher: DefaultHashBuilder::default(),
            node: Node::random(),
            changes: AtomicU64::new(0),
            counters: Counters::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Puts an entry under `key` of `topic`, until what is returned is dropped. `meta` is what
    /// clients see of it, an object. One key may have many entries: a user with two tabs has two.
    ///
    /// # Errors
    /// [`TrackError`] says which bound was reached, or that `meta` is no object.
    pub fn track<T: Serialize + ?Sized>(
        &self,
        topic: &str,
        key: &str,
        meta: &T,
    ) -> Result<Tracked, TrackError> {
        let json = self.checked(key, meta);
        let json = json.and_then(|json| self.take_place().map(|()| json));
        let json = json.inspect_err(|_| count(&self.shared.counters.refused))?;
        let change = self.shared.next_change();
        let mut shard = self.shared.shard(topic);
        let (topic, key) = shard.join(topic, key, Meta::new(change, json));
        self.publish(shard, &topic);
        count(&self.shared.counters.tracked);
        Ok(Tracked {
            presence: self.clone(),
            topic,
            key,
            change,
        })
    }

    /// The entries of a topic, without what the hook adds.
    pub fn list(&self, topic: &str) -> Presences {
        let shard = self.shared.shard(topic);
        Presences::new(shard.entries(topic), self.shared.node)
    }

    /// Gives `sink` the state of a topic as it is now, with what the hook adds.
    pub fn push_state(&self, topic: &str, sink: Arc<dyn StateSink>) {
        let mut shard = self.shared.shard(topic);
        let topic = shard.name(topic);
        shard.ask(topic.clone(), sink);
        self.publish(shard, &topic);
    }

    /// What has been counted so far.
    pub fn counters(&self) -> PresenceCounters {
        self.shared.counters.read()
    }

    /// The entry's JSON, if it may be tracked.
    fn checked<T: Serialize + ?Sized>(&self, key: &str, meta: &T) -> Result<Arc<str>, TrackError> {
        let config = &self.shared.config;
        if key.len() > config.key_bytes_max {
            return Err(TrackError::Key(key.len()));
        }
        let json = serde_json::to_string(meta).map_err(|_| TrackError::Shape)?;
        if !json.starts_with('{') {
            return Err(TrackError::Shape);
        }
        if json.len() > config.meta_bytes_max {
            return Err(TrackError::Meta(json.len()));
        }
        Ok(json.into())
    }

    fn take_place(&self) -> Result<(), TrackError> {
        let entries = &self.shared.counters.entries;
        if entries.fetch_add(1, Ordering::Relaxed) >= self.shared.config.entries_max {
            entries.fetch_sub(1, Ordering::Relaxed);
            return Err(TrackError::Full);
        }
        Ok(())
    }

    /// Lets a task publish what has changed, unless one is about to.
    fn publish(&self, mut shard: MutexGuard<'_, Shard>, topic: &Arc<str>) {
        if shard.schedule() {
            drop(shard);
            // Nobody waits for it; it ends when there is nothing left to publish.
            _ = self
                .shared
                .system
                .spawn_future(publish::run(self.clone(), topic.clone()));
        }
    }
}

impl Shared {
    /// No code of an application runs under the lock, so it is never poisoned by one.
    fn shard(&self, topic: &str) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(topic) as usize % SHARDS;
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers begin at 1; 0 is none.
    fn next_change(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// An entry that is tracked. Dropping it takes the entry out.
#[must_use = "dropping it takes the entry out"]
pub struct Tracked {
    presence: Presence,
    topic: Arc<str>,
    key: Arc<str>,
    change: u64,
}

impl Tracked {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Replaces what clients see of the entry. They are told of the new one and of the end of the
    /// old one in one diff.
    ///
    /// # Errors
    /// As [`Presence::track`]; the entry stays as it was.
    pub fn update<T: Serialize + ?Sized>(&mut self, meta: &T) -> Result<(), TrackError> {
        let shared = &self.presence.shared;
        let json = self.presence.checked(&self.key, meta);
        let json = json.inspect_err(|_| count(&shared.counters.refused))?;
        let change = shared.next_change();
        let mut shard = shared.shard(&self.topic);
        shard.update(&self.topic, &self.key, self.change, Meta::new(change, json));
        self.change = change;
        self.presence.publish(shard, &self.topic);
        count(&shared.counters.tracked);
        Ok(())
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let shared = &self.presence.shared;
        let mut shard = shared.shard(&self.topic);
        shard.leave(&self.topic, &self.key, self.change);
        shared.counters.entries.fetch_sub(1, Ordering::Relaxed);
        self.presence.publish(shard, &self.topic);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked")
            .field("topic", &self.topic)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The entries of a topic at one moment. Serialises to the shape of `presence_state`.
#[derive(Clone)]
pub struct Presences {
    entries: Vec<(Arc<str>, shard::Metas)>,
    node: Node,
}

impl Presences {
    fn new(entries: Vec<(Arc<str>, shard::Metas)>, node: Node) -> Self {
        Self { entries, node }
    }

    /// The keys, each once, in no order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(key, _)| &**key)
    }

    /// What is tracked under a key, oldest first, as JSON without refs.
    pub fn metas<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        let found = self.entries.iter().find(|(known, _)| **known == *key);
        let metas = found.map_or(&[][..], |(_, metas)| &metas[..]);
        metas.iter().map(Meta::json)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// As `presence_state` would be, without what the hook adds.
    pub fn to_json(&self) -> String {
        json::state(&self.entries, self.node, None)
    }
}

impl Serialize for Presences {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::raw(self.to_json()).serialize(serializer)
    }
}

impl fmt::Debug for Presences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}
