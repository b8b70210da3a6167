//! `cargo +nightly fuzz run handshake`: arbitrary request heads, and answers to them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vaxel_websocket::deflate::negotiate;
use vaxel_websocket::handshake::{RequestHead, accept_with, check_response, encode_key};

fuzz_target!(|input: &[u8]| {
    _ = check_response(input, &encode_key([7; 16]));
    let Ok(Some(head)) = RequestHead::parse(input) else {
        return;
    };
    assert!(head.head_bytes() <= input.len());
    let agreement = negotiate(head.extensions());
    let Ok(key) = head.websocket_key() else {
        return;
    };
    for subprotocol in head.subprotocols().map(Some).chain([None]) {
        let answer = accept_with(key, subprotocol, agreement);
        // Nothing that the client sent ends the head early.
        let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
        assert_eq!(end, Some(answer.len() - 4));
        assert!(matches!(check_response(&answer, key), Ok(Some(_))));
    }
});
