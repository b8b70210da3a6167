//! Frame headers (RFC 6455, section 5.2).

use crate::error::ProtocolError;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0,
    /// UTF-8 text.
    Text = 1,
    /// Bytes.
    Binary = 2,
    /// The last frame of a direction.
    Close = 8,
    /// Asks for a pong with the same payload.
    Ping = 9,
    /// Answers a ping, or stands alone.
    Pong = 10,
}

impl Opcode {
    /// Whether the frame controls the connection rather than carrying data.
    pub fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}

impl TryFrom<u8> for Opcode {
    type Error = ProtocolError;

    fn try_from(code: u8) -> Result<Self, ProtocolError> {
        Ok(match code {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(ProtocolError::Opcode(code)),
        })
    }
}

/// The header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last frame of its message.
    pub is_final: bool,
    /// The three reserved bits, the first of them highest: `0b100` is what permessage-deflate
    /// uses.
    pub reserved: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key; clients have one, servers none.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload behind the header.
    pub payload_bytes: u64,
}

impl Header {
    /// Bytes of the longest header.
    pub const BYTES_MAX: usize = 14;
    /// Bytes of the longest header without a mask.
    pub const UNMASKED_BYTES_MAX: usize = 10;
    /// The reserved bit that marks a compressed message (RFC 7692, section 6).
    pub const COMPRESSED: u8 = 0b100;
    /// Bytes of payload that a control frame may have.
    pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

    /// A final, unmasked frame.
    pub fn new(opcode: Opcode, payload_bytes: usize) -> Self {
        let payload_bytes = payload_bytes as u64;
        Self {
            is_final: true,
            reserved: 0,
            opcode,
            mask: None,
            payload_bytes,
        }
    }

    /// Reads the header at the start of `input` and its own length in bytes; `None` when more
    /// input is needed. Checks what can be known from the header alone: opcode, shortest length
    /// and the rules for control frames. An error is found as early as its byte is there.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, ref rest @ ..] = input else {
            return Ok(None);
        };
        let opcode = Opcode::try_from(first & 0x0f)?;
        let is_final = first & 0x80 != 0;
        if opcode.is_control() && !is_final {
            return Err(ProtocolError::ControlFragmented);
        }
        let &[second, ref rest @ ..] = rest else {
            return Ok(None);
        };
        let short = second & 0x7f;
        if opcode.is_control() && short > 125 {
            return Err(ProtocolError::ControlTooLong);
        }
        let Some((payload_bytes, rest)) = parse_length(short, rest)? else {
            return Ok(None);
        };
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let Some((key, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(*key), rest)
        };
        let reserved = first >> 4 & 0b111;
        let header = Self {
            is_final,
            reserved,
            opcode,
            mask,
            payload_bytes,
        };
        Ok(Some((header, input.len() - rest.len())))
    }

    /// Bytes that this header takes when encoded.
    pub fn encoded_bytes(&self) -> usize {
        let length = match self.payload_bytes {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        };
        2 + length + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Encodes the header; the first [`encoded_bytes`](Self::encoded_bytes) of the array are it.
    pub fn encode(&self) -> [u8; Self::BYTES_MAX] {
        let mut out = [0; Self::BYTES_MAX];
        out[0] = u8::from(self.is_final) << 7 | (self.reserved & 0b111) << 4 | self.opcode as u8;
        let mut at = 2;
        match self.payload_bytes {
            bytes @ 0..=125 => out[1] = bytes as u8,
            bytes @ 126..=0xffff => {
                out[1] = 126;
                out[2..4].copy_from_slice(&(bytes as u16).to_be_bytes());
                at = 4;
            }
            bytes => {
                out[1] = 127;
                out[2..10].copy_from_slice(&bytes.to_be_bytes());
                at = 10;
            }
        }
        if let Some(key) = self.mask {
            out[1] |= 0x80;
            out[at..at + 4].copy_from_slice(&key);
        }
        out
    }
}

/// The payload length and what follows it.
fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    let (bytes, rest, shortest) = match short {
        126 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*bytes)), rest, 126)
        }
        127 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*bytes), rest, 0x1_0000)
        }
        _ => (u64::from(short), rest, 0),
    };
    if bytes < shortest || bytes >> 63 != 0 {
        return Err(ProtocolError::Length);
    }
    Ok(Some((bytes, rest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opcode() -> impl Strategy<Value = Opcode> {
        prop_oneof![
            Just(Opcode::Continuation),
            Just(Opcode::Text),
            Just(Opcode::Binary)
        ]
    }

    fn length() -> impl Strategy<Value = u64> {
        prop_oneof![0..300u64, 0xff00..0x1_0100u64, 0..u64::MAX >> 1]
    }

    proptest! {
        #[test]
        fn round_trip(
            is_final: bool, reserved in 0..8u8, opcode in opcode(), mask: Option<[u8; 4]>,
            payload_bytes in length(),
        ) {
            let header = Header { is_final, reserved, opcode, mask, payload_bytes };
            let bytes = header.encode();
            let used = header.encoded_bytes();
            prop_assert_eq!(Header::parse(&bytes[..used]), Ok(Some((header, used))));
            for short in 0..used {
                prop_assert_eq!(Header::parse(&bytes[..short]), Ok(None));
            }
        }
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        assert_eq!(
            Header::parse(&[0x89, 126]),
            Err(ProtocolError::ControlTooLong)
        );
        assert_eq!(
            Header::parse(&[0x09]),
            Err(ProtocolError::ControlFragmented)
        );
    }

    #[test]
    fn lengths_are_in_their_shortest_form() {
        assert_eq!(
            Header::parse(&[0x82, 126, 0, 125]),
            Err(ProtocolError::Length)
        );
        assert_eq!(
            Header::parse(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
            Err(ProtocolError::Length)
        );
        assert_eq!(
            Header::parse(&[0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0]),
            Err(ProtocolError::Length)
        );
    }

    #[test]
    fn unknown_opcodes_are_refused() {
        for code in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(
                Header::parse(&[0x80 | code]),
                Err(ProtocolError::Opcode(code))
            );
        }
    }
}
