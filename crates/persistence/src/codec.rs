//! How events and states become bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be encoded: {0}")]
pub struct EncodeError(String);

/// Stored bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be decoded: {0}")]
pub struct DecodeError(String);

impl EncodeError {
    /// For codecs of your own.
    pub fn new(cause: impl std::fmt::Display) -> Self {
        EncodeError(cause.to_string())
    }
}

impl DecodeError {
    /// For codecs and upcasts of your own.
    pub fn new(cause: impl std::fmt::Display) -> Self {
        DecodeError(cause.to_string())
    }
}

/// A format of stored events and states.
pub trait Codec: 'static {
    /// Encodes a value.
    ///
    /// # Errors
    /// When the format cannot express it.
    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError>;

    /// Decodes a value.
    ///
    /// # Errors
    /// When the bytes are not one.
    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError>;
}

/// JSON: readable in the database, and forgiving when fields are added with a default.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Codec for Json {
    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
        serde_json::to_vec(value).map_err(EncodeError::new)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        serde_json::from_slice(bytes).map_err(DecodeError::new)
    }
}

/// Postcard: small and fast. Every change of a type is a new version.
#[derive(Debug, Clone, Copy)]
pub struct Postcard;

impl Codec for Postcard {
    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
        postcard::to_allocvec(value).map_err(EncodeError::new)
    }

    fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
        postcard::from_bytes(bytes).map_err(DecodeError::new)
    }
}
