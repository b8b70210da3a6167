use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::close::CloseCode;
use crate::frame::{Frame, encode_masked};

const SERVER: Config = Config {
    role: Role::Server,
    frame_bytes_max: 1_000,
    message_bytes_max: 2_000,
};
const CLIENT: Config = Config {
    role: Role::Client,
    ..SERVER
};
const KEY: [u8; 4] = [0x11, 0xa2, 0x33, 0xf4];

/// A message that owns everything.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.into_owned()),
            Message::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Message::Close(close) => {
                Self::Close(close.map(|close| (close.code.0, close.reason.into_owned())))
            }
        }
    }
}

/// Feeds `pieces` one after the other, keeping what is incomplete, as a connection does.
fn decode_pieces(config: &Config, pieces: &[&[u8]]) -> (Vec<Owned>, Option<ProtocolError>) {
    let (mut decoder, mut kept, mut messages) = (Decoder::new(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match decoder.decode(config, &mut kept[at..]) {
                Err(error) => return (messages, Some(error)),
                Ok(Decoded { consumed, message }) => {
                    at += consumed;
                    let Some(message) = message else { break };
                    messages.push(message.into());
                }
            }
        }
        kept.drain(..at);
    }
    (messages, None)
}

fn decode(config: &Config, bytes: &[u8]) -> Result<Vec<Owned>, ProtocolError> {
    match decode_pieces(config, &[bytes]) {
        (messages, None) => Ok(messages),
        (_, Some(error)) => Err(error),
    }
}

fn frame(is_final: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_masked(opcode, payload, KEY, &mut bytes);
    bytes[0] = u8::from(is_final) << 7 | bytes[0] & 0x7f;
    bytes
}

/// A message and its frames: fragmented if it is data and `cuts` says so, a ping between any two.
fn encode(message: &Owned, cuts: &[usize], out: &mut Vec<u8>) -> usize {
    let (opcode, payload) = match message {
        Owned::Text(text) => (Opcode::Text, text.as_bytes()),
        Owned::Binary(bytes) => (Opcode::Binary, &bytes[..]),
        Owned::Ping(bytes) => {
            out.extend(frame(true, Opcode::Ping, bytes));
            return 0;
        }
        Owned::Pong(bytes) => {
            out.extend(frame(true, Opcode::Pong, bytes));
            return 0;
        }
        Owned::Close(_) => unreachable!("not generated"),
    };
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (payload.len() + 1)).collect();
    cuts.sort_unstable();
    let (mut start, mut opcode) = (0, opcode);
    for cut in &cuts {
        out.extend(frame(false, opcode, &payload[start..*cut]));
        out.extend(frame(true, Opcode::Ping, b"between"));
        (start, opcode) = (*cut, Opcode::Continuation);
    }
    out.extend(frame(true, opcode, &payload[start..]));
    cuts.len()
}

fn message() -> impl Strategy<Value = Owned> {
    prop_oneof![
        "\\PC{0,200}".prop_map(Owned::Text),
        vec(any::<u8>(), 0..900).prop_map(Owned::Binary),
        vec(any::<u8>(), 0..=125).prop_map(Owned::Ping),
        vec(any::<u8>(), 0..=125).prop_map(Owned::Pong),
    ]
}

