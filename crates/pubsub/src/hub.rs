//! The hub: who gets a broadcast.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashMap;
use vaxel_runtime::{Recipient, SendError};

use crate::history::{Histories, History, lock};
use crate::{Broadcast, Missed, Offset, TopicMatch, Window};

/// A connection plane that takes broadcasts to its sockets.
pub trait Lane: Send + Sync + 'static {
    /// Passes `broadcast` on. Called on the sender's thread, so it must not wait.
    fn deliver(&self, broadcast: &Broadcast);
}

/// Publishes to topics and keeps the list of who listens. Cloning copies a pointer.
#[derive(Clone, Default)]
pub struct PubSub {
    hub: Arc<Hub>,
}

#[derive(Default)]
struct Hub {
    lanes: RwLock<Vec<Arc<dyn Lane>>>,
    actors: RwLock<Actors>,
    histories: OnceLock<Histories>,
    broadcasts: AtomicU64,
    delivered: AtomicU64,
    missed: AtomicU64,
    resumes: AtomicU64,
    gaps: AtomicU64,
}

#[derive(Default)]
struct Actors {
    topics: HashMap<Arc<str>, Vec<Listener>>,
    next_id: u64,
}

struct Listener {
    id: u64,
    recipient: Recipient<Broadcast>,
    /// What happens when its mailbox is full.
    is_killed: bool,
}

/// What a hub has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Broadcasts sent.
    pub broadcasts: u64,
    /// Broadcasts put into the mailboxes of actors.
    pub broadcasts_delivered: u64,
    /// Broadcasts an actor did not get because its mailbox was full.
    pub broadcasts_missed: u64,
    /// Broadcasts that are kept no longer, because there were too many, too large or too old.
    pub broadcasts_forgotten: u64,
    /// Topics that keep a history now.
    pub histories_open: u64,
    /// Times a topic was to keep a history and there were too many that do.
    pub histories_refused: u64,
    /// Times somebody came back and got what it had missed.
    pub resumes: u64,
    /// Times somebody came back and was told of a gap.
    pub resume_gaps: u64,
}

impl PubSub {
    /// A hub without lanes and subscribers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection plane. It gets every broadcast from now on, on any topic.
    pub fn add_lane(&self, lane: Arc<dyn Lane>) {
        write(&self.hub.lanes).push(lane);
    }

    /// Sends every broadcast on `topic` to `recipient`, until the subscription is dropped. One that
    /// comes while its mailbox is full is missed (`broadcasts_missed`).
    pub fn subscribe(&self, topic: &str, recipient: Recipient<Broadcast>) -> Subscription {
        self.listen(topic, recipient, false)
    }

    /// The same for an actor that must not go on when it has missed one: it is killed.
    pub fn subscribe_or_kill(&self, topic: &str, recipient: Recipient<Broadcast>) -> Subscription {
        self.listen(topic, recipient, true)
    }

    fn listen(
        &self,
        topic: &str,
        recipient: Recipient<Broadcast>,
        is_killed: bool,
    ) -> Subscription {
        let mut actors = write(&self.hub.actors);
        let id = actors.next_id;
        actors.next_id += 1;
        let listeners = match actors.topics.get_mut(topic) {
            Some(listeners) => listeners,
            None => actors.topics.entry(Arc::from(topic)).or_default(),
        };
        listeners.push(Listener {
            id,
            recipient,
            is_killed,
        });
        Subscription {
            hub: self.hub.clone(),
            topic: topic.into(),
            id,
        }
    }

    /// Hands `broadcast` to everybody who listens to its topic. Never waits for a receiver;
    /// where the topic keeps a history, senders on it take turns.
    pub fn send(&self, broadcast: &Broadcast) {
        self.hub.broadcasts.fetch_add(1, Ordering::Relaxed);
        let has_ended = match self.hub.history(broadcast) {
            None => self.hub.deliver(broadcast),
            Some(history) => {
                let mut history = lock(&history);
                let numbered = history.append(broadcast);
                self.hub.deliver(&numbered)
            }
        };
        // Not under the lock: what is forgotten may be the last of an actor that broadcasts when
        // it is dropped.
        if has_ended {
            self.hub.forget_ended(broadcast.topic());
        }
    }

    /// Lets topics keep a history: the first pattern that matches says how much. Only the first
    /// call has an effect.
    pub fn keep_histories(&self, windows: Vec<(TopicMatch, Window)>) {
        if !windows.is_empty() {
            // The first call wins, as documented.
            _ = self.hub.histories.set(Histories::new(windows));
        }
    }

