//! Phoenix's serializers: V2 with its binary frames, and V1.
//!
//! Reading borrows from the frame: fields without escapes are slices of it, and the payload is
//! checked to be JSON but not taken apart. Refs are opaque strings that come back verbatim.

mod binary;

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use vaxel_pubsub::Content;
use vaxel_websocket::{Frame, FrameBuilder};

use crate::vsn::Version;

pub(crate) use binary::Binary;

/// One message of a client.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) join_ref: Option<Cow<'a, str>>,
    pub(crate) reference: Option<Cow<'a, str>>,
    pub(crate) topic: Cow<'a, str>,
    pub(crate) event: Cow<'a, str>,
    pub(crate) payload: Given<'a>,
}

/// What a client's message carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'a> {
    Json(&'a RawValue),
    Bytes(&'a [u8]),
}

impl Given<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.get().len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    pub(crate) fn to_content(self) -> Content {
        match self {
            Self::Json(json) => Content::Json(json.to_owned()),
            Self::Bytes(bytes) => Content::Bytes(bytes.into()),
        }
    }
}

impl<'a> Incoming<'a> {
    /// Reads a text frame; the error says what is wrong with it.
    pub(crate) fn parse(version: Version, text: &'a str) -> Result<Self, serde_json::Error> {
        match version {
            Version::V2 => serde_json::from_str::<Array<'a>>(text).map(|array| array.0),
            Version::V1 => serde_json::from_str::<Object<'a>>(text).map(Into::into),
        }
    }
}

/// One message to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) join_ref: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    pub(crate) topic: &'a str,
    pub(crate) event: &'a str,
    pub(crate) payload: Body<'a>,
}

/// The payload of an [`Outgoing`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'a> {
    /// JSON as it is.
    Json(&'a str),
    /// `{"status":…,"response":…}`, the response being JSON as it is.
    Reply { status: &'a str, response: &'a str },
}

