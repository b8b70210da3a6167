//! The figures of an endpoint.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one shard counts, or all long-poll sessions together. Only a shard's own thread writes to
/// its, so an addition is a load and a store.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ShardCounters {
    pub(crate) channels: Counter,
    pub(crate) joins_accepted: Counter,
    pub(crate) joins_refused: Counter,
    pub(crate) joins_crashed: Counter,
    pub(crate) channels_crashed: Counter,
    pub(crate) messages: Counter,
    pub(crate) heartbeats: Counter,
    pub(crate) unmatched: Counter,
    pub(crate) stale: Counter,
    pub(crate) malformed: Counter,
    pub(crate) pauses: Counter,
    pub(crate) deliveries: Counter,
    pub(crate) disconnects: Counter,
    pub(crate) intercepts_missed: Counter,
    pub(crate) poll_sessions: Counter,
    pub(crate) poll_sessions_refused: Counter,
    pub(crate) poll_sessions_expired: Counter,
    pub(crate) poll_sessions_behind: Counter,
    pub(crate) poll_frames_dropped: Counter,
    pub(crate) poll_frames_conflated: Counter,
    pub(crate) poll_messages_ignored: Counter,
    pub(crate) poll_requests_late: Counter,
    pub(crate) poll_bodies_too_large: Counter,
}

impl ShardCounters {
    pub(crate) fn channels_open(&self) -> u64 {
        self.channels.load()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn subtract(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(n),
            Ordering::Relaxed,
        );
    }

    /// Adds where several threads may write.
    pub(crate) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn subtract_shared(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The figures of an endpoint, over all shards.
///
/// All but those that end in `open` only grow. They are read one after another while shards go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelCounters {
    /// Channels that are joined now.
    pub channels_open: u64,
    /// Joins answered with `ok`.
    pub joins_accepted: u64,
    /// Joins answered with an error by the application or because of a limit.
    pub joins_refused: u64,
    /// Joins that crashed.
    pub joins_crashed: u64,
    /// Joined channels that crashed or were killed.
    pub channels_crashed: u64,
    /// Messages of clients, heartbeats included.
    pub messages_received: u64,
    /// Heartbeats answered.
    pub heartbeats: u64,
    /// Messages on a topic that no route matches or that is not joined.
    pub messages_unmatched: u64,
    /// Messages for a join that has been replaced.
    pub messages_stale: u64,
    /// Frames that were not messages; each closed its connection.
    pub frames_malformed: u64,
    /// Times a connection was not read on because a channel was behind.
    pub pauses: u64,
    /// Broadcast frames given to sockets.
    pub deliveries: u64,
    /// Connections closed because their socket id was told to.
    pub disconnects: u64,
    /// Long-poll sessions that are open now.
    pub poll_sessions_open: u64,
    /// Long-poll sessions that were refused because of their bound.
    pub poll_sessions_refused: u64,
    /// Long-poll sessions that ended because their client did not poll.
    pub poll_sessions_expired: u64,
    /// Long-poll sessions that ended because more waited for their client than may.
    pub poll_sessions_behind: u64,
    /// Broadcasts that were dropped for slow clients of long poll.
    pub poll_frames_dropped: u64,
    /// Broadcasts that made way for newer ones of their kind, for slow clients of long poll.
    pub poll_frames_conflated: u64,
    /// Messages that were ignored because their long-poll request had too many.
    pub poll_messages_ignored: u64,
    /// Long-poll requests answered 408, since channels did not take their messages in time.
    pub poll_requests_late: u64,
    /// Long-poll requests answered 413, since their bodies were too large.
    pub poll_bodies_too_large: u64,
    /// Pushes and replies of bytes that were not sent, because the client cannot take them or a
    /// name in them is longer than 255 bytes.
    pub binary_undeliverable: u64,
    /// Connections refused because their token has too many.
    pub connections_refused_token: u64,
    /// Events refused because of a rate.
    pub events_rate_limited: u64,
    /// Broadcasts that a channel intercepts and did not get because its mailbox was full.
    pub intercepts_missed: u64,
    /// Broadcasts sent.
    pub broadcasts: u64,
    /// Broadcasts an actor did not get because its mailbox was full.
    pub broadcasts_missed: u64,
    /// Broadcasts that are kept no longer for those who come back, because there were too many,
    /// too large or too old.
    pub broadcasts_forgotten: u64,
    /// Topics that keep a history now.
    pub histories_open: u64,
    /// Times a topic was to keep a history and there were too many that do.
    pub histories_refused: u64,
    /// Clients that came back and got what they had missed.
    pub resumes: u64,
    /// Clients that came back and were told of a gap.
    pub resume_gaps: u64,
}

impl ChannelCounters {
    pub(crate) fn add(&mut self, shard: &ShardCounters) {
        self.channels_open += shard.channels.load();
        self.joins_accepted += shard.joins_accepted.load();
        self.joins_refused += shard.joins_refused.load();
        self.joins_crashed += shard.joins_crashed.load();
        self.channels_crashed += shard.channels_crashed.load();
        self.messages_received += shard.messages.load();
        self.heartbeats += shard.heartbeats.load();
        self.messages_unmatched += shard.unmatched.load();
        self.messages_stale += shard.stale.load();
        self.frames_malformed += shard.malformed.load();
        self.pauses += shard.pauses.load();
        self.deliveries += shard.deliveries.load();
        self.disconnects += shard.disconnects.load();
        self.intercepts_missed += shard.intercepts_missed.load();
        self.poll_sessions_open += shard.poll_sessions.load();
        self.poll_sessions_refused += shard.poll_sessions_refused.load();
        self.poll_sessions_expired += shard.poll_sessions_expired.load();
        self.poll_sessions_behind += shard.poll_sessions_behind.load();
        self.poll_frames_dropped += shard.poll_frames_dropped.load();
        self.poll_frames_conflated += shard.poll_frames_conflated.load();
        self.poll_messages_ignored += shard.poll_messages_ignored.load();
        self.poll_requests_late += shard.poll_requests_late.load();
        self.poll_bodies_too_large += shard.poll_bodies_too_large.load();
    }

