//! What a channel and its shard both know about each other.
//!
//! A [`Link`] exists once per connection that has joined something, a [`Membership`] once per
//! joined channel. Both are shared between the shard and the channel's actor and do not change,
//! but for the account of what is in flight.

use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;
use vaxel_actor::Recipient;
use vaxel_net::ConnectionId;
use vaxel_pubsub::{Broadcast, Content, Offset, Origin};
use vaxel_websocket::Frame;

use crate::assigns::Assigns;
use crate::channel::flight::Flight;
use crate::endpoint::Endpoint;
use crate::payload::Payload;
use crate::poll::{self, POLL_SHARD};
use crate::serializer::{Binary, Body, Given, Outgoing};
use crate::socket::command::{self, Command};
use crate::topic::Topic;
use crate::vsn::Version;

/// One connection as its channels see it.
pub(crate) struct Link {
    pub(crate) endpoint: Endpoint,
    pub(crate) assigns: Assigns,
    pub(crate) flight: Flight,
    pub(crate) address: Address,
    pub(crate) version: Version,
}

/// Where a client's session lives.
#[derive(Clone)]
pub(crate) enum Address {
    Shard {
        connection: ConnectionId,
        shard: u16,
    },
    /// The actor of a long-poll session. Behind a pointer, since most clients have a shard.
    Poll(Box<Recipient<Command>>),
}

impl Link {
    /// Gives a command to where the session lives. If that has ended, it needs none.
    pub(crate) fn command(&self, command: Command) {
        match &self.address {
            Address::Shard { shard, .. } => {
                self.endpoint.command(usize::from(*shard), command);
            }
            Address::Poll(session) => poll::command(&self.endpoint, session, command),
        }
    }

    pub(crate) fn send(&self, frame: Frame) {
        match &self.address {
            Address::Shard { shard, connection } => {
                let connection = *connection;
                let command = Command::Send { connection, frame };
                self.endpoint.command(usize::from(*shard), command);
            }
            Address::Poll(session) => poll::command(&self.endpoint, session, Command::Push(frame)),
        }
    }

    /// Owns a payload of `bytes` in flight.
    pub(crate) fn payload(self: &Arc<Self>, given: Given<'_>) -> Payload {
        let bytes = u32::try_from(given.len()).unwrap_or(u32::MAX);
        self.flight.take(bytes);
        Payload::new(
            given.to_content(),
            Some(Permit {
                link: self.clone(),
                bytes,
            }),
        )
    }

    /// Encodes bytes for this client; none when it cannot take them, which is counted.
    fn binary(&self, message: &Binary<'_>, payload: &[u8]) -> Option<Frame> {
        let frame = match (self.version, &self.address) {
            (Version::V2, Address::Shard { .. }) => message.encode(payload),
            _ => None,
        };
        if frame.is_none() {
            self.endpoint.binary_undeliverable();
        }
        frame
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
    /// Whether some broadcasts go through the channel.
    pub(crate) intercepts: bool,
}

impl Membership {
    pub(crate) fn new(
        link: Arc<Link>,
        topic: Topic,
        join_ref: Option<SmolStr>,
        number: u32,
        intercepts: bool,
    ) -> Arc<Self> {
        if let Some(token) = link.assigns.token() {
            token.join();
        }
        Arc::new(Self {
            link,
            topic,
            join_ref,
            number,
            intercepts,
        })
    }

    pub(crate) fn join_ref(&self) -> Option<&str> {
        self.join_ref.as_deref()
    }

    pub(crate) fn origin(&self) -> Origin {
        let shard = match &self.link.address {
            Address::Shard { shard, .. } => u32::from(*shard),
            Address::Poll(_) => POLL_SHARD,
        };
        Origin {
            shard,
            subscriber: self.number,
        }
    }

    /// A push, with the offset of the broadcast it stands for; none when this client cannot take
    /// bytes.
    pub(crate) fn push_frame(
        &self,
        event: &str,
        payload: &Content,
        offset: Option<Offset>,
    ) -> Option<Frame> {
        let (join_ref, topic) = (self.join_ref(), &*self.topic);
        let json = match payload {
            Content::Json(json) => json.get(),
            Content::Bytes(bytes) => {
                let message = Binary::Push {
                    join_ref,
                    topic,
                    event,
                };
                return self.link.binary(&message, bytes);
            }
        };
        let numbered = command::numbered(json, offset);
        let message = Outgoing {
            join_ref,
            reference: None,
            topic,
            event,
            payload: Body::Json(&numbered),
        };
        Some(message.encode(self.link.version))
    }

    /// Whether this client can be sent a broadcast: not all can take bytes.
    pub(crate) fn takes(&self, broadcast: &Broadcast) -> bool {
        broadcast.bytes().is_none()
            || self.link.version == Version::V2
                && matches!(self.link.address, Address::Shard { .. })
    }

    /// Sends a broadcast to this client alone, as it is.
    pub(crate) fn pass_on(&self, broadcast: &Broadcast) {
        if self.takes(broadcast)
            && let Some(frame) = command::encode(broadcast, self.link.version)
        {
            self.link.send(frame);
        }
    }

    /// A reply of the application; none when this client cannot take bytes.
    pub(crate) fn reply_frame(
        &self,
        reference: Option<&str>,
        status: &str,
        response: &Content,
    ) -> Option<Frame> {
        match response {
            Content::Json(json) => Some(self.reply_json(reference, status, json.get())),
            Content::Bytes(bytes) => {
                let message = Binary::Reply {
                    join_ref: self.join_ref(),
                    reference,
                    topic: &self.topic,
                    status,
                };
                self.link.binary(&message, bytes)
            }
        }
    }

    /// A reply that is JSON.
    pub(crate) fn reply_json(
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

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(token) = self.link.assigns.token() {
            token.part();
        }
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
