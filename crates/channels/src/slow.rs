//! What happens with broadcasts for clients that read too slowly.

use std::hash::BuildHasher;

use vaxel_net::OutboxPolicy;
use vaxel_pubsub::Broadcast;

use crate::topic::Pattern;

/// What happens with a broadcast for a client that reads so slowly that its outbox
/// (`outbox_bytes_max`, 1 MiB) has no room for it. See [`Channel::SLOW`](crate::Channel::SLOW).
///
/// Replies and pushes are never dropped. The same holds for what waits for a client of long poll
/// ([`PollConfig::outbox_bytes_max`](crate::PollConfig::outbox_bytes_max)): its session ends and it
/// begins anew (`channels.poll_sessions_behind`), or the broadcast is dropped
/// (`channels.poll_frames_dropped`) or conflated (`channels.poll_frames_conflated`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowClient {
    /// Every broadcast counts: the connection is closed with 1008, and the client comes back
    /// (counter `net.slow_consumers`).
    #[default]
    Close,
    /// Broadcasts may be missed: it is dropped (counter `net.frames_dropped`).
    Drop,
    /// Only the newest broadcast of each event counts, as with prices or positions: one of the
    /// same topic and event that still waits makes way (counter `net.frames_conflated`).
    Conflate,
}

/// The topics of which something else than the default was chosen; usually none.
#[derive(Debug, Default)]
pub(crate) struct SlowTopics {
    chosen: Vec<(Pattern, SlowClient)>,
    /// Keyed at random, so that nobody can make two topics meet in one key.
    hasher: std::hash::RandomState,
}

impl SlowTopics {
    pub(crate) fn new(chosen: Vec<(Pattern, SlowClient)>) -> Self {
        Self {
            chosen,
            hasher: std::hash::RandomState::new(),
        }
    }

    /// How a broadcast is sent.
    pub(crate) fn policy(&self, broadcast: &Broadcast) -> OutboxPolicy {
        let (topic, event) = (broadcast.topic(), broadcast.event());
        let mut chosen = self.chosen.iter();
        let found = chosen.find(|(pattern, _)| pattern.matches(topic).is_some());
        match found.map_or(SlowClient::Close, |(_, slow)| *slow) {
            SlowClient::Close => OutboxPolicy::Close,
            SlowClient::Drop => OutboxPolicy::Drop,
            SlowClient::Conflate => OutboxPolicy::Conflate {
                key: self.hasher.hash_one((topic, event)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_policy_of_the_first_route_and_events_their_own_keys() {
        let topics = SlowTopics::new(vec![
            (Pattern::new("prices:vip"), SlowClient::Drop),
            (Pattern::new("prices:*"), SlowClient::Conflate),
        ]);
        let policy = |topic: &str, event: &str| {
            topics.policy(&Broadcast::new(topic, event, &()).expect("JSON"))
        };
        assert_eq!(policy("room:1", "e"), OutboxPolicy::Close);
        assert_eq!(policy("prices:vip", "e"), OutboxPolicy::Drop);
        let one = policy("prices:1", "e");
        assert!(matches!(one, OutboxPolicy::Conflate { .. }));
        assert_eq!(one, policy("prices:1", "e"));
        assert_ne!(one, policy("prices:1", "other"));
        assert_ne!(one, policy("prices:2", "e"));
    }
}
