use std::num::NonZero;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Config, Decoder, Frame, Header, Message, Opcode, ProtocolError, Role, Wire};

const CLIENT: Config = Config {
    role: Role::Client,
    frame_bytes_max: 1 << 20,
    message_bytes_max: 100_000,
};

/// Compresses whatever is longer than a control frame.
fn eager() -> Deflater {
    Deflater::new(Compression {
        payload_bytes_min: 0,
        ..Compression::default()
    })
}

fn bits(bits: u8) -> NonZero<u8> {
    NonZero::new(bits).unwrap()
}

/// The one message in `bytes`, which arrive in pieces of `piece_bytes`.
fn decode(bytes: &[u8], piece_bytes: usize) -> Result<Vec<u8>, ProtocolError> {
    let (mut decoder, mut inflater, mut kept) = (Decoder::new(), Inflater::new(), Vec::new());
    for piece in bytes.chunks(piece_bytes) {
        kept.extend_from_slice(piece);
        let decoded = decoder.decode_with(&CLIENT, Some(&mut inflater), &mut kept)?;
        let consumed = decoded.consumed;
        match decoded.message {
            None => {}
            Some(Message::Text(text)) => return Ok(text.as_bytes().to_vec()),
            Some(Message::Binary(bytes)) => return Ok(bytes.to_vec()),
            Some(other) => panic!("awaited data, got {other:?}"),
        }
        kept.drain(..consumed);
    }
    panic!("awaited a message")
}

/// A frame of a server with the bit of compressed messages.
fn raw(is_final: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        is_final,
        reserved: match opcode {
            Opcode::Continuation => 0,
            _ => Header::COMPRESSED,
        },
        ..Header::new(opcode, payload.len())
    };
    [&header.encode()[..header.encoded_bytes()], payload].concat()
}

/// Bytes with repetitions near and far.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..300),
        (0..4u8, 0..900usize).prop_map(|(byte, count)| vec![byte; count]),
    ];
    (vec(piece, 0..8), 1..4usize).prop_map(|(pieces, times)| pieces.concat().repeat(times))
}

proptest! {
    #[test]
    fn what_is_compressed_comes_back(
        payload in payload(), window in 9..=15u8, piece_bytes in 1..3_000usize, has_twin: bool,
    ) {
        let mut deflater = eager();
        let frame = Frame::binary(&payload);
        let frame = if has_twin { frame.with_twin() } else { frame };
        let wire = frame.compressed(bits(window), &mut deflater).to_bytes();
        prop_assert!(wire.len() <= frame.as_bytes().len());
        prop_assert_eq!(decode(&wire, piece_bytes), Ok(payload));
    }

    #[test]
    fn no_distance_leaves_the_window(
        payload in payload(), window in 9..=15u8, has_twin: bool,
    ) {
        let mut deflater = eager();
        let frame = Frame::binary(&payload);
        let frame = if has_twin { frame.with_twin() } else { frame };
        let wire = frame.compressed(bits(window), &mut deflater).to_bytes();
        let (header, head) = Header::parse(&wire).unwrap().unwrap();
        prop_assume!(header.reserved == Header::COMPRESSED);
        // An inflater with that window; output in small pieces, so that it has to use it.
        let mut inflater = Decompress::new_with_window_bits(false, window);
        let (mut out, mut at) = (Vec::new(), head);
        let mut room = [0; 64];
        loop {
            let (read, written) = (inflater.total_in(), inflater.total_out());
            inflater.decompress(&wire[at..], &mut room, FlushDecompress::Sync).unwrap();
            at += (inflater.total_in() - read) as usize;
            let count = (inflater.total_out() - written) as usize;
            out.extend_from_slice(&room[..count]);
            if at == wire.len() && count < room.len() {
                break;
            }
        }
        prop_assert_eq!(out, payload);
    }

    #[test]
    fn random_compressed_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..500), cut: usize, is_text: bool,
    ) {
        let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
        let cut = cut % (bytes.len() + 1);
        let fragments =
            [raw(false, opcode, &bytes[..cut]), raw(true, Opcode::Continuation, &bytes[cut..])];
        let whole = decode(&raw(true, opcode, &bytes), usize::MAX);
        prop_assert_eq!(decode(&fragments.concat(), 7), whole);
    }
}

/// The library has panicked on long messages before.
#[test]
fn every_level_takes_every_length() {
    for level in 0..=9 {
        let mut deflater = Deflater::new(Compression {
            payload_bytes_min: 0,
            level,
        });
        for length in [1, 200, 16_000, 33_000, 66_000, 100_000] {
            let json = (0..).flat_map(|n: u32| {
                format!("{{\"id\":{n},\"x\":0.{}}},", n.wrapping_mul(n)).into_bytes()
            });
            let json: Vec<u8> = json.take(length).collect();
            let dense: Vec<u8> = dense().take(length).collect();
            let half = [&json[..length / 2], &dense[length / 2..]].concat();
            for payload in [vec![7; length], json, dense, half] {
                for window in [9, 12, 15] {
                    let frame = Frame::binary(&payload);
                    let wire = frame.compressed(bits(window), &mut deflater).to_bytes();
                    assert_eq!(decode(&wire, usize::MAX), Ok(payload.clone()));
                }
            }
        }
    }
}

