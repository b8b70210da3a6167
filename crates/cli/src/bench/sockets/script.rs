//! What the clients say and understand, in either of two languages: Phoenix Channels, or the few
//! bytes that make the bare loop answer with frames of exactly the same lengths.

mod phoenix;

use anyhow::{Context, ensure};

use self::phoenix::Envelope;
use super::template::{BLANK, DIGITS, Template};
use crate::bench::bare::{self, FRAME_BYTES_MAX, Wanted};

/// The conversation, in the words of Phoenix Channels.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    /// The topic everybody joins.
    pub(super) topic: String,
    /// The payload of the join, JSON.
    pub(super) join_payload: String,
    /// The event that the server broadcasts unchanged to all members of the topic.
    pub(super) broadcast_event: String,
    /// The event that the server answers.
    pub(super) request_event: String,
    /// Bytes of JSON payload in a broadcast.
    pub(super) broadcast_bytes: usize,
    /// Bytes of JSON payload in a request; the answer is expected to return the payload.
    pub(super) request_bytes: usize,
}

/// What a frame from the server means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The answer to the join.
    Joined { accepted: bool },
    /// The answer to heartbeat `number`.
    Heartbeat { number: u64 },
    /// The answer to request `number`.
    Reply { number: u64, accepted: bool },
    /// Broadcast `number`.
    Broadcast { number: u64 },
    /// The server closed the channel, or it crashed.
    ChannelGone,
    /// Something nobody asked for.
    Other,
}

/// The frames to send, ready made, and the key to those that come back.
#[derive(Debug, Clone)]
pub(super) struct Script {
    is_phoenix: bool,
    broadcast_event: String,
    pub(super) join: Template,
    pub(super) crash: Template,
    pub(super) heartbeat: Template,
    pub(super) request: Template,
    pub(super) broadcast: Template,
}

impl Script {
    /// Phoenix Channels, version 2 of the serializer.
    ///
    /// # Errors
    /// When a payload is to be shorter than what has to be in it, or the join's is no JSON.
    pub(super) fn phoenix(conversation: &Conversation) -> anyhow::Result<Self> {
        let texts = phoenix::Texts::new(conversation)?;
        Ok(Self {
            is_phoenix: true,
            broadcast_event: conversation.broadcast_event.clone(),
            join: Template::new(&texts.join),
            crash: Template::new(&texts.crash),
            heartbeat: Template::new(&texts.heartbeat),
            request: Template::new(&texts.request),
            broadcast: Template::new(&texts.broadcast),
        })
    }

    /// The same conversation with the bare loop: every frame, in both directions, has the length
    /// that it has in Phoenix.
    ///
    /// # Errors
    /// As for [`phoenix`](Self::phoenix), or when a frame is too long or too short for the loop.
    pub(super) fn bare(conversation: &Conversation) -> anyhow::Result<Self> {
        let texts = phoenix::Texts::new(conversation)?;
        let reply = Wanted::Reply;
        Ok(Self {
            is_phoenix: false,
            broadcast_event: String::new(),
            // The loop has no channels.
            crash: Template::new(""),
            join: bare_template(reply, 'j', texts.join.len(), texts.join_reply.len())?,
            heartbeat: bare_template(
                reply,
                'h',
                texts.heartbeat.len(),
                texts.heartbeat_reply.len(),
            )?,
            request: bare_template(reply, 'r', texts.request.len(), texts.request_reply.len())?,
            broadcast: bare_template(
                Wanted::Broadcast,
                'b',
                texts.broadcast.len(),
                texts.delivery.len(),
            )?,
        })
    }

    /// What `text`, the payload of a frame from the server, means.
    pub(super) fn understand(&self, text: &str) -> Incoming {
        let understood = if self.is_phoenix {
            self.understand_phoenix(text)
        } else {
            understand_bare(text)
        };
        understood.unwrap_or(Incoming::Other)
    }

    fn understand_phoenix(&self, text: &str) -> Option<Incoming> {
        let envelope = Envelope::parse(text)?;
        let reference = envelope.reference.as_deref();
        Some(match &*envelope.event {
            "phx_reply" if envelope.topic == "phoenix" => Incoming::Heartbeat {
                number: reference?.parse().ok()?,
            },
            "phx_reply" => {
                let accepted = envelope.is_accepted();
                match reference? {
                    phoenix::JOIN_REF => Incoming::Joined { accepted },
                    phoenix::BROADCAST_REF => Incoming::Other,
                    number => Incoming::Reply {
                        number: number.parse().ok()?,
                        accepted,
                    },
                }
            }
            "phx_error" | "phx_close" => Incoming::ChannelGone,
            event if event == self.broadcast_event => Incoming::Broadcast {
                number: phoenix::broadcast_number(&envelope.payload)?,
            },
            _ => Incoming::Other,
        })
    }
}

/// A request to the loop: its head, the number, a letter for what it stands for, padding.
fn bare_template(
    wanted: Wanted,
    kind: char,
    bytes: usize,
    answer_bytes: usize,
) -> anyhow::Result<Template> {
    ensure!(
        bytes.max(answer_bytes) + 14 <= FRAME_BYTES_MAX,
        "a frame of {} bytes is more than the bare loop takes",
        bytes.max(answer_bytes)
    );
    let mut text = bare::Request {
        wanted,
        answer_bytes,
    }
    .mark();
    text.push_str(BLANK);
    text.push(kind);
    let padding = bytes
        .checked_sub(text.len())
        .with_context(|| format!("a frame of {bytes} bytes is too short for the bare loop"))?;
    text.extend(std::iter::repeat_n('.', padding));
    Ok(Template::new(&text))
}

/// The answer of the loop starts with the bytes of the request.
fn understand_bare(text: &str) -> Option<Incoming> {
    let number_at = bare::Request::MARK;
    let number = text.get(number_at..number_at + DIGITS)?.parse().ok()?;
    Some(match text.as_bytes().get(number_at + DIGITS)? {
        b'j' => Incoming::Joined { accepted: true },
        b'h' => Incoming::Heartbeat { number },
        b'r' => Incoming::Reply {
            number,
            accepted: true,
        },
        b'b' => Incoming::Broadcast { number },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
