//! The client's side of the handshake.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::accept_key;

/// Why a server's answer does not open a connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The bytes are no HTTP/1 response head.
    #[error("malformed response head")]
    Malformed,
    /// The server answered with another status than 101.
    #[error("server answered with status {0}")]
    Status(u16),
    /// `Upgrade` or `Connection` is missing or says something else.
    #[error("answer does not upgrade to websocket")]
    Upgrade,
    /// `Sec-WebSocket-Accept` does not belong to the key.
    #[error("sec-websocket-accept does not match the key")]
    Accept,
}

/// What the server agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHandshake {
    /// Bytes of the answer's head; frames follow it.
    pub head_bytes: usize,
    /// The subprotocol that the server selected.
    pub subprotocol: Option<String>,
}

/// The value of `Sec-WebSocket-Key` for sixteen random bytes.
pub fn encode_key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

/// A client's request. `host` is what goes into the `Host` header, `target` path and query, `key`
/// comes from [`encode_key`]; `headers` are added as they are.
pub fn client_request(
    host: &str,
    target: &str,
    key: &str,
    subprotocols: &[&str],
    headers: &[(&str, &str)],
) -> Vec<u8> {
    let mut request = format!(
        "GET {target} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n"
    );
    if !subprotocols.is_empty() {
        request += &format!("sec-websocket-protocol: {}\r\n", subprotocols.join(", "));
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request.into_bytes()
}

/// Reads the answer at the start of `input`; `None` when it is not complete yet.
pub fn check_response(input: &[u8], key: &str) -> Result<Option<ClientHandshake>, ResponseError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head_bytes = match response.parse(input) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(ResponseError::Malformed),
    };
    match response.code {
        Some(101) => {}
        Some(status) => return Err(ResponseError::Status(status)),
        None => return Err(ResponseError::Malformed),
    }
    let header = |name: &str| {
        let found = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found
            .and_then(|header| std::str::from_utf8(header.value).ok())
            .map(str::trim)
    };
    let says = |name, token: &str| {
        let mut members = header(name).unwrap_or("").split(',');
        members.any(|member| member.trim().eq_ignore_ascii_case(token))
    };
    if !says("upgrade", "websocket") || !says("connection", "upgrade") {
        return Err(ResponseError::Upgrade);
    }
    if header("sec-websocket-accept") != Some(accept_key(key).as_str()) {
        return Err(ResponseError::Accept);
    }
    let subprotocol = header("sec-websocket-protocol").map(str::to_owned);
    Ok(Some(ClientHandshake {
        head_bytes,
        subprotocol,
    }))
}
