//! The entries of some topics, and what has changed since the last diff.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::StateSink;

/// One entry. Its JSON is shared with the diffs and states that carry it.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    /// The change that made it, from which its ref is made.
    pub(super) change: u64,
    /// The change that made the one it replaces; 0 for none.
    pub(super) previous: u64,
    json: Arc<str>,
}

impl Meta {
    pub(super) fn new(change: u64, json: Arc<str>) -> Self {
        Self {
            change,
            previous: 0,
            json,
        }
    }

    pub(super) fn json(&self) -> &str {
        &self.json
    }
}

/// The entries of one key, oldest first.
pub(super) type Metas = SmallVec<[Meta; 1]>;

/// The topics that share a lock.
#[derive(Default)]
pub(super) struct Shard {
    topics: HashMap<Arc<str>, Topic>,
    /// Topics with something to publish, each once.
    dirty: Vec<Arc<str>>,
    is_scheduled: bool,
}

#[derive(Default)]
struct Topic {
    keys: HashMap<Arc<str>, Metas>,
    pending: Option<Box<Pending>>,
}

/// What is to be published about a topic.
#[derive(Default)]
struct Pending {
    /// By change, so that one which goes again before it was published is found.
    joins: BTreeMap<u64, (Arc<str>, Meta)>,
    leaves: Vec<(Arc<str>, Meta)>,
    sinks: Vec<Arc<dyn StateSink>>,
}

/// What one task publishes about a topic.
pub(super) struct Batch {
    pub(super) topic: Arc<str>,
    pub(super) joins: Vec<(Arc<str>, Meta)>,
    pub(super) leaves: Vec<(Arc<str>, Meta)>,
    pub(super) sinks: Vec<Arc<dyn StateSink>>,
    /// All entries, where there are sinks.
    pub(super) entries: Vec<(Arc<str>, Metas)>,
}

impl Shard {
    /// Adds an entry; the names as they are kept.
    pub(super) fn join(&mut self, topic: &str, key: &str, meta: Meta) -> (Arc<str>, Arc<str>) {
        let name = self.name(topic);
        let state = self.state(&name);
        let key = match state.keys.get_key_value(key) {
            Some((key, _)) => key.clone(),
            None => Arc::from(key),
        };
        let metas = state.keys.entry(key.clone()).or_default();
        metas.push(meta.clone());
        let pending = state.pending.as_mut().expect("just made");
        pending.joins.insert(meta.change, (key.clone(), meta));
        (name, key)
    }

    /// Takes an entry out.
    pub(super) fn leave(&mut self, topic: &Arc<str>, key: &Arc<str>, change: u64) {
        let state = self.state(topic);
        let Some(meta) = state.take(key, change) else {
            return;
        };
        let pending = state.pending.as_mut().expect("just made");
        if pending.joins.remove(&change).is_none() {
            pending.leaves.push((key.clone(), meta));
        }
    }

    /// Replaces an entry by one that remembers it.
    pub(super) fn update(&mut self, topic: &Arc<str>, key: &Arc<str>, change: u64, meta: Meta) {
        self.leave(topic, key, change);
        let meta = Meta {
            previous: change,
            ..meta
        };
        self.join(topic, key, meta);
    }

    /// Remembers that somebody wants the state.
    pub(super) fn ask(&mut self, topic: Arc<str>, sink: Arc<dyn StateSink>) {
        let state = self.state(&topic);
        let pending = state.pending.as_mut().expect("just made");
        pending.sinks.push(sink);
    }

    /// The name of a topic as it is kept, so that equal topics share one allocation.
    pub(super) fn name(&self, topic: &str) -> Arc<str> {
        let known = self.topics.get_key_value(topic);
        known.map_or_else(|| Arc::from(topic), |(name, _)| name.clone())
    }

    pub(super) fn entries(&self, topic: &str) -> Vec<(Arc<str>, Metas)> {
        self.topics
            .get(topic)
            .map(Topic::entries)
            .unwrap_or_default()
    }