proptest! {
    #[test]
    fn any_split_decodes_the_same(
        messages in vec((message(), vec(any::<usize>(), 0..3)), 0..6),
        splits in vec(any::<usize>(), 0..20),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (message, cuts) in &messages {
            let pings = encode(message, cuts, &mut bytes);
            expected.extend(std::iter::repeat_n(Owned::Ping(b"between".to_vec()), pings));
            expected.push(message.clone());
        }
        let mut splits: Vec<_> = splits.iter().map(|split| split % (bytes.len() + 1)).collect();
        splits.extend([0, bytes.len()]);
        splits.sort_unstable();
        let pieces: Vec<_> = splits.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode_pieces(&SERVER, &pieces), (expected.clone(), None));
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(decode_pieces(&SERVER, &single), (expected, None));
    }

    #[test]
    fn server_frames_round_trip(message in message()) {
        let frame = match &message {
            Owned::Text(text) => Frame::text(text),
            Owned::Binary(bytes) => Frame::binary(bytes),
            Owned::Ping(bytes) => Frame::ping(bytes),
            Owned::Pong(bytes) => Frame::pong(bytes),
            Owned::Close(_) => unreachable!("not generated"),
        };
        prop_assert_eq!(decode(&CLIENT, frame.as_bytes()), Ok(vec![message]));
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..2_000), splits in vec(any::<usize>(), 0..5), client: bool,
    ) {
        let config = if client { CLIENT } else { SERVER };
        let mut splits: Vec<_> = splits.iter().map(|split| split % (bytes.len() + 1)).collect();
        splits.extend([0, bytes.len()]);
        splits.sort_unstable();
        let pieces: Vec<_> = splits.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode_pieces(&config, &pieces), decode_pieces(&config, &[&bytes]));
    }

    #[test]
    fn text_is_checked_like_std_does(bytes in vec(any::<u8>(), 0..8), cut: usize) {
        let cut = cut % (bytes.len() + 1);
        let whole = decode(&SERVER, &frame(true, Opcode::Text, &bytes));
        let mut pieces = frame(false, Opcode::Text, &bytes[..cut]);
        pieces.extend(frame(true, Opcode::Continuation, &bytes[cut..]));
        let expected = match String::from_utf8(bytes) {
            Ok(text) => Ok(vec![Owned::Text(text)]),
            Err(_) => Err(ProtocolError::Utf8),
        };
        prop_assert_eq!(whole, expected.clone());
        prop_assert_eq!(decode(&SERVER, &pieces), expected);
    }
}

#[test]
fn a_whole_message_is_borrowed() {
    let mut bytes = frame(true, Opcode::Text, b"hello");
    let decoded = Decoder::new().decode(&SERVER, &mut bytes).unwrap();
    assert!(matches!(
        decoded.message,
        Some(Message::Text(Cow::Borrowed("hello")))
    ));
}

#[test]
fn a_decoder_is_one_pointer() {
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
}

#[test]
fn little_input_is_ever_left_to_the_caller() {
    let ping = frame(true, Opcode::Ping, &[5; 125]);
    for (bytes, kept) in [
        (&ping[..ping.len() - 1], Decoder::INPUT_KEPT_BYTES_MAX),
        (&frame(true, Opcode::Binary, &[5; 100])[..60], 0),
        (&frame(true, Opcode::Binary, &[5; 200])[..7], 7),
    ] {
        let mut part = bytes.to_vec();
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(&SERVER, &mut part).unwrap();
        assert_eq!(decoded.message, None);
        assert!(bytes.len() - decoded.consumed <= kept, "{decoded:?}");
        assert_eq!(decoder.is_mid_message(), kept == 0);
    }
}

#[test]
fn bad_text_is_found_before_its_frame_has_ended() {
    let bytes = frame(true, Opcode::Text, b"good\xff and much more");
    let head = bytes.len() - b"good\xff and much more".len();
    assert_eq!(decode(&SERVER, &bytes[..head + 4]), Ok(vec![]));
    assert_eq!(
        decode(&SERVER, &bytes[..head + 5]),
        Err(ProtocolError::Utf8)
    );
}

#[test]
fn a_text_may_not_end_inside_a_character() {
    let bytes = frame(false, Opcode::Text, &"ä".as_bytes()[..1]);
    assert_eq!(decode(&SERVER, &bytes), Ok(vec![]));
    let whole = [bytes, frame(true, Opcode::Continuation, b"")].concat();
    assert_eq!(decode(&SERVER, &whole), Err(ProtocolError::Utf8));
}

#[test]
fn a_message_in_one_frame_is_bounded_too() {
    let config = Config {
        message_bytes_max: 10,
        ..SERVER
    };
    let bytes = frame(true, Opcode::Binary, &[0; 11]);
    let error = decode(&config, &bytes[..6]).unwrap_err();
    assert_eq!(error, ProtocolError::MessageTooBig { bytes_max: 10 });
}

