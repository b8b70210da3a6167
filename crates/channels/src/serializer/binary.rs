//! V2's binary frames: a kind, the lengths of the fields, the fields, and the payload as it is.
//!
//! Lengths are single bytes, so a field longer than 255 bytes cannot be sent this way.

use std::borrow::Cow;

use vaxel_websocket::Frame;

use super::{Given, Incoming};

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

impl<'a> Incoming<'a> {
    /// Reads a binary frame: a push with four fields. An empty ref is null.
    pub(crate) fn parse_binary(frame: &'a [u8]) -> Option<Self> {
        let &[PUSH, join_ref, reference, topic, event, ref rest @ ..] = frame else {
            return None;
        };
        let mut rest = rest;
        let mut field = |length: u8| -> Option<Cow<'a, str>> {
            let (field, after) = rest.split_at_checked(usize::from(length))?;
            rest = after;
            std::str::from_utf8(field).ok().map(Cow::Borrowed)
        };
        let (join_ref, reference) = (field(join_ref)?, field(reference)?);
        let (topic, event) = (field(topic)?, field(event)?);
        let some = |reference: Cow<'a, str>| (!reference.is_empty()).then_some(reference);
        Some(Self {
            join_ref: some(join_ref),
            reference: some(reference),
            topic,
            event,
            payload: Given::Bytes(rest),
        })
    }
}

/// One binary message to a client. A push has no ref.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Binary<'a> {
    Push {
        join_ref: Option<&'a str>,
        topic: &'a str,
        event: &'a str,
    },
    Reply {
        join_ref: Option<&'a str>,
        reference: Option<&'a str>,
        topic: &'a str,
        status: &'a str,
    },
    Broadcast {
        topic: &'a str,
        event: &'a str,
    },
}

impl Binary<'_> {
    /// The message as one binary frame; `None` when a field is longer than 255 bytes.
    pub(crate) fn encode(&self, payload: &[u8]) -> Option<Frame> {
        match *self {
            Self::Push {
                join_ref,
                topic,
                event,
            } => encode(PUSH, &[join_ref.unwrap_or(""), topic, event], payload),
            Self::Reply {
                join_ref,
                reference,
                topic,
                status,
            } => {
                let (join_ref, reference) = (join_ref.unwrap_or(""), reference.unwrap_or(""));
                encode(REPLY, &[join_ref, reference, topic, status], payload)
            }
            Self::Broadcast { topic, event } => encode(BROADCAST, &[topic, event], payload),
        }
    }
}

fn encode(kind: u8, fields: &[&str], payload: &[u8]) -> Option<Frame> {
    let mut out = Frame::build_binary();
    out.push(&[kind]);
    for field in fields {
        out.push(&[u8::try_from(field.len()).ok()?]);
    }
    for field in fields {
        out.push(field.as_bytes());
    }
    out.push(payload);
    Some(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_push_of_the_npm_client_is_read() {
        let frame = b"\x00\x01\x01\x06\x0368room:1bin\x01\x02";
        let push = Incoming::parse_binary(frame).unwrap();
        assert_eq!(push.join_ref.as_deref(), Some("6"));
        assert_eq!(push.reference.as_deref(), Some("8"));
        assert_eq!((&*push.topic, &*push.event), ("room:1", "bin"));
        assert_eq!(push.payload.to_content().bytes(), Some(&[1, 2][..]));
    }

    #[test]
    fn empty_refs_are_null_and_frames_cut_off_are_malformed() {
        let push = Incoming::parse_binary(b"\x00\x00\x00\x01\x01te").unwrap();
        assert_eq!((push.join_ref, push.reference), (None, None));
        for malformed in [
            &b""[..],
            b"\x00\x00",
            b"\x07\x00\x00\x00\x00",
            b"\x00\x00\x00\x02\x01te",
            b"\x00\x00\x00\x01\x01\xffe",
        ] {
            assert!(Incoming::parse_binary(malformed).is_none(), "{malformed:?}");
        }
    }

    #[test]
    fn messages_have_the_bytes_that_the_npm_client_accepts() {
        let (join_ref, topic) = (Some("6"), "room:1");
        let reply = Binary::Reply {
            join_ref,
            reference: Some("8"),
            topic,
            status: "ok",
        };
        let push = Binary::Push {
            join_ref,
            topic,
            event: "pbin",
        };
        let broadcast = Binary::Broadcast {
            topic,
            event: "bbin",
        };
        let bytes = |message: Binary<'_>, payload| message.encode(payload).unwrap();
        assert_eq!(
            bytes(reply, &[1, 2, 3, 4]).payload(),
            b"\x01\x01\x01\x06\x0268room:1ok\x01\x02\x03\x04"
        );
        assert_eq!(
            bytes(push, &[9]).payload(),
            b"\x00\x01\x06\x046room:1pbin\x09"
        );
        assert_eq!(
            bytes(broadcast, &[8, 8]).payload(),
            b"\x02\x06\x04room:1bbin\x08\x08"
        );
    }

    #[test]
    fn a_field_of_more_than_255_bytes_has_no_binary_form() {
        let long = "t".repeat(256);
        let broadcast = |topic| Binary::Broadcast { topic, event: "e" };
        assert!(broadcast(&long).encode(&[]).is_none());
        assert!(broadcast(&long[..255]).encode(&[]).is_some());
    }

    proptest! {
        #[test]
        fn any_frame_is_read_or_refused(frame in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(push) = Incoming::parse_binary(&frame) {
                prop_assert!(push.payload.len() < frame.len());
            }
        }
    }
}
