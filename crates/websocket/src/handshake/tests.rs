use proptest::prelude::*;

use super::*;

/// The key and its answer of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(lines: &[&str]) -> Vec<u8> {
    let mut bytes = lines.join("\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

#[test]
fn the_accept_key_is_that_of_the_rfc() {
    assert_eq!(accept_key(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn both_ends_agree() {
    let sent = client_request(
        "localhost",
        "/a/b?c=d?e",
        KEY,
        &["x", "phoenix"],
        &[("foo", "bar")],
    );
    let head = RequestHead::parse(&sent).unwrap().unwrap();
    assert_eq!((head.path(), head.query()), ("/a/b", "c=d?e"));
    assert_eq!(head.header("FOO"), Some("bar"));
    assert_eq!(head.subprotocols().collect::<Vec<_>>(), ["x", "phoenix"]);
    assert_eq!(head.head_bytes(), sent.len());
    assert!(head.is_upgrade());

    let mut answer = accept(head.websocket_key().unwrap(), Some("phoenix"));
    let head_bytes = answer.len();
    answer.extend_from_slice(b"frames");
    let opened = check_response(&answer, KEY).unwrap().unwrap();
    assert_eq!(
        opened,
        ClientHandshake {
            head_bytes,
            subprotocol: Some("phoenix".into())
        }
    );
    for short in 0..head_bytes {
        assert_eq!(check_response(&answer[..short], KEY), Ok(None));
    }
    let other = encode_key([1; 16]);
    assert_eq!(check_response(&answer, &other), Err(ResponseError::Accept));
}

#[test]
fn a_refusal_carries_its_status() {
    let answer = b"HTTP/1.1 403 Forbidden\r\n\r\n";
    assert_eq!(check_response(answer, KEY), Err(ResponseError::Status(403)));
}

#[test]
fn nothing_is_smuggled_through_a_subprotocol() {
    assert_eq!(accept(KEY, Some("a\r\nset-cookie: b")), accept(KEY, None));
}

#[test]
fn an_upgrade_may_be_one_of_several_tokens() {
    let sent = request(&[
        "GET / HTTP/1.1",
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
    ]);
    assert!(RequestHead::parse(&sent).unwrap().unwrap().is_upgrade());
    let sent = request(&[
        "POST / HTTP/1.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ]);
    assert!(!RequestHead::parse(&sent).unwrap().unwrap().is_upgrade());
}

#[test]
fn each_missing_part_has_its_error() {
    let good = [
        "GET / HTTP/1.1",
        "host: x",
        "sec-websocket-version: 13",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let check = |lines: &[&str]| {
        let sent = request(lines);
        let head = RequestHead::parse(&sent).unwrap().unwrap();
        head.websocket_key().map(str::to_owned)
    };
    assert_eq!(check(&good), Ok(KEY.to_owned()));
    let cases = [
        (0, "GET / HTTP/1.0", HandshakeError::HttpVersion, 400),
        (1, "x: y", HandshakeError::Host, 400),
        (2, "sec-websocket-version: 8", HandshakeError::Version, 426),
        (3, "connection: close", HandshakeError::Upgrade, 400),
        (4, "x: y", HandshakeError::Upgrade, 400),
        (5, "sec-websocket-key: c2hvcnQ=", HandshakeError::Key, 400),
    ];
    for (line, replacement, error, status) in cases {
        let mut lines = good;
        lines[line] = replacement;
        assert_eq!(check(&lines), Err(error));
        assert_eq!(error.status(), status);
    }
}

#[test]
fn too_many_headers_are_refused() {
    let mut lines = vec!["GET / HTTP/1.1"];
    lines.resize(RequestHead::HEADERS_MAX + 2, "x: y");
    let error = RequestHead::parse(&request(&lines)).unwrap_err();
    assert_eq!(
        (error, error.status()),
        (HandshakeError::TooManyHeaders, 431)
    );
}

proptest! {
    #[test]
    fn random_heads_never_panic(bytes: Vec<u8>) {
        let _ = check_response(&bytes, KEY);
        if let Ok(Some(head)) = RequestHead::parse(&bytes) {
            let _ = (head.is_upgrade(), head.websocket_key().is_ok(), head.subprotocols().count());
        }
    }
}
