//! Where connections and channels of one server meet.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::Notify;
use vaxel_actor::{Message, Recipient, System};
use vaxel_net::{OutboxPolicy, PushError, ShardHandle};
use vaxel_presence::{Presence, PresenceConfig};
use vaxel_pubsub::{Broadcast, Content, Lane, PubSub, Subscription};

use crate::counters::{ChannelCounters, ShardCounters};
use crate::payload::to_json;
use crate::slow::{SlowClient, SlowTopics};
use crate::socket::command::{Command, Encoded};
use crate::tokens::Tokens;
use crate::topic::Pattern;

/// The event that closes the connections whose id is its topic.
pub(crate) const DISCONNECT: &str = "disconnect";

/// Where connections and channels of one server meet: broadcasts from anywhere, and figures.
///
/// Cloning copies a pointer.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

struct Shared {
    pubsub: PubSub,
    system: System,
    shards: Arc<Shards>,
    /// Channels whose actor has not ended.
    channels_alive: AtomicUsize,
    channels_ended: Notify,
    binary_undeliverable: AtomicU64,
    events_rate_limited: AtomicU64,
    tokens: Arc<Tokens>,
    connections_refused_token: AtomicU64,
    presence: OnceLock<Presence>,
    poll_numbers: AtomicU32,
}

/// The shards, each set by its own thread when it starts.
struct Shards {
    handles: Box<[OnceLock<ShardHandle<Command>>]>,
    /// One for each shard, then one for all long-poll sessions.
    counters: Box<[ShardCounters]>,
    slow: OnceLock<SlowTopics>,
}

