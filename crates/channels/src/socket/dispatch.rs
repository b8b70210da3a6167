//! What a shard, or a long-poll session, does with a client's message.
//!
//! The rules are those of Phoenix's socket: heartbeats, joins beyond the limit, topics without a
//! route or a channel, and messages for a join that has been replaced are dealt with here; the
//! rest goes to the channel's mailbox. Where a channel cannot take a message, because it is still
//! joining, its mailbox is full, or too much of the connection is in flight, nothing has happened
//! yet and the connection pauses: the message is dispatched again later.

use smol_str::SmolStr;
use vaxel_actor::SendError;
use vaxel_websocket::Frame;

use crate::channel::inbox::Inbound;
use crate::serializer::{Incoming, Outgoing};
use crate::socket::Socket;
use crate::socket::home::Home;
use crate::socket::session::{ChannelEntry, Phase, Session, Wait};
use crate::vsn::Version;

const UNMATCHED: &str = r#"{"reason":"unmatched topic"}"#;

/// Refs longer than this do not fit the protocol's binary frames either; phoenix.js counts.
const REF_BYTES_MAX: usize = 255;

/// One message on its way to where it belongs.
pub(crate) struct Dispatch<'a, H> {
    pub(super) socket: &'a Socket,
    pub(super) home: &'a mut H,
    pub(super) session: &'a mut Session,
    pub(super) message: Incoming<'a>,
}

/// What comes of a message.
pub(crate) enum Outcome {
    /// Nothing to send, or not now.
    Done,
    /// The shard answers by itself.
    Answer(Frame),
    /// The message could not be taken yet.
    Pause(Wait),
    /// It is no message; the client's connection ends.
    Malformed,
}

/// One message as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl<'a> Raw<'a> {
    /// None when it is no message, or has refs that would not fit a binary frame.
    fn parse(self, version: Version) -> Option<Incoming<'a>> {
        match (self, version) {
            (Raw::Text(text), version) => {
                Incoming::parse(version, text).ok().filter(has_short_refs)
            }
            (Raw::Binary(frame), Version::V2) => Incoming::parse_binary(frame),
            (Raw::Binary(_), Version::V1) => None,
        }
    }
}

/// Reads a message and takes it, unless it has to wait: then nothing has happened yet.
pub(crate) fn take<H: Home>(
    socket: &Socket,
    home: &mut H,
    session: &mut Session,
    raw: Raw<'_>,
) -> Outcome {
    if let Some(wait) = session.must_wait(&socket.limits) {
        return Outcome::Pause(wait);
    }
    let has_waited = session.wait.take().is_some();
    let Some(message) = raw.parse(session.version) else {
        home.add(|counters| &counters.malformed, 1);
        return Outcome::Malformed;
    };
    let dispatch = Dispatch {
        socket,
        home,
        session,
        message,
    };
    let outcome = dispatch.run();
    match &outcome {
        Outcome::Pause(wait) => {
            home.add(|counters| &counters.pauses, u64::from(!has_waited));
            session.wait = Some(*wait);
        }
        _ => home.add(|counters| &counters.messages, 1),
    }
    outcome
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

impl<H: Home> Dispatch<'_, H> {
    fn run(mut self) -> Outcome {
        if self.message.topic == "phoenix" && self.message.event == "heartbeat" {
            self.home.add(|counters| &counters.heartbeats, 1);
            return self.heartbeat();
        }
        let position = self.session.position(&self.message.topic);
        match (&*self.message.event, position) {
            ("phx_join", position) => self.join(position),
            ("phx_leave", None) => self.answer(self.message.join_ref.as_deref(), "ok", "{}"),
            (_, None) => self.unmatched(),
            (_, Some(position)) => self.forward(position),
        }
    }

    fn heartbeat(&self) -> Outcome {
        if !self.session.takes_hints {
            return self.answer(None, "ok", "{}");
        }
        let per_second = self.socket.limits.rejoins_per_second;
        let jitter_ms = self.home.endpoint().reconnect_jitter_ms(per_second);
        self.answer(
            None,
            "ok",
            &format!(r#"{{"reconnect_jitter_ms":{jitter_ms}}}"#),
        )
    }

    /// Hands the message to its channel.
    fn forward(&mut self, position: usize) -> Outcome {
        let entry = &self.session.channels[position];
        if self.is_stale(entry) {
            self.home.add(|counters| &counters.stale, 1);
            return Outcome::Done;
        }
        if let Some(wait) = self.wait(Some(entry)) {
            return Outcome::Pause(wait);
        }
        let inbound = Inbound::Event {
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
        self.home.add(|counters| &counters.unmatched, 1);
        self.answer(None, "error", UNMATCHED)
    }

    pub(super) fn answer(&self, join_ref: Option<&str>, status: &str, response: &str) -> Outcome {
        let Incoming {
            reference, topic, ..
        } = &self.message;
        let reply = Outgoing::reply(join_ref, reference.as_deref(), topic, status, response);
        Outcome::Answer(reply.encode(self.session.version))
    }
}
