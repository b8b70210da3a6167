//! Phoenix Channels, version 2, as text: `[join_ref, ref, topic, event, payload]`.

use std::borrow::Cow;

use anyhow::{Context, ensure};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::Conversation;
use crate::bench::sockets::template::BLANK;

/// The reference of every join, and so the `join_ref` of every channel.
pub(super) const JOIN_REF: &str = "1";
/// The reference of a message that is broadcast. Servers that reply to it may do so.
pub(super) const BROADCAST_REF: &str = "b";

/// What makes a channel of the demo panic, and the reference of the message that does.
const CRASH_EVENT: &str = "crash";
const CRASH_REF: &str = "c";

/// Every text of the conversation, and those the server answers with when it echoes payloads.
pub(super) struct Texts {
    pub(super) join: String,
    pub(super) crash: String,
    pub(super) join_reply: String,
    pub(super) heartbeat: String,
    pub(super) heartbeat_reply: String,
    pub(super) request: String,
    pub(super) request_reply: String,
    pub(super) broadcast: String,
    pub(super) delivery: String,
}

impl Texts {
    pub(super) fn new(conversation: &Conversation) -> anyhow::Result<Self> {
        let json = |text: &str| serde_json::to_string(text).context("a name is no JSON string");
        let topic = json(&conversation.topic)?;
        let request_event = json(&conversation.request_event)?;
        let broadcast_event = json(&conversation.broadcast_event)?;
        let join_payload = &conversation.join_payload;
        serde_json::from_str::<&RawValue>(join_payload)
            .with_context(|| format!("the join's payload {join_payload:?} is no JSON"))?;
        let request = padded("", conversation.request_bytes, "--request-bytes")?;
        let numbered = format!("\"n\":\"{BLANK}\",");
        let broadcast = padded(&numbered, conversation.broadcast_bytes, "--bytes")?;
        let reply = |join_ref: &str, reference: &str, topic: &str, response: &str| {
            let payload = format!(r#"{{"status":"ok","response":{response}}}"#);
            format!(r#"[{join_ref},"{reference}",{topic},"phx_reply",{payload}]"#)
        };
        Ok(Self {
            join: format!(r#"["{JOIN_REF}","{JOIN_REF}",{topic},"phx_join",{join_payload}]"#),
            crash: format!(r#"["{JOIN_REF}","{CRASH_REF}",{topic},"{CRASH_EVENT}",{{}}]"#),
            join_reply: reply("\"1\"", JOIN_REF, &topic, "{}"),
            heartbeat: format!(r#"[null,"{BLANK}","phoenix","heartbeat",{{}}]"#),
            heartbeat_reply: reply("null", BLANK, "\"phoenix\"", "{}"),
            request: format!(r#"["{JOIN_REF}","{BLANK}",{topic},{request_event},{request}]"#),
            request_reply: reply("\"1\"", BLANK, &topic, &request),
            broadcast: format!(
                r#"["{JOIN_REF}","{BROADCAST_REF}",{topic},{broadcast_event},{broadcast}]"#
            ),
            delivery: format!(r#"[null,null,{topic},{broadcast_event},{broadcast}]"#),
        })
    }
}

/// A JSON object of exactly `bytes` bytes that starts with `members`.
fn padded(members: &str, bytes: usize, option: &str) -> anyhow::Result<String> {
    let (head, tail) = (format!("{{{members}\"pad\":\""), "\"}");
    let bytes_min = head.len() + tail.len();
    ensure!(
        bytes >= bytes_min,
        "{option} {bytes} is too small, at least {bytes_min} are needed"
    );
    Ok(format!("{head}{}{tail}", "x".repeat(bytes - bytes_min)))
}

/// The number of a broadcast from its payload, in whatever order and with whatever spaces the
/// server wrote it again.
pub(super) fn broadcast_number(payload: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered<'a> {
        #[serde(borrow)]
        n: Cow<'a, str>,
    }
    let quick = payload
        .strip_prefix(r#"{"n":""#)
        .and_then(|rest| rest.get(..BLANK.len()));
    match quick.and_then(|digits| digits.parse().ok()) {
        Some(number) => Some(number),
        None => serde_json::from_str::<Numbered<'_>>(payload)
            .ok()?
            .n
            .parse()
            .ok(),
    }
}

/// The parts of a message that tell what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) reference: Option<Cow<'a, str>>,
    pub(super) topic: Cow<'a, str>,
    pub(super) event: Cow<'a, str>,
    pub(super) payload: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    /// Reads a message. None when it is no message of version 2.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        Self::parse_plain(text).or_else(|| Self::parse_any(text))
    }

    /// Compact JSON without an escape in the first four elements: what servers write. The
    /// generator shares the machine with the server, so it spends no more on a message than this.
    pub(super) fn parse_plain(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('[')?.strip_suffix(']')?;
        let (_join_ref, rest) = element(rest)?;
        let (reference, rest) = element(rest)?;
        let (topic, rest) = element(rest)?;
        let (event, payload) = element(rest)?;
        Some(Self {
            reference: reference.map(Cow::Borrowed),
            topic: Cow::Borrowed(topic?),
            event: Cow::Borrowed(event?),
            payload: Cow::Borrowed(payload),
        })
    }

    pub(super) fn parse_any(text: &'a str) -> Option<Self> {
        type Message = (IgnoredAny, Option<String>, String, String, Box<RawValue>);
        let (_, reference, topic, event, payload) = serde_json::from_str::<Message>(text).ok()?;
        Some(Self {
            reference: reference.map(Cow::Owned),
            topic: Cow::Owned(topic),
            event: Cow::Owned(event),
            payload: Cow::Owned(payload.get().to_owned()),
        })
    }

    /// Whether this reply says `ok`.
    pub(super) fn is_accepted(&self) -> bool {
        #[derive(Deserialize)]
        struct Reply<'a> {
            #[serde(borrow)]
            status: Cow<'a, str>,
        }
        self.payload.starts_with(r#"{"status":"ok","#)
            || serde_json::from_str::<Reply<'_>>(&self.payload)
                .is_ok_and(|reply| reply.status == "ok")
    }
}

/// One element, a string without escapes or null, and what follows its comma.
fn element(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = text.strip_prefix("null,") {
        return Some((None, rest));
    }
    let text = text.strip_prefix('"')?;
    let end = text
        .bytes()
        .position(|byte| byte == b'"' || byte == b'\\')?;
    let rest = text[end..].strip_prefix("\",")?;
    Some((Some(&text[..end]), rest))
}
