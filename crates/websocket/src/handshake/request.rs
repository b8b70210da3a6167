//! The head of a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::HandshakeError;

/// The head of an HTTP/1 request, borrowed from the bytes it was parsed from.
#[derive(Debug)]
pub struct RequestHead<'a> {
    method: &'a str,
    target: &'a str,
    minor_version: u8,
    headers: [httparse::Header<'a>; RequestHead::HEADERS_MAX],
    header_count: usize,
    head_bytes: usize,
}

impl<'a> RequestHead<'a> {
    /// Headers that a head may have. Browsers send about twenty, proxies add a dozen.
    pub const HEADERS_MAX: usize = 64;

    /// Parses the head at the start of `input`; `None` when it is not complete yet.
    pub fn parse(input: &'a [u8]) -> Result<Option<Self>, HandshakeError> {
        let mut headers = [httparse::EMPTY_HEADER; Self::HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let head_bytes = match request.parse(input) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HandshakeError::TooManyHeaders),
            Err(_) => return Err(HandshakeError::Malformed),
        };
        let (Some(method), Some(target), Some(minor_version)) =
            (request.method, request.path, request.version)
        else {
            return Err(HandshakeError::Malformed);
        };
        let header_count = request.headers.len();
        Ok(Some(Self {
            method,
            target,
            minor_version,
            headers,
            header_count,
            head_bytes,
        }))
    }

    /// Bytes of the head, including the empty line that ends it.
    pub fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// The method, such as `GET`.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The path, as sent: percent-encoded, without the query.
    pub fn path(&self) -> &'a str {
        self.target
            .split_once('?')
            .map_or(self.target, |(path, _)| path)
    }

    /// What follows the first question mark, as sent; empty without one.
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// All headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.headers[..self.header_count]
            .iter()
            .map(|header| (header.name, header.value))
    }

    /// The first header of that name, in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The members of a comma-separated header, over all its lines, trimmed, without empty ones.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|v| !v.is_empty())
    }

    /// The subprotocols that the client offers, best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> {
        self.list("sec-websocket-protocol")
    }

    /// What the client offers besides the protocol itself, a value for each line.
    pub fn extensions(&self) -> impl Iterator<Item = &'a str> {
        self.values("sec-websocket-extensions")
    }

    /// Whether the client asks for a WebSocket: `GET`, `Connection: upgrade` and
    /// `Upgrade: websocket`. Says nothing about the rest of the handshake.
    pub fn is_upgrade(&self) -> bool {
        let has = |name, token| {
            self.list(name)
                .any(|member| member.eq_ignore_ascii_case(token))
        };
        self.method == "GET" && has("connection", "upgrade") && has("upgrade", "websocket")
    }

    /// Checks the whole handshake and gives the key to answer with.
    pub fn websocket_key(&self) -> Result<&'a str, HandshakeError> {
        if !self.is_upgrade() {
            return Err(HandshakeError::Upgrade);
        }
        if self.minor_version != 1 {
            return Err(HandshakeError::HttpVersion);
        }
        if self.header("host").is_none() {
            return Err(HandshakeError::Host);
        }
        if self.header("sec-websocket-version") != Some("13") {
            return Err(HandshakeError::Version);
        }
        let key = self
            .header("sec-websocket-key")
            .ok_or(HandshakeError::Key)?;
        match STANDARD.decode(key) {
            Ok(bytes) if bytes.len() == 16 => Ok(key),
            _ => Err(HandshakeError::Key),
        }
    }

    fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n, '_> {
        self.headers()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }
}
