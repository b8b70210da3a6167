//! What a message carries: JSON or bytes.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

/// What a message carries: JSON that has been serialised, or bytes as they are.
///
/// Bytes reach clients in binary frames. Serialised into JSON they become an array of numbers,
/// which is what serde makes of bytes.
#[derive(Clone)]
pub enum Content {
    /// JSON text that has been checked.
    Json(Box<RawValue>),
    /// Bytes as they are.
    Bytes(Box<[u8]>),
}

impl Content {
    /// The JSON, unless it is bytes.
    pub fn json(&self) -> Option<&RawValue> {
        match self {
            Self::Json(json) => Some(json),
            Self::Bytes(_) => None,
        }
    }

    /// The bytes, unless it is JSON.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Json(_) => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(json) => json.get().len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes in it; JSON is never empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl From<Box<RawValue>> for Content {
    fn from(json: Box<RawValue>) -> Self {
        Self::Json(json)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(json) => f.write_str(json.get()),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}
