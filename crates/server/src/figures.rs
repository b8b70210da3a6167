//! Everything that a server counts.

use std::sync::Arc;

use vaxel_actor::Counters;
use vaxel_channels::{ChannelCounters, ChannelsNet, Endpoint};
use vaxel_net::NetCounters;

/// Reads everything that a server counts, also from inside its own actors. Cloning copies two
/// pointers.
#[derive(Clone)]
pub struct Figures {
    net: Arc<ChannelsNet>,
    endpoint: Endpoint,
}

impl Figures {
    pub(crate) fn new(net: Arc<ChannelsNet>, endpoint: Endpoint) -> Self {
        Self { net, endpoint }
    }

    /// What the connection plane has counted so far.
    pub fn net(&self) -> NetCounters {
        self.net.counters()
    }

    /// What the channels have counted so far.
    pub fn channels(&self) -> ChannelCounters {
        self.endpoint.counters()
    }

    /// What the actor system has counted so far.
    pub fn actors(&self) -> Counters {
        self.endpoint.system().counters()
    }

    /// Every number with its name, such as `net.frames_in`.
    pub fn all(&self) -> Vec<(String, u64)> {
        let (net, channels, actors) = (self.net(), self.channels(), self.actors());
        let presence = self.endpoint.presence().counters();
        let presence = presence
            .iter()
            .map(|(name, value)| (format!("presence.{name}"), value))
            .collect::<Vec<_>>();
        let net = net
            .iter()
            .map(|(name, value)| (format!("net.{name}"), value));
        let channels = channels
            .iter()
            .map(|(name, value)| (format!("channels.{name}"), value));
        let actors = actors
            .iter()
            .map(|(name, value)| (format!("actors.{name}"), value));
        actors.chain(channels).chain(net).chain(presence).collect()
    }
}
