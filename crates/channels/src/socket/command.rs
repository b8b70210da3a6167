//! What other threads tell a shard.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use vaxel_actor::Recipient;
use vaxel_net::{ConnectionId, OutboxPolicy};
use vaxel_pubsub::{Broadcast, Content, Offset};
use vaxel_websocket::Frame;

use crate::assigns::Assigns;
use crate::channel::membership::Membership;
use crate::endpoint::Probed;
use crate::refusal::Refusal;
use crate::serializer::{Binary, Body, Outgoing};
use crate::socket::connect::Pending;
use crate::vsn::Version;

/// What other threads tell a shard.
pub enum Command {
    /// A frame for one connection.
    Send {
        connection: ConnectionId,
        frame: Frame,
    },
    /// A frame for the client of a long-poll session.
    Push(Frame),
    /// A join was accepted: reply and subscribe, in this order.
    Joined {
        membership: Arc<Membership>,
        reply: Frame,
    },
    /// A join was refused, or a channel has ended; the frame says so.
    Ended {
        membership: Arc<Membership>,
        ending: Ending,
        frame: Frame,
    },
    /// A frame for everybody on a topic.
    Broadcast(Arc<Encoded>),
    /// A probe to be sent back; see [`Endpoint::probe`](crate::Endpoint::probe).
    Probe {
        to: Recipient<Probed>,
        sent: Instant,
    },
    /// What a connect hook has decided.
    Connected {
        pending: Pending,
        outcome: Result<Assigns, Refusal>,
    },
}

/// How a channel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The application refused the join.
    Refused,
    /// The join crashed.
    JoinCrashed,
    /// The joined channel crashed or was killed.
    Crashed,
    /// The joined channel stopped on purpose.
    Closed,
}

/// A broadcast with the frames for those who listen, built at most once each.
pub struct Encoded {
    pub(crate) broadcast: Broadcast,
    pub(crate) policy: OutboxPolicy,
    v1: OnceLock<Option<Frame>>,
    v2: OnceLock<Option<Frame>>,
}

impl Encoded {
    /// Builds the frame that almost every client takes; the other one waits until it is asked for.
    pub(crate) fn new(broadcast: &Broadcast, policy: OutboxPolicy) -> Arc<Self> {
        let encoded = Self {
            broadcast: broadcast.clone(),
            policy,
            v1: OnceLock::new(),
            v2: OnceLock::new(),
        };
        encoded.frame(Version::V2);
        Arc::new(encoded)
    }

    /// The frame for clients of a version; none when they cannot take bytes.
    pub(crate) fn frame(&self, version: Version) -> Option<&Frame> {
        let cell = match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        };
        cell.get_or_init(|| encode(&self.broadcast, version).map(Frame::with_twin))
            .as_ref()
    }
}

/// The frame of a broadcast, for clients of a version that can take it.
pub(crate) fn encode(broadcast: &Broadcast, version: Version) -> Option<Frame> {
    let (topic, event) = (broadcast.topic(), broadcast.event());
    let json = match (broadcast.content(), version) {
        (Content::Json(json), _) => json.get(),
        (Content::Bytes(bytes), Version::V2) => {
            return Binary::Broadcast { topic, event }.encode(bytes);
        }
        (Content::Bytes(_), Version::V1) => return None,
    };
    let numbered = numbered(json, broadcast.offset());
    let message = Outgoing {
        join_ref: None,
        reference: None,
        topic,
        event,
        payload: Body::Json(&numbered),
    };
    Some(message.encode(version))
}

/// An object with its offset as last member; anything else, or what has none, as it is.
pub(crate) fn numbered(json: &str, offset: Option<Offset>) -> Cow<'_, str> {
    let (Some(offset), Some(open)) = (offset, json.strip_suffix('}')) else {
        return json.into();
    };
    let open = open.trim_end();
    let comma = if open.len() > 1 { "," } else { "" };
    format!(r#"{open}{comma}"vx_offset":"{offset}"}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_fits_a_cache_line() {
        assert!(size_of::<Command>() <= 64, "{}", size_of::<Command>());
    }
}
