//! A message of which a part is here.

use simdutf8::{basic, compat};

use super::{Config, Message};
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::header::{Header, Opcode};
use crate::mask::mask;

/// A message that came in fragments, or in a frame that came in pieces.
#[derive(Debug)]
pub(super) struct Open {
    is_text: bool,
    is_compressed: bool,
    /// The frame at hand is the last of the message.
    is_final: bool,
    /// How the next byte of the frame at hand is unmasked, and those behind it.
    key: Option<[u8; 4]>,
    /// Bytes of payload that the frame at hand still lacks; `None` between two frames.
    lacking: Option<usize>,
    /// How much of a text is known to be UTF-8.
    valid: usize,
    bytes: Vec<u8>,
}

impl Open {
    /// A message that begins with this frame.
    pub(super) fn new(header: &Header) -> Self {
        Self {
            is_text: header.opcode == Opcode::Text,
            is_compressed: header.reserved == Header::COMPRESSED,
            is_final: false,
            key: None,
            lacking: None,
            valid: 0,
            bytes: Vec::new(),
        }
    }

    /// The header of the next frame is here, its payload follows.
    pub(super) fn begin_frame(&mut self, header: &Header) {
        self.is_final = header.is_final;
        self.key = header.mask;
        self.lacking = Some(header.payload_bytes as usize);
    }

    /// Bytes of the message so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn is_inside_frame(&self) -> bool {
        self.lacking.is_some()
    }

    /// Whether the last frame has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.is_final && self.lacking.is_none()
    }

    /// Takes in as much of the frame's payload as is there; the bytes of it.
    pub(super) fn take_in(
        &mut self,
        config: &Config,
        input: &mut [u8],
    ) -> Result<usize, ProtocolError> {
        let lacking = self.lacking.unwrap_or(0);
        let count = lacking.min(input.len());
        let payload = &mut input[..count];
        if let Some(key) = &mut self.key {
            mask(payload, *key);
            key.rotate_left(count % 4);
        }
        self.append(payload, config.message_bytes_max);
        if self.is_text && !self.is_compressed {
            self.validate()?;
        }
        self.lacking = (count < lacking).then_some(lacking - count);
        Ok(count)
    }

    /// Appends without letting the capacity pass `bytes_max`, which the headers have been checked
    /// against.
    fn append(&mut self, payload: &[u8], bytes_max: usize) {
        let needed = self.bytes.len() + payload.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max((self.bytes.capacity() * 2).min(bytes_max));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(payload);
    }

    /// Looks at the text that is new. A character that is cut in two is looked at again.
    fn validate(&mut self) -> Result<(), ProtocolError> {
        match compat::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::Utf8),
        }
        Ok(())
    }

    /// The message, once it is complete.
    pub(super) fn finish<'a>(
        self,
        config: &Config,
        inflater: Option<&'a mut Inflater>,
    ) -> Result<Message<'a>, ProtocolError> {
        if self.is_compressed {
            let opcode = match self.is_text {
                true => Opcode::Text,
                false => Opcode::Binary,
            };
            return super::inflated(opcode, config, inflater, &self.bytes);
        }
        if !self.is_text {
            return Ok(Message::Binary(self.bytes.into()));
        }
        // A character may be cut by the message's end. What is valid is not looked at again.
        basic::from_utf8(&self.bytes[self.valid..]).map_err(|_| ProtocolError::Utf8)?;
        let text = String::from_utf8(self.bytes).map_err(|_| ProtocolError::Utf8)?;
        Ok(Message::Text(text.into()))
    }
}