/// Bytes that do not shrink.
fn dense() -> impl Iterator<Item = u8> {
    let mut state = 1u32;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
}

/// The examples of RFC 7692, section 7.2.3.
#[test]
fn the_examples_of_the_rfc_inflate() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(
        decode(&raw(true, Opcode::Text, &hello), 100).unwrap(),
        b"Hello"
    );
    let fragments = [
        raw(false, Opcode::Text, &hello[..3]),
        raw(true, Opcode::Continuation, &hello[3..]),
    ];
    assert_eq!(decode(&fragments.concat(), 100).unwrap(), b"Hello");
    let stored = [
        0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
    ];
    assert_eq!(
        decode(&raw(true, Opcode::Text, &stored), 100).unwrap(),
        b"Hello"
    );
    let with_final_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let frame = raw(true, Opcode::Text, &with_final_block);
    assert_eq!(decode(&frame, 100).unwrap(), b"Hello");
    let two_blocks = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0,
    ];
    assert_eq!(
        decode(&raw(true, Opcode::Text, &two_blocks), 100).unwrap(),
        b"Hello"
    );
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let zeros = vec![0; CLIENT.message_bytes_max];
    let mut deflater = eager();
    let mut frame = |payload: &[u8]| {
        let frame = Frame::binary(payload);
        frame.compressed(bits(15), &mut deflater).to_bytes()
    };
    assert_eq!(decode(&frame(&zeros), usize::MAX), Ok(zeros.clone()));
    let bomb = frame(&[zeros, vec![0]].concat());
    assert!(bomb.len() < 2_000);
    let bytes_max = CLIENT.message_bytes_max;
    assert_eq!(
        decode(&bomb, usize::MAX),
        Err(ProtocolError::MessageTooBig { bytes_max })
    );
    let mut inflater = Inflater::new();
    let huge = frame(&vec![0; 10 << 20]);
    let (_, head) = Header::parse(&huge).unwrap().unwrap();
    for bytes_max in [1_000, 0] {
        assert_eq!(
            inflater.inflate(&huge[head..], bytes_max).unwrap_err(),
            ProtocolError::MessageTooBig { bytes_max }
        );
    }
    let mut inflater = Inflater::new();
    let error = inflater.inflate(&huge[head..], 1_000).unwrap_err();
    assert_eq!(error, ProtocolError::MessageTooBig { bytes_max: 1_000 });
    assert!(
        format!("{inflater:?}").contains("room_bytes: 1001"),
        "{inflater:?}"
    );
}

#[test]
fn text_is_checked_after_it_is_inflated() {
    let mut deflater = eager();
    let payload = [b"x".repeat(500), vec![0xff]].concat();
    let frame = Frame::binary(&payload)
        .compressed(bits(15), &mut deflater)
        .to_bytes();
    let mut as_text = frame.to_vec();
    as_text[0] = as_text[0] & 0xf0 | Opcode::Text as u8;
    assert_eq!(decode(&as_text, 9), Err(ProtocolError::Utf8));
}

#[test]
fn the_bit_means_something_on_first_frames_of_data_only() {
    let bit = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[0] |= 0x40;
        bytes
    };
    let continuation = [
        raw(false, Opcode::Text, &[]),
        bit(&raw(true, Opcode::Continuation, &[])),
    ];
    for bytes in [bit(Frame::ping(b"x").as_bytes()), continuation.concat()] {
        assert_eq!(decode(&bytes, 100), Err(ProtocolError::ReservedBits));
    }
    let mut without = raw(true, Opcode::Text, &[0]);
    let refused = Decoder::new().decode(&CLIENT, &mut without);
    assert_eq!(refused.unwrap_err(), ProtocolError::ReservedBits);
}

#[test]
fn a_broadcast_is_compressed_once_and_small_or_dense_frames_never() {
    let mut deflater = Deflater::new(Compression::default());
    let shared = Frame::text(&"round and ".repeat(100)).with_twin();
    let clones = [shared.clone(), shared.clone(), shared];
    let wires: Vec<Bytes> = clones
        .iter()
        .zip([15, 15, 12])
        .map(|(frame, window)| frame.compressed(bits(window), &mut deflater).to_bytes())
        .collect();
    assert_eq!(deflater.runs(), 1);
    assert!(wires.iter().all(|wire| wire.as_ptr() == wires[0].as_ptr()));
    // Its distances may leave this window.
    clones[0].compressed(bits(9), &mut deflater);
    assert_eq!(deflater.runs(), 2);

    let small = Frame::text(&"x".repeat(400));
    assert!(matches!(
        small.compressed(bits(15), &mut deflater),
        Wire::Shared(_)
    ));
    assert_eq!(deflater.runs(), 2);
    let dense = Frame::binary(&dense().take(2_000).collect::<Vec<_>>()).with_twin();
    for _ in 0..2 {
        let wire = dense.compressed(bits(15), &mut deflater);
        assert_eq!(wire.as_slice(), dense.as_bytes());
    }
    assert_eq!(deflater.runs(), 3);
}
