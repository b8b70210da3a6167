//! What a channel and its shard both know about each other.
//!
//! A [`Link`] exists once per connection that has joined something, a [`Membership`] once per
//! joined channel. Both are shared between the shard and the channel's actor and do not change,
//! but for the account of what is in flight.

use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;
use smol_str::SmolStr;
use vaxel_net::ConnectionId;
use vaxel_pubsub::Origin;
use vaxel_websocket::Frame;

use crate::assigns::Assigns;
use crate::channel::flight::Flight;
use crate::endpoint::Endpoint;
use crate::payload::Payload;
use crate::serializer::{Body, Outgoing};
use crate::socket::command::Command;
use crate::topic::Topic;
use crate::vsn::Version;

/// One connection as its channels see it.
pub(crate) struct Link {
    pub(crate) endpoint: Endpoint,
    pub(crate) assigns: Assigns,
    pub(crate) flight: Flight,
    pub(crate) connection: ConnectionId,
    pub(crate) shard: u16,
    pub(crate) version: Version,
}

impl Link {
    /// Gives a command to the connection's shard. A shard that has ended needs none.
    pub(crate) fn command(&self, command: Command) {
        self.endpoint.command(usize::from(self.shard), command);
    }

    pub(crate) fn send(&self, frame: Frame) {
        self.command(Command::Send {
            connection: self.connection,
            frame,
        });
    }

    /// Owns a payload of `bytes` in flight.
    pub(crate) fn payload(self: &Arc<Self>, json: &RawValue) -> Payload {
        let bytes = u32::try_from(json.get().len()).unwrap_or(u32::MAX);
        self.flight.take(bytes);
        Payload::new(
            json.to_owned(),
            Some(Permit {
                link: self.clone(),
                bytes,
            }),
        )
    }
}

/// One message in flight; see [`Flight`].
pub(crate) struct Permit {
    link: Arc<Link>,
    bytes: u32,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.link.flight.give_back(self.bytes);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.bytes).finish()
    }
}

/// One joined channel, or one that is being joined.
pub struct Membership {
    pub(crate) link: Arc<Link>,
    pub(crate) topic: Topic,
    pub(crate) join_ref: Option<SmolStr>,
    /// Distinguishes the joins of one shard.
    pub(crate) number: u32,
}

impl Membership {
    pub(crate) fn new(
        link: Arc<Link>,
        topic: Topic,
        join_ref: Option<SmolStr>,
        number: u32,
    ) -> Arc<Self> {
        Arc::new(Self {
            link,
            topic,
            join_ref,
            number,
        })
    }

    pub(crate) fn join_ref(&self) -> Option<&str> {
        self.join_ref.as_deref()
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            shard: u32::from(self.link.shard),
            subscriber: self.number,
        }
    }

    pub(crate) fn push_frame(&self, event: &str, payload: &str) -> Frame {
        let message = Outgoing {
            join_ref: self.join_ref(),
            reference: None,
            topic: &self.topic,
            event,
            payload: Body::Json(payload),
        };
        message.encode(self.link.version)
    }

    pub(crate) fn reply_frame(
        &self,
        reference: Option<&str>,
        status: &str,
        response: &str,
    ) -> Frame {
        Outgoing::reply(self.join_ref(), reference, &self.topic, status, response)
            .encode(self.link.version)
    }

    /// `phx_close`, the end on purpose.
    pub(crate) fn close_frame(&self) -> Frame {
        self.end_frame("phx_close", "{}")
    }

    /// `phx_error`, the end by a crash or a kill.
    pub(crate) fn crash_frame(&self) -> Frame {
        self.end_frame("phx_error", r#"{"reason":"channel_crash"}"#)
    }

    fn end_frame(&self, event: &str, payload: &str) -> Frame {
        Outgoing::end(self.join_ref(), &self.topic, event, payload).encode(self.link.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_connection_needs_two_small_blocks() {
        // Each lives in an allocation with two reference counts in front.
        let counts = 2 * size_of::<usize>();
        assert!(
            size_of::<Link>() + counts <= 64,
            "{}",
            size_of::<Link>() + counts
        );
        assert!(
            size_of::<Membership>() + counts <= 80,
            "{}",
            size_of::<Membership>() + counts
        );
    }
}