    /// Finds what was broadcast on `topic` after `from`, and calls `hand_over` with the offset of
    /// the last broadcast and that. Broadcasts of the topic wait meanwhile, so whoever subscribes
    /// in `hand_over` gets every one either from there or from the subscription.
    ///
    /// Without `from` nothing has been missed. Without a history the offset is none, and whatever
    /// was missed is a gap.
    pub fn resume<R>(
        &self,
        topic: &Arc<str>,
        from: Option<Offset>,
        hand_over: impl FnOnce(Option<Offset>, Missed) -> R,
    ) -> R {
        let histories = self.hub.histories.get();
        let history = histories.and_then(|histories| histories.of(topic));
        let mut history = history.as_ref().map(|history| lock(history));
        let missed = match (from, &mut history) {
            (None, _) => Missed::Some(Vec::new()),
            (Some(_), None) => Missed::Gap,
            (Some(from), Some(history)) => history.since(from),
        };
        if from.is_some() {
            let figure = match missed {
                Missed::Some(_) => &self.hub.resumes,
                Missed::Gap => &self.hub.gaps,
            };
            figure.fetch_add(1, Ordering::Relaxed);
        }
        let now = history.as_ref().map(|history| history.offset());
        let handed_over = hand_over(now, missed);
        // Held until here, so that nothing newer comes in between.
        drop(history);
        handed_over
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        let histories = self.hub.histories.get();
        Counters {
            broadcasts: self.hub.broadcasts.load(Ordering::Relaxed),
            broadcasts_delivered: self.hub.delivered.load(Ordering::Relaxed),
            broadcasts_missed: self.hub.missed.load(Ordering::Relaxed),
            broadcasts_forgotten: histories.map_or(0, Histories::forgotten),
            histories_open: histories.map_or(0, Histories::open),
            histories_refused: histories.map_or(0, Histories::refused),
            resumes: self.hub.resumes.load(Ordering::Relaxed),
            resume_gaps: self.hub.gaps.load(Ordering::Relaxed),
        }
    }
}

impl Hub {
    /// The history that a broadcast belongs to.
    fn history(&self, broadcast: &Broadcast) -> Option<Arc<Mutex<History>>> {
        let histories = self.histories.get()?;
        match broadcast.is_transient() {
            true => None,
            false => histories.of(broadcast.topic_shared()),
        }
    }

    /// Returns whether a listener turned out to have ended.
    fn deliver(&self, broadcast: &Broadcast) -> bool {
        for lane in read(&self.lanes).iter() {
            lane.deliver(broadcast);
        }
        self.send_to_actors(broadcast)
    }

    /// Returns whether a listener turned out to have ended.
    fn send_to_actors(&self, broadcast: &Broadcast) -> bool {
        let actors = read(&self.actors);
        let Some(listeners) = actors.topics.get(broadcast.topic()) else {
            return false;
        };
        let mut ended = false;
        for listener in listeners {
            match listener.recipient.cast(broadcast.clone()) {
                Ok(()) => _ = self.delivered.fetch_add(1, Ordering::Relaxed),
                Err(SendError::Full(_)) => {
                    self.missed.fetch_add(1, Ordering::Relaxed);
                    if listener.is_killed {
                        listener.recipient.erase().kill();
                    }
                }
                Err(_) => ended = true,
            }
        }
        ended
    }

    fn forget_ended(&self, topic: &str) {
        let ended = write(&self.actors).remove(topic, |listener| !listener.recipient.is_alive());
        drop(ended);
    }
}

impl Actors {
    /// Takes listeners out. They are dropped by the caller once the lock is released: a listener
    /// may be the last reference to an actor whose state holds a subscription itself.
    fn remove(&mut self, topic: &str, gone: impl Fn(&Listener) -> bool) -> Vec<Listener> {
        let Some(listeners) = self.topics.get_mut(topic) else {
            return Vec::new();
        };
        let removed = listeners
            .extract_if(.., |listener| gone(listener))
            .collect();
        if listeners.is_empty() {
            self.topics.remove(topic);
        }
        removed
    }
}

/// A place among the listeners of a topic; dropping it ends the subscription.
///
/// Broadcasts that are in the mailbox already still arrive.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    hub: Arc<Hub>,
    topic: Box<str>,
    id: u64,
}

impl Subscription {
    /// The topic listened to.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let own = write(&self.hub.actors).remove(&self.topic, |listener| listener.id == self.id);
        drop(own);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.topic).finish()
    }
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// No code of users runs under these locks, so they are never poisoned by them.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
