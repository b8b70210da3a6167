//! What a client sent along with an event.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::channel::membership::Permit;

/// The payload of a message: JSON text that has been checked but not taken apart.
///
/// While a payload that came from a client is alive, its bytes count against what that
/// connection may have in flight (see [`Limits`](crate::Limits)); a channel that keeps payloads
/// should keep what [`parse`](Self::parse) returns instead.
pub struct Payload {
    json: Box<RawValue>,
    _permit: Option<Permit>,
}

/// A payload has another shape than the one asked for.
#[derive(Debug, thiserror::Error)]
#[error("the payload does not have the expected shape")]
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
    pub(crate) fn new(json: Box<RawValue>, permit: Option<Permit>) -> Self {
        Self {
            json,
            _permit: permit,
        }
    }

    /// The payload as JSON text, as the client wrote it.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// The same as a value that serde passes through unchanged.
    pub fn raw(&self) -> &RawValue {
        &self.json
    }

    /// The payload read as a `T`.
    ///
    /// # Errors
    /// [`PayloadError`] when it has another shape. With `?` in a channel it becomes an error
    /// reply whose reason says what was expected.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        Ok(serde_json::from_str(self.json())?)
    }

    pub(crate) fn into_json(self) -> Box<RawValue> {
        self.json
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
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
