//! Encoded frames.

mod twin;

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::close::CloseCode;
use crate::header::{Header, Opcode};
use crate::mask::mask;
use twin::Twin;
pub use twin::Wire;

/// One encoded server frame in shared bytes.
///
/// Cloning shares the bytes, so a broadcast is encoded once and sent from one place in memory to
/// every subscriber. Frames of a server carry no mask, which is what makes that possible.
#[derive(Clone)]
pub struct Frame {
    bytes: Bytes,
    /// Where clones share the compressed form, if they do.
    twin: Option<Arc<Twin>>,
}

impl Frame {
    /// A text message in one frame.
    pub fn text(text: &str) -> Self {
        Self::encode(Opcode::Text, text.as_bytes())
    }

    /// A binary message in one frame.
    pub fn binary(payload: &[u8]) -> Self {
        Self::encode(Opcode::Binary, payload)
    }

    /// A ping. A payload beyond 125 bytes is cut off, a control frame has no room for it.
    pub fn ping(payload: &[u8]) -> Self {
        Self::encode(Opcode::Ping, &payload[..payload.len().min(125)])
    }

    /// A pong. A payload beyond 125 bytes is cut off, a control frame has no room for it.
    pub fn pong(payload: &[u8]) -> Self {
        Self::encode(Opcode::Pong, &payload[..payload.len().min(125)])
    }

    /// A close frame. A code that must not be sent ([`CloseCode::is_sendable`]) gives a frame
    /// without code and reason. A reason beyond 123 bytes is cut off between two characters.
    pub fn close(code: CloseCode, reason: &str) -> Self {
        if !code.is_sendable() {
            return Self::encode(Opcode::Close, &[]);
        }
        let reason = &reason.as_bytes()[..reason.floor_char_boundary(123)];
        Self::encode(Opcode::Close, &[&code.0.to_be_bytes(), reason].concat())
    }

    /// Starts a text frame whose payload is written piece by piece.
    pub fn build_text() -> FrameBuilder {
        FrameBuilder::new(Opcode::Text)
    }

    /// The same with room for so many bytes of payload. A frame whose length was known is not
    /// moved when it is finished.
    pub fn build_text_sized(payload_bytes: usize) -> FrameBuilder {
        FrameBuilder::with_room(Opcode::Text, payload_bytes)
    }

    /// Starts a binary frame whose payload is written piece by piece.
    pub fn build_binary() -> FrameBuilder {
        FrameBuilder::new(Opcode::Binary)
    }

    fn encode(opcode: Opcode, payload: &[u8]) -> Self {
        let header = Header::new(opcode, payload.len());
        let head = header.encoded_bytes();
        let mut bytes = Vec::with_capacity(head + payload.len());
        bytes.extend_from_slice(&header.encode()[..head]);
        bytes.extend_from_slice(payload);
        Self {
            bytes: bytes.into(),
            twin: None,
        }
    }

    /// The bytes as they go over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, shared rather than borrowed.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// What the frame is.
    pub fn opcode(&self) -> Opcode {
        self.header().0.opcode
    }

    /// The payload without its header.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.header().1..]
    }

    fn header(&self) -> (Header, usize) {
        match Header::parse(&self.bytes) {
            Ok(Some(parsed)) => parsed,
            _ => unreachable!("a frame starts with a header that was encoded here"),
        }
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Frame {}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Frame");
        shown.field("opcode", &self.opcode());
        match std::str::from_utf8(self.payload()) {
            Ok(text) => shown.field("payload", &text),
            Err(_) => shown.field("payload", &self.payload()),
        };
        shown.finish()
    }
}

/// A frame whose payload is being written, through [`io::Write`], [`fmt::Write`] or
/// [`push`](Self::push). The header is put in front at the end, without moving the payload.
#[derive(Debug)]
pub struct FrameBuilder {
    opcode: Opcode,
    /// Room for the longest header, then the payload.
    bytes: Vec<u8>,
}

impl FrameBuilder {
    fn new(opcode: Opcode) -> Self {
        Self::with_room(opcode, 256)
    }

    fn with_room(opcode: Opcode, payload_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(Header::UNMASKED_BYTES_MAX + payload_bytes);
        bytes.resize(Header::UNMASKED_BYTES_MAX, 0);
        Self { opcode, bytes }
    }

    /// Appends a piece of payload. Whoever writes text sees to it that it is UTF-8.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Bytes of payload so far.
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len() - Header::UNMASKED_BYTES_MAX
    }

    /// Ends the frame.
    pub fn finish(mut self) -> Frame {
        let header = Header::new(self.opcode, self.payload_bytes());
        let head = header.encoded_bytes();
        let start = Header::UNMASKED_BYTES_MAX - head;
        self.bytes[start..Header::UNMASKED_BYTES_MAX].copy_from_slice(&header.encode()[..head]);
        self.bytes.shrink_to_fit();
        let mut bytes = Bytes::from(self.bytes);
        bytes.advance(start);
        Frame { bytes, twin: None }
    }
}

impl io::Write for FrameBuilder {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.push(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for FrameBuilder {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.push(piece.as_bytes());
        Ok(())
    }
}

/// Appends one final, masked frame to `out`, as clients send them. The key should be fresh and
/// hard to guess for every frame (RFC 6455, section 10.3), unless the peer is trusted.
pub fn encode_masked(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let header = Header {
        mask: Some(key),
        ..Header::new(opcode, payload.len())
    };
    out.reserve(header.encoded_bytes() + payload.len());
    out.extend_from_slice(&header.encode()[..header.encoded_bytes()]);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_built_frame_equals_an_encoded_one(
            length in prop_oneof![0..300usize, 65_500..65_600usize],
        ) {
            let payload = vec![b'x'; length];
            let mut builder = Frame::build_binary();
            for piece in payload.chunks(1_000) {
                builder.write_all(piece).unwrap();
            }
            let frame = builder.finish();
            prop_assert_eq!(&frame, &Frame::binary(&payload));
            prop_assert_eq!(frame.payload(), &payload);
        }
    }

    #[test]
    fn long_control_payloads_are_cut() {
        assert_eq!(Frame::pong(&[7; 200]).payload(), [7; 125]);
        let reason = "ä".repeat(100);
        let close = Frame::close(CloseCode::GOING_AWAY, &reason);
        assert_eq!(close.payload().len(), 2 + 122);
        assert!(std::str::from_utf8(&close.payload()[2..]).is_ok());
        assert_eq!(
            Frame::close(CloseCode::NO_STATUS, "x").as_bytes(),
            [0x88, 0]
        );
    }
}
