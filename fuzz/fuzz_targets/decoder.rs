//! `cargo +nightly fuzz run decoder`: arbitrary bytes, cut in arbitrary places.
//!
//! The first byte chooses the role and whether permessage-deflate was agreed upon, the second how
//! long the pieces are. Whole or in pieces, the same messages and the same error must come out,
//! within the limits, and little input may be left.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vaxel_websocket::deflate::Inflater;
use vaxel_websocket::{Config, Decoder, ProtocolError, Role};

const MESSAGE_BYTES_MAX: usize = 4_096;

fuzz_target!(|input: &[u8]| {
    let [options, piece_bytes, bytes @ ..] = input else {
        return;
    };
    let config = Config {
        role: match options & 1 {
            0 => Role::Server,
            _ => Role::Client,
        },
        frame_bytes_max: 1_024,
        message_bytes_max: MESSAGE_BYTES_MAX,
    };
    let is_compressed = options & 2 != 0;
    let whole = decode(&config, is_compressed, bytes, usize::MAX);
    let pieces = decode(&config, is_compressed, bytes, usize::from(*piece_bytes).max(1));
    assert_eq!(whole, pieces);
});

/// Every message as text, and how it ended.
fn decode(
    config: &Config,
    is_compressed: bool,
    bytes: &[u8],
    piece_bytes: usize,
) -> (Vec<String>, Option<ProtocolError>) {
    let (mut decoder, mut inflater) = (Decoder::new(), Inflater::new());
    let (mut kept, mut messages) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece_bytes) {
        kept.extend_from_slice(piece);
        let mut used = 0;
        loop {
            let inflater = is_compressed.then_some(&mut inflater);
            match decoder.decode_with(config, inflater, &mut kept[used..]) {
                Err(error) => return (messages, Some(error)),
                Ok(decoded) => {
                    used += decoded.consumed;
                    let Some(message) = decoded.message else { break };
                    messages.push(format!("{message:?}"));
                }
            }
        }
        kept.drain(..used);
        assert!(kept.len() <= Decoder::INPUT_KEPT_BYTES_MAX);
    }
    (messages, None)
}