#[test]
fn masks_are_demanded_of_clients_only() {
    let unmasked = Frame::text("x");
    assert_eq!(
        decode(&SERVER, unmasked.as_bytes()),
        Err(ProtocolError::Unmasked)
    );
    let masked = frame(true, Opcode::Text, b"x");
    assert_eq!(decode(&CLIENT, &masked), Err(ProtocolError::Masked));
}

#[test]
fn reserved_bits_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        let mut bytes = frame(true, Opcode::Text, b"x");
        bytes[0] |= bit;
        assert_eq!(decode(&SERVER, &bytes), Err(ProtocolError::ReservedBits));
    }
}

#[test]
fn a_frame_too_big_is_refused_by_its_header() {
    let bytes = frame(true, Opcode::Binary, &[0; 1_001]);
    let error = decode(&SERVER, &bytes[..8]).unwrap_err();
    assert_eq!(
        error,
        ProtocolError::FrameTooBig {
            bytes: 1_001,
            bytes_max: 1_000
        }
    );
    assert_eq!(error.close_code(), CloseCode::TOO_BIG);
    assert!(decode(&SERVER, &frame(true, Opcode::Binary, &[0; 1_000])).is_ok());
}

#[test]
fn fragments_are_bounded_together() {
    let mut bytes = frame(false, Opcode::Binary, &[0; 1_000]);
    bytes.extend(frame(false, Opcode::Continuation, &[0; 1_000]));
    assert_eq!(decode(&SERVER, &bytes), Ok(vec![]));
    bytes.extend(frame(true, Opcode::Continuation, &[0; 1]));
    let error = decode(&SERVER, &bytes).unwrap_err();
    assert_eq!(error, ProtocolError::MessageTooBig { bytes_max: 2_000 });
    assert_eq!(error.close_code(), CloseCode::TOO_BIG);
}

#[test]
fn fragments_never_reserve_more_than_a_message() {
    let mut decoder = Decoder::new();
    for opcode in [Opcode::Binary, Opcode::Continuation, Opcode::Continuation] {
        let mut bytes = frame(false, opcode, &[0; 600]);
        decoder.decode(&SERVER, &mut bytes).unwrap();
    }
    assert!(decoder.open.unwrap().room() <= 2_000);
}

#[test]
fn bad_text_is_found_with_its_fragment() {
    let mut bytes = frame(false, Opcode::Text, "ä".as_bytes());
    bytes.extend(frame(false, Opcode::Continuation, &[0xff]));
    let error = decode(&SERVER, &bytes).unwrap_err();
    assert_eq!(error.close_code(), CloseCode::INVALID_PAYLOAD);
}

#[test]
fn fragments_follow_each_other() {
    let lone = frame(true, Opcode::Continuation, b"x");
    assert_eq!(decode(&SERVER, &lone), Err(ProtocolError::Continuation));
    let mut inside = frame(false, Opcode::Text, b"x");
    inside.extend(frame(true, Opcode::Binary, b"y"));
    assert_eq!(decode(&SERVER, &inside), Err(ProtocolError::Interleaved));
}

#[test]
fn close_frames_are_checked() {
    let close = |payload: &[u8]| decode(&SERVER, &frame(true, Opcode::Close, payload));
    assert_eq!(close(b""), Ok(vec![Owned::Close(None)]));
    assert_eq!(
        close(b"\x03\xe9bye"),
        Ok(vec![Owned::Close(Some((1001, "bye".into())))])
    );
    assert_eq!(close(b"\x03"), Err(ProtocolError::ClosePayload));
    assert_eq!(close(b"\x03\xe8\xff"), Err(ProtocolError::Utf8));
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        let refused = close(&code.to_be_bytes()).unwrap_err();
        assert_eq!(
            refused.close_code(),
            CloseCode::PROTOCOL_ERROR,
            "code {code}"
        );
    }
    for code in [1000u16, 1003, 1007, 1014, 3000, 4999] {
        assert!(close(&code.to_be_bytes()).is_ok(), "code {code}");
    }
}
