//! The opening handshake (RFC 6455, section 4), for both ends.
//!
//! A server parses the head with [`RequestHead::parse`], checks it with
//! [`RequestHead::websocket_key`] and answers with [`accept`]. A client sends
//! [`client_request`] and reads the answer with [`check_response`].

mod client;
mod request;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::deflate::Agreement;

pub use client::{ClientHandshake, ResponseError, check_response, client_request, encode_key};
pub use request::RequestHead;

/// Why a request is no valid WebSocket handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The bytes are no HTTP/1 request head.
    #[error("malformed request head")]
    Malformed,
    /// More headers than fit ([`RequestHead::HEADERS_MAX`]).
    #[error("too many headers")]
    TooManyHeaders,
    /// Not a `GET` that asks to upgrade to `websocket`.
    #[error("request does not upgrade to websocket")]
    Upgrade,
    /// Not HTTP/1.1.
    #[error("a websocket needs http/1.1")]
    HttpVersion,
    /// `Host` is missing.
    #[error("host header is missing")]
    Host,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("websocket version is not 13")]
    Version,
    /// `Sec-WebSocket-Key` is missing or not 16 bytes in base64.
    #[error("sec-websocket-key is missing or malformed")]
    Key,
}

impl HandshakeError {
    /// The HTTP status to refuse the request with.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooManyHeaders => 431,
            Self::Version => 426,
            _ => 400,
        }
    }
}

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
pub fn accept_key(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.digest().bytes())
}

/// The server's answer that opens the connection.
///
/// `subprotocol` must be one of those the client offered; one that is no HTTP token is left out,
/// so that nothing can be smuggled into the head.
pub fn accept(key: &str, subprotocol: Option<&str>) -> Vec<u8> {
    accept_with(key, subprotocol, None)
}

/// The same, with permessage-deflate when that has been agreed upon
/// ([`negotiate`](crate::deflate::negotiate)).
pub fn accept_with(key: &str, subprotocol: Option<&str>, deflate: Option<Agreement>) -> Vec<u8> {
    let mut answer = Vec::with_capacity(288);
    answer.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-accept: ",
    );
    answer.extend_from_slice(accept_key(key).as_bytes());
    if let Some(subprotocol) = subprotocol.filter(|name| is_token(name)) {
        answer.extend_from_slice(b"\r\nsec-websocket-protocol: ");
        answer.extend_from_slice(subprotocol.as_bytes());
    }
    if let Some(agreement) = deflate {
        answer.extend_from_slice(b"\r\nsec-websocket-extensions: ");
        answer.extend_from_slice(agreement.to_string().as_bytes());
    }
    answer.extend_from_slice(b"\r\n\r\n");
    answer
}

/// Whether `name` is a token of HTTP (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