impl Outgoing<'_> {
    /// The answer to a message.
    pub(crate) fn reply<'a>(
        join_ref: Option<&'a str>,
        reference: Option<&'a str>,
        topic: &'a str,
        status: &'a str,
        response: &'a str,
    ) -> Outgoing<'a> {
        let payload = Body::Reply { status, response };
        Outgoing {
            join_ref,
            reference,
            topic,
            event: "phx_reply",
            payload,
        }
    }

    /// `phx_close` or `phx_error`: both carry the join's ref twice.
    pub(crate) fn end<'a>(
        join_ref: Option<&'a str>,
        topic: &'a str,
        event: &'a str,
        payload: &'a str,
    ) -> Outgoing<'a> {
        let payload = Body::Json(payload);
        Outgoing {
            join_ref,
            reference: join_ref,
            topic,
            event,
            payload,
        }
    }

    /// The message as one text frame.
    pub(crate) fn encode(&self, version: Version) -> Frame {
        let mut out = Frame::build_text_sized(self.bytes(version));
        match version {
            Version::V2 => self.write_v2(&mut out),
            Version::V1 => self.write_v1(&mut out),
        }
        out.finish()
    }

    /// The length of the message, exact unless a field needs escapes.
    fn bytes(&self, version: Version) -> usize {
        let reference = |reference: Option<&str>| reference.map_or(4, |text| text.len() + 2);
        let fields = self.topic.len() + self.event.len() + 4;
        let payload = match self.payload {
            Body::Json(json) => json.len(),
            Body::Reply { status, response } => {
                r#"{"status":"","response":}"#.len() + status.len() + response.len()
            }
        };
        let refs = reference(self.reference);
        match version {
            Version::V2 => "[,,,,]".len() + reference(self.join_ref) + refs + fields + payload,
            Version::V1 => {
                r#"{"topic":,"event":,"ref":,"payload":}"#.len() + refs + fields + payload
            }
        }
    }

    fn write_v2(&self, out: &mut FrameBuilder) {
        out.push(b"[");
        write_ref(out, self.join_ref);
        out.push(b",");
        write_ref(out, self.reference);
        out.push(b",");
        write_string(out, self.topic);
        out.push(b",");
        write_string(out, self.event);
        out.push(b",");
        self.payload.write(out);
        out.push(b"]");
    }

    fn write_v1(&self, out: &mut FrameBuilder) {
        out.push(br#"{"topic":"#);
        write_string(out, self.topic);
        out.push(br#","event":"#);
        write_string(out, self.event);
        out.push(br#","ref":"#);
        write_ref(out, self.reference);
        out.push(br#","payload":"#);
        self.payload.write(out);
        out.push(b"}");
    }
}

impl Body<'_> {
    fn write(&self, out: &mut FrameBuilder) {
        match self {
            Self::Json(json) => out.push(json.as_bytes()),
            Self::Reply { status, response } => {
                out.push(br#"{"status":"#);
                write_string(out, status);
                out.push(br#","response":"#);
                out.push(response.as_bytes());
                out.push(b"}");
            }
        }
    }
}

fn write_ref(out: &mut FrameBuilder, reference: Option<&str>) {
    match reference {
        Some(reference) => write_string(out, reference),
        None => out.push(b"null"),
    }
}

fn write_string(out: &mut FrameBuilder, text: &str) {
    // Almost every topic, event and ref is plain; only the others pay for the general way.
    if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        out.push(b"\"");
        out.push(text.as_bytes());
        out.push(b"\"");
    } else {
        serde_json::to_writer(out, text).expect("a builder takes every write");
    }
}

/// `[join_ref, ref, topic, event, payload, …]`
struct Array<'a>(Incoming<'a>);

impl<'de> Deserialize<'de> for Array<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArrayVisitor;

        impl<'de> Visitor<'de> for ArrayVisitor {
            type Value = Array<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of join_ref, ref, topic, event and payload")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let incoming = Incoming {
                    join_ref: required::<Option<Text<'_>>, A>(&mut seq, 0)?.map(text),
                    reference: required::<Option<Text<'_>>, A>(&mut seq, 1)?.map(text),
                    topic: required::<Text<'_>, A>(&mut seq, 2)?.0,
                    event: required::<Text<'_>, A>(&mut seq, 3)?.0,
                    payload: Given::Json(required(&mut seq, 4)?),
                };
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Array(incoming))
            }
        }

        deserializer.deserialize_seq(ArrayVisitor)
    }
}

fn required<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    seq: &mut A,
    index: usize,
) -> Result<T, A::Error> {
    let expected = "an array of join_ref, ref, topic, event and payload";
    seq.next_element()?
        .ok_or_else(|| de::Error::invalid_length(index, &expected))
}

/// `{"topic":…,"event":…,"payload":…,"ref":…}`
#[derive(serde::Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    topic: Text<'a>,
    #[serde(borrow)]
    event: Text<'a>,
    #[serde(borrow)]
    payload: &'a RawValue,
    // The key must be there even when it is null, so no default.
    #[serde(borrow, rename = "ref", deserialize_with = "Option::deserialize")]
    reference: Option<Text<'a>>,
    #[serde(borrow, default)]
    join_ref: Option<Text<'a>>,
}

impl<'a> From<Object<'a>> for Incoming<'a> {
    fn from(object: Object<'a>) -> Self {
        Incoming {
            join_ref: object.join_ref.map(text),
            reference: object.reference.map(text),
            topic: object.topic.0,
            event: object.event.0,
            payload: Given::Json(object.payload),
        }
    }
}

/// A string that is borrowed unless it has escapes. (serde's own `Cow` always owns.)
struct Text<'a>(Cow<'a, str>);

fn text(text: Text<'_>) -> Cow<'_, str> {
    text.0
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
#[path = "serializer/tests.rs"]
mod tests;
