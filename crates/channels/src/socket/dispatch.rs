//! What a shard does with a client's message.
//!
//! The rules are those of Phoenix's socket: heartbeats, joins beyond the limit, topics without a
//! route or a channel, and messages for a join that has been replaced are dealt with here; the
//! rest goes to the channel's mailbox. Where a channel cannot take a message, because it is still
//! joining, its mailbox is full, or too much of the connection is in flight, nothing has happened
//! yet and the connection pauses: the message is dispatched again later.

use serde_json::value::RawValue;
use smol_str::SmolStr;
use vaxel_actor::SendError;
use vaxel_net::{Connection, ConnectionId, Flow};
use vaxel_websocket::{CloseCode, Frame};

use crate::channel::inbox::Inbound;
use crate::counters::ShardCounters;
use crate::endpoint::Endpoint;
use crate::serializer::{Incoming, Outgoing};
use crate::socket::Socket;
use crate::socket::protocol::Local;
use crate::socket::session::{ChannelEntry, Phase, Session, Wait};

const UNMATCHED: &str = r#"{"reason":"unmatched topic"}"#;

/// Refs longer than this do not fit the protocol's binary frames either; phoenix.js counts.
const REF_BYTES_MAX: usize = 255;

/// One message on its way to where it belongs.
pub(super) struct Dispatch<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) socket: &'a Socket,
    pub(super) local: &'a mut Local,
    pub(super) session: &'a mut Session,
    pub(super) connection: ConnectionId,
    pub(super) shard: usize,
    pub(super) message: Incoming<'a>,
}

/// What comes of a message.
pub(super) enum Outcome {
    /// Nothing to send, or not now.
    Done,
    /// The shard answers by itself.
    Answer(Frame),
    /// The message could not be taken yet.
    Pause(Wait),
}

/// Reads a frame and dispatches its message.
pub(super) fn text(
    endpoint: &Endpoint,
    socket: &Socket,
    local: &mut Local,
    connection: &mut Connection<'_, Box<Session>>,
    text: &str,
) -> Flow {
    let (id, shard) = (connection.id(), connection.shard());
    let counters = endpoint.shard_counters(shard);
    let Some(session) = connection.session() else {
        return Flow::Continue;
    };
    if session.must_wait(&socket.limits) {
        return Flow::Pause;
    }
    let has_waited = session.wait.take().is_some();
    let message = match Incoming::parse(session.version, text) {
        Ok(message) if has_short_refs(&message) => message,
        _ => {
            counters.malformed.add(1);
            return Flow::Close(CloseCode::INTERNAL_ERROR, "malformed message".into());
        }
    };
    let dispatch = Dispatch {
        endpoint,
        socket,
        local,
        session,
        connection: id,
        shard,
        message,
    };
    match dispatch.run() {
        Outcome::Done => {}
        Outcome::Answer(frame) => _ = connection.send(&frame),
        Outcome::Pause(wait) => {
            counters.pauses.add(u64::from(!has_waited));
            if let Some(session) = connection.session() {
                session.wait = Some(wait);
            }
            return Flow::Pause;
        }
    }
    counters.messages.add(1);
    Flow::Continue
}

fn has_short_refs(message: &Incoming<'_>) -> bool {
    [&message.join_ref, &message.reference]
        .into_iter()
        .all(|reference| {
            reference
                .as_ref()
                .is_none_or(|text| text.len() <= REF_BYTES_MAX)
        })
}

impl Dispatch<'_> {
    fn run(mut self) -> Outcome {
        if self.message.topic == "phoenix" && self.message.event == "heartbeat" {
            self.counters().heartbeats.add(1);
            return self.answer(None, "ok", "{}");
        }
        let position = self.session.position(&self.message.topic);
        match (&*self.message.event, position) {
            ("phx_join", position) => self.join(position),
            ("phx_leave", None) => self.answer(self.message.join_ref.as_deref(), "ok", "{}"),
            (_, None) => self.unmatched(),
            (_, Some(position)) => self.forward(position),
        }
    }

    /// Hands the message to its channel.
    fn forward(&mut self, position: usize) -> Outcome {
        let entry = &self.session.channels[position];
        if self.is_stale(entry) {
            self.counters().stale.add(1);
            return Outcome::Done;
        }
        if let Some(wait) = self.wait(Some(entry)) {
            return Outcome::Pause(wait);
        }
        let inbound = Inbound {
            event: SmolStr::new(&self.message.event),
            reference: self.message.reference.as_deref().map(SmolStr::new),
            payload: entry.membership.link.payload(self.message.payload),
        };
        if let Err(SendError::Full(_)) = entry.inbox.cast(inbound) {
            return Outcome::Pause(Wait::Mailbox);
        }
        // A channel that has just ended takes nothing more; the client is about to hear of it.
        if self.message.event == "phx_leave" {
            self.session.channels[position].phase = Phase::Leaving;
        }
        Outcome::Done
    }

    /// Whether the message is meant for a join that has been replaced. Null fits every join.
    fn is_stale(&self, entry: &ChannelEntry) -> bool {
        let join_ref = self.message.join_ref.as_deref();
        join_ref.is_some() && join_ref != entry.membership.join_ref()
    }

    /// Why a message for this channel, or for one that is to be, cannot be taken now.
    pub(super) fn wait(&self, entry: Option<&ChannelEntry>) -> Option<Wait> {
        match entry {
            Some(entry) if entry.phase == Phase::Joining => {
                Some(Wait::Join(entry.membership.number))
            }
            _ => self
                .session
                .is_full(&self.socket.limits)
                .then_some(Wait::Flight),
        }
    }

    pub(super) fn unmatched(&self) -> Outcome {
        self.counters().unmatched.add(1);
        self.answer(None, "error", UNMATCHED)
    }

    pub(super) fn answer(&self, join_ref: Option<&str>, status: &str, response: &str) -> Outcome {
        let Incoming {
            reference, topic, ..
        } = &self.message;
        let reply = Outgoing::reply(join_ref, reference.as_deref(), topic, status, response);
        Outcome::Answer(reply.encode(self.session.version))
    }

    pub(super) fn counters(&self) -> &ShardCounters {
        self.endpoint.shard_counters(self.shard)
    }

    pub(super) fn payload(&self) -> &RawValue {
        self.message.payload
    }
}