impl Endpoint {
    /// An endpoint for `shards` shards. Its channels run in `system`.
    pub(crate) fn new(system: System, shards: usize) -> Self {
        let shards = Arc::new(Shards {
            handles: (0..shards).map(|_| OnceLock::new()).collect(),
            counters: (0..=shards).map(|_| ShardCounters::default()).collect(),
            slow: OnceLock::new(),
        });
        let pubsub = PubSub::new();
        pubsub.add_lane(shards.clone());
        let channels_alive = AtomicUsize::new(0);
        let channels_ended = Notify::new();
        let binary_undeliverable = AtomicU64::new(0);
        let shared = Shared {
            pubsub,
            system,
            shards,
            channels_alive,
            channels_ended,
            binary_undeliverable,
            events_rate_limited: AtomicU64::new(0),
            tokens: Arc::default(),
            connections_refused_token: AtomicU64::new(0),
            presence: OnceLock::new(),
            poll_numbers: AtomicU32::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Sends an event to everybody on `topic`: to every client that has joined it and to every
    /// actor that has subscribed. Never waits; may be called from any thread.
    ///
    /// The payload is serialised once and the frame built once, however many receive it.
    ///
    /// # Panics
    /// When `payload` has no JSON form, such as a map whose keys are not strings.
    #[track_caller]
    pub fn broadcast<T: Serialize + ?Sized>(&self, topic: &str, event: &str, payload: &T) {
        self.send(&Broadcast::raw(topic, event, to_json(payload)));
    }

    /// Sends bytes to everybody on `topic`, in binary messages. Clients of version 1 and of long
    /// poll cannot take one and get nothing, nor does anybody where `topic` or `event` is longer
    /// than 255 bytes.
    pub fn broadcast_bytes(&self, topic: &str, event: &str, bytes: impl Into<Box<[u8]>>) {
        self.send(&Broadcast::with(
            topic,
            event,
            Content::Bytes(bytes.into()),
            None,
        ));
    }

    /// Closes every connection of a socket id (see
    /// [`Assigns::with_socket_id`](crate::Assigns::with_socket_id)), WebSockets with 1001. Their
    /// channels terminate. phoenix.js connects again, so the connect hook has to refuse it if it
    /// is to stay out.
    pub fn disconnect(&self, socket_id: &str) {
        self.broadcast(socket_id, DISCONNECT, &serde_json::Map::new());
    }

    /// Sends a broadcast that has been made before.
    pub fn send(&self, broadcast: &Broadcast) {
        self.shared.pubsub.send(broadcast);
    }

    /// Sends every broadcast on `topic` to an actor, until the subscription is dropped.
    pub fn subscribe(&self, topic: &str, recipient: Recipient<Broadcast>) -> Subscription {
        self.shared.pubsub.subscribe(topic, recipient)
    }

    /// The hub behind [`broadcast`](Self::broadcast) and [`subscribe`](Self::subscribe).
    pub fn pubsub(&self) -> &PubSub {
        &self.shared.pubsub
    }

    /// Who is on which topic.
    pub fn presence(&self) -> &Presence {
        self.presence_with(PresenceConfig::new)
    }

    /// Sets up presence, unless it is in use already.
    pub(crate) fn presence_with(&self, config: impl FnOnce() -> PresenceConfig) -> &Presence {
        let Shared {
            presence,
            system,
            pubsub,
            ..
        } = &*self.shared;
        presence.get_or_init(|| Presence::new(system.clone(), pubsub.clone(), config()))
    }

    /// The system that channels run in.
    pub fn system(&self) -> &System {
        &self.shared.system
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shared.shards.handles.len()
    }

    /// Sends a message to a shard and from there to `to`: the way that a reply and the next
    /// message take between the planes, without the sockets. Its age on arrival is a measure of
    /// how quickly the server reacts.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn probe(&self, shard: usize, to: Recipient<Probed>) {
        self.command(
            shard,
            Command::Probe {
                to,
                sent: Instant::now(),
            },
        );
    }

    /// What has been counted so far.
    pub fn counters(&self) -> ChannelCounters {
        let mut sum = ChannelCounters::default();
        for shard in &self.shared.shards.counters {
            sum.add(shard);
        }
        let pubsub = self.shared.pubsub.counters();
        let undeliverable = &self.shared.binary_undeliverable;
        sum.binary_undeliverable = undeliverable.load(Ordering::Relaxed);
        sum.events_rate_limited = self.shared.events_rate_limited.load(Ordering::Relaxed);
        let refused = &self.shared.connections_refused_token;
        sum.connections_refused_token = refused.load(Ordering::Relaxed);
        sum.broadcasts = pubsub.broadcasts;
        sum.broadcasts_missed = pubsub.broadcasts_missed;
        sum.broadcasts_forgotten = pubsub.broadcasts_forgotten;
        sum.histories_open = pubsub.histories_open;
        sum.histories_refused = pubsub.histories_refused;
        sum.resumes = pubsub.resumes;
        sum.resume_gaps = pubsub.resume_gaps;
        sum
    }

    pub(crate) fn tokens(&self) -> &Arc<Tokens> {
        &self.shared.tokens
    }

    pub(crate) fn connection_refused_by_token(&self) {
        let refused = &self.shared.connections_refused_token;
        refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until no channel's actor is alive. Only useful once no client can join any more.
    /// Cancel safe.
    pub async fn channels_ended(&self) {
        let mut ended = pin!(self.shared.channels_ended.notified());
        loop {
            // Enabled before the look, so an end between look and wait is not missed.
            ended.as_mut().enable();
            if self.shared.channels_alive.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.as_mut().await;
            ended.set(self.shared.channels_ended.notified());
        }
    }

    pub(crate) fn binary_undeliverable(&self) {
        self.shared
            .binary_undeliverable
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rate_limited(&self) {
        self.shared
            .events_rate_limited
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Sets what happens with broadcasts for slow clients, once.
    pub(crate) fn set_slow(&self, topics: Vec<(Pattern, SlowClient)>) {
        if !topics.is_empty() {
            // An endpoint has one protocol, which sets it when it is made.
            _ = self.shared.shards.slow.set(SlowTopics::new(topics));
        }
    }

    /// What happens with a broadcast for a slow client.
    pub(crate) fn slow_policy(&self, broadcast: &Broadcast) -> OutboxPolicy {
        self.shared.shards.slow_policy(broadcast)
    }

    pub(crate) fn channel_starts(&self) {
        self.shared.channels_alive.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn channel_ended(&self) {
        if self.shared.channels_alive.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.channels_ended.notify_waiters();
        }
    }

    pub(crate) fn shard_started(&self, shard: &ShardHandle<Command>) {
        // A shard starts once; a second handle would be the same.
        _ = self.shared.shards.handles[shard.index()].set(shard.clone());
    }

    pub(crate) fn shard_counters(&self, shard: usize) -> &ShardCounters {
        &self.shared.shards.counters[shard]
    }

    /// Over how long clients are to come back after a restart, in ms.
    pub(crate) fn reconnect_jitter_ms(&self, rejoins_per_second: u32) -> u64 {
        const JITTER_MS_MAX: u64 = 60_000;
        let shards = self.shared.shards.counters.iter();
        let channels: u64 = shards.map(ShardCounters::channels_open).sum();
        (channels * 1_000 / u64::from(rejoins_per_second.max(1))).min(JITTER_MS_MAX)
    }

    /// The figures of all long-poll sessions, to which several threads write.
    pub(crate) fn poll_counters(&self) -> &ShardCounters {
        let counters = &self.shared.shards.counters;
        &counters[counters.len() - 1]
    }

    /// Distinguishes the joins of all long-poll sessions.
    pub(crate) fn next_poll_number(&self) -> u32 {
        self.shared.poll_numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives a command to a shard. One that has ended, or whose thread does not run so that a
    /// million commands wait, takes none; the connection plane counts these.
    pub(crate) fn command(&self, shard: usize, command: Command) {
        if let Some(handle) = self.shared.shards.handles[shard].get() {
            match handle.push(command) {
                Ok(()) | Err(PushError::Closed(_)) => {}
                Err(_) => tracing::error!(shard, "the inbox of a shard is full"),
            }
        }
    }
}

/// A probe that has been to a shard and back; see [`Endpoint::probe`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Probed {
    /// When it was sent.
    pub sent: Instant,
}

impl Message for Probed {
    type Reply = ();
}

impl Shards {
    fn slow_policy(&self, broadcast: &Broadcast) -> OutboxPolicy {
        match self.slow.get() {
            Some(slow) => slow.policy(broadcast),
            None => OutboxPolicy::Close,
        }
    }
}

impl Lane for Shards {
    /// One entry per shard; the frame is the same bytes for all.
    fn deliver(&self, broadcast: &Broadcast) {
        let encoded = Encoded::new(broadcast, self.slow_policy(broadcast));
        for handle in self.handles.iter().filter_map(OnceLock::get) {
            if handle.push(Command::Broadcast(encoded.clone())).is_err() {
                tracing::debug!(shard = handle.index(), "a shard did not take a broadcast");
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("shards", &self.shared.shards.handles.len())
            .finish_non_exhaustive()
    }
}
