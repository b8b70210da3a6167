//! What a client asks for over HTTP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::socket::dispatch::Raw;

/// A base64 line longer than this is no message (the npm client's own bound).
const BASE64_CHARS_MAX: usize = 10_000_000;

/// One message as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    Binary(Vec<u8>),
    /// Neither; dispatching it ends the session, as a malformed frame ends a WebSocket.
    Malformed,
}

impl Line {
    pub(super) fn raw(&self) -> Raw<'_> {
        match self {
            Self::Text(text) => Raw::Text(text),
            Self::Binary(bytes) => Raw::Binary(bytes),
            Self::Malformed => Raw::Binary(&[]),
        }
    }
}

/// The messages of a body, one a line or one in all, and how many beyond the bound are left out.
pub(super) fn lines(headers: &HeaderMap, body: &[u8], batch_max: usize) -> (Vec<Line>, usize) {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type != Some(b"application/x-ndjson") {
        return (vec![text(body)], 0);
    }
    let lines = body.split(|&byte| byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut lines = lines.filter(|line| !line.is_empty());
    let taken = lines.by_ref().take(batch_max).map(line).collect();
    (taken, lines.count())
}

fn line(line: &[u8]) -> Line {
    if line.starts_with(b"[") {
        return text(line);
    }
    match STANDARD.decode(line) {
        Ok(bytes) if line.len() <= BASE64_CHARS_MAX => Line::Binary(bytes),
        _ => Line::Malformed,
    }
}

fn text(bytes: &[u8]) -> Line {
    std::str::from_utf8(bytes).map_or(Line::Malformed, |text| Line::Text(text.to_owned()))
}

/// The session's token: from the header of newer clients, else from the query.
pub(super) fn token<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    let header = headers.get("x-phoenix-longpoll-token");
    header.and_then(|token| token.to_str().ok()).or(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ndjson(body: &str, batch_max: usize) -> (Vec<Line>, usize) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/x-ndjson".parse().unwrap());
        lines(&headers, body.as_bytes(), batch_max)
    }

    #[test]
    fn a_line_is_a_message_of_text_or_bytes() {
        let text = |text: &str| Line::Text(text.to_owned());
        assert_eq!(
            ndjson("[1]\r\n[2]\n", 100),
            (vec![text("[1]"), text("[2]")], 0)
        );
        assert_eq!(ndjson("AAEC", 100).0, [Line::Binary(vec![0, 1, 2])]);
        assert_eq!(ndjson("{}\n[1]", 100).0, [Line::Malformed, text("[1]")]);
        assert_eq!(ndjson("", 100), (vec![], 0));
        assert_eq!(ndjson("[1]\n[2]\n[3]\n", 1), (vec![text("[1]")], 2));
    }

    #[test]
    fn any_other_type_is_one_message() {
        let body = b"{\"topic\":\n1}";
        let one = |body| lines(&HeaderMap::new(), body, 100);
        let expected = Line::Text("{\"topic\":\n1}".to_owned());
        assert_eq!(one(body), (vec![expected], 0));
        assert_eq!(one(b"\xff"), (vec![Line::Malformed], 0));
    }
}