    /// Whether a task has to be started.
    pub(super) fn schedule(&mut self) -> bool {
        !self.dirty.is_empty() && !std::mem::replace(&mut self.is_scheduled, true)
    }

    /// What there is to publish. Nothing means that the task that asks ends.
    pub(super) fn take(&mut self) -> Vec<Batch> {
        let dirty = std::mem::take(&mut self.dirty);
        self.is_scheduled = !dirty.is_empty();
        let batches = dirty.into_iter().filter_map(|topic| self.batch(topic));
        batches.collect()
    }

    fn batch(&mut self, topic: Arc<str>) -> Option<Batch> {
        let state = self.topics.get_mut(&topic)?;
        let pending = *state.pending.take()?;
        let entries = match pending.sinks.is_empty() {
            true => Vec::new(),
            false => state.entries(),
        };
        if state.keys.is_empty() {
            self.topics.remove(&topic);
        }
        Some(Batch {
            topic,
            joins: pending.joins.into_values().collect(),
            leaves: pending.leaves,
            sinks: pending.sinks,
            entries,
        })
    }

    /// A topic that is about to change, so there is something pending.
    fn state(&mut self, topic: &Arc<str>) -> &mut Topic {
        let state = self.topics.entry(topic.clone()).or_default();
        if state.pending.is_none() {
            state.pending = Some(Box::default());
            self.dirty.push(topic.clone());
        }
        state
    }
}

impl Topic {
    fn take(&mut self, key: &Arc<str>, change: u64) -> Option<Meta> {
        let metas = self.keys.get_mut(key)?;
        let position = metas.iter().position(|meta| meta.change == change)?;
        let meta = metas.remove(position);
        if metas.is_empty() {
            self.keys.remove(key);
            if self.keys.capacity() > 64.max(4 * self.keys.len()) {
                self.keys.shrink_to(2 * self.keys.len());
            }
        }
        Some(meta)
    }

    fn entries(&self) -> Vec<(Arc<str>, Metas)> {
        let entries = self.keys.iter();
        entries
            .map(|(key, metas)| (key.clone(), metas.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(change: u64) -> Meta {
        Meta::new(change, "{}".into())
    }

    fn changes(list: &[(Arc<str>, Meta)]) -> Vec<(&str, u64, u64)> {
        list.iter()
            .map(|(key, meta)| (&**key, meta.change, meta.previous))
            .collect()
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Meta>(), 32);
    }

    #[test]
    fn what_came_and_went_within_a_batch_is_in_no_diff() {
        let mut shard = Shard::default();
        let (topic, key) = shard.join("t", "a", meta(1));
        shard.join("t", "b", meta(2));
        shard.leave(&topic, &key, 1);
        let [batch] = &shard.take()[..] else {
            panic!("one topic has changed");
        };
        assert_eq!(changes(&batch.joins), [("b", 2, 0)]);
        assert_eq!(changes(&batch.leaves), []);
    }

    #[test]
    fn an_update_joins_and_leaves_and_remembers() {
        let mut shard = Shard::default();
        let (topic, key) = shard.join("t", "a", meta(1));
        shard.take();
        shard.update(&topic, &key, 1, meta(2));
        shard.update(&topic, &key, 2, meta(3));
        let batch = &shard.take()[0];
        assert_eq!(changes(&batch.joins), [("a", 3, 2)]);
        assert_eq!(changes(&batch.leaves), [("a", 1, 0)]);
        assert_eq!(shard.entries("t")[0].1[0].change, 3);
    }

    #[test]
    fn leaving_twice_is_leaving_once_and_an_empty_topic_is_forgotten() {
        let mut shard = Shard::default();
        let (topic, key) = shard.join("t", "a", meta(1));
        assert!(shard.schedule() && !shard.schedule(), "one task is enough");
        shard.take();
        shard.leave(&topic, &key, 1);
        shard.leave(&topic, &key, 1);
        assert_eq!(changes(&shard.take()[0].leaves), [("a", 1, 0)]);
        assert!(shard.take().is_empty() && shard.topics.is_empty());
        assert!(!shard.schedule(), "nothing to publish");
    }
}
