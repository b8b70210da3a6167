//! What a client sent along with an event.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vaxel_pubsub::Content;

use crate::channel::membership::Permit;

/// The payload of a message: JSON text that has been checked but not taken apart, or the bytes of
/// a binary message.
///
/// While a payload that came from a client is alive, its bytes count against what that
/// connection may have in flight (see [`Limits`](crate::Limits)); a channel that keeps payloads
/// should keep what [`parse`](Self::parse) returns instead.
pub struct Payload {
    content: Content,
    _permit: Option<Permit>,
}

/// A payload has another shape than the one asked for.
#[derive(Debug, thiserror::Error)]
#[error("the payload does not have the expected shape")]
#[non_exhaustive]
pub struct PayloadError {
    #[from]
    source: serde_json::Error,
}

impl PayloadError {
    /// What is wrong, and where in the payload. It says nothing that the client did not send or
    /// that the expected type does not spell out, so a client may see it.
    pub fn detail(&self) -> String {
        self.source.to_string()
    }
}

impl Payload {
    pub(crate) fn new(content: Content, permit: Option<Permit>) -> Self {
        Self {
            content,
            _permit: permit,
        }
    }

    /// The payload as JSON text, as the client wrote it; `null` where it is
    /// [bytes](Self::bytes).
    pub fn json(&self) -> &str {
        self.raw().get()
    }

    /// The same as a value that serde passes through unchanged.
    pub fn raw(&self) -> &RawValue {
        self.content.json().unwrap_or(RawValue::NULL)
    }

    /// The bytes of a binary message; `None` where the payload is JSON.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.content.bytes()
    }

    /// The length in bytes, of the JSON text or of the bytes.
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Whether it is a binary message without bytes.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// What a client sent, without counting against its connection any more.
    pub fn into_content(self) -> Content {
        self.content
    }

    /// The payload read as a `T`.
    ///
    /// # Errors
    /// [`PayloadError`] when it has another shape. With `?` in a channel it becomes an error
    /// reply whose reason says what was expected. A payload of bytes has no shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        let Some(json) = self.content.json() else {
            let source = serde::de::Error::custom("bytes where JSON is expected");
            return Err(PayloadError { source });
        };
        Ok(serde_json::from_str(json.get())?)
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.content.serialize(serializer)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.content, f)
    }
}

/// Serialises what an application sends.
///
/// # Panics
/// When the value has no JSON form.
#[track_caller]
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    match serde_json::value::to_raw_value(value) {
        Ok(json) => json,
        Err(error) => panic!("a payload has no JSON form: {error}"),
    }
}