    /// The figures by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("channels_open", self.channels_open),
            ("joins_accepted", self.joins_accepted),
            ("joins_refused", self.joins_refused),
            ("joins_crashed", self.joins_crashed),
            ("channels_crashed", self.channels_crashed),
            ("messages_received", self.messages_received),
            ("heartbeats", self.heartbeats),
            ("messages_unmatched", self.messages_unmatched),
            ("messages_stale", self.messages_stale),
            ("frames_malformed", self.frames_malformed),
            ("pauses", self.pauses),
            ("deliveries", self.deliveries),
            ("disconnects", self.disconnects),
            ("poll_sessions_open", self.poll_sessions_open),
            ("poll_sessions_refused", self.poll_sessions_refused),
            ("poll_sessions_expired", self.poll_sessions_expired),
            ("poll_sessions_behind", self.poll_sessions_behind),
            ("poll_frames_dropped", self.poll_frames_dropped),
            ("poll_frames_conflated", self.poll_frames_conflated),
            ("poll_messages_ignored", self.poll_messages_ignored),
            ("poll_requests_late", self.poll_requests_late),
            ("poll_bodies_too_large", self.poll_bodies_too_large),
            ("binary_undeliverable", self.binary_undeliverable),
            ("connections_refused_token", self.connections_refused_token),
            ("events_rate_limited", self.events_rate_limited),
            ("intercepts_missed", self.intercepts_missed),
            ("broadcasts", self.broadcasts),
            ("broadcasts_missed", self.broadcasts_missed),
            ("broadcasts_forgotten", self.broadcasts_forgotten),
            ("histories_open", self.histories_open),
            ("histories_refused", self.histories_refused),
            ("resumes", self.resumes),
            ("resume_gaps", self.resume_gaps),
        ]
        .into_iter()
    }
}
