//! The decoder: bytes in, messages out.

use std::borrow::Cow;

use simdutf8::{basic, compat};

use crate::close::CloseFrame;
use crate::error::ProtocolError;
use crate::header::{Header, Opcode};
use crate::mask::mask;

/// Which end of the connection decodes. A server demands masked frames, a client unmasked ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decodes what a client sent.
    Server,
    /// Decodes what a server sent.
    Client,
}

/// What all connections of one kind have in common; shared, so that a [`Decoder`] stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which end decodes.
    pub role: Role,
    /// Bytes of payload in one frame. Default 128 KiB: twice the 64 KiB in which LiveView uploads
    /// its chunks, and little enough that ten thousand half-sent frames stay near one gigabyte.
    pub frame_bytes_max: usize,
    /// Bytes of a message put together from fragments. Default 128 KiB.
    pub message_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::Server,
            frame_bytes_max: 128 << 10,
            message_bytes_max: 128 << 10,
        }
    }
}

/// A message. Borrowed from the input when it came in one frame, owned when it was fragmented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8.
    Text(Cow<'a, str>),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
    /// To be answered by a pong with the same payload, at most 125 bytes.
    Ping(&'a [u8]),
    /// An answer to a ping, or unasked for.
    Pong(&'a [u8]),
    /// The last message of the peer. Whatever follows it in the input is to be ignored.
    Close(Option<CloseFrame<'a>>),
}

/// What [`Decoder::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Bytes of the input that are used up. Offer the rest again, with more behind it if
    /// `message` is `None`.
    pub consumed: usize,
    /// The message, or `None` when the rest of the input holds no complete frame.
    pub message: Option<Message<'a>>,
}

/// The state of one direction of a connection: a pointer, null unless a fragmented message is
/// open.
///
/// The caller keeps the bytes of an incomplete frame; [`Config::frame_bytes_max`] and
/// [`Header::BYTES_MAX`] bound how many that can be.
#[derive(Debug, Default)]
pub struct Decoder {
    open: Option<Box<Fragments>>,
}

/// A message of which more fragments are to come.
#[derive(Debug)]
struct Fragments {
    is_text: bool,
    /// How much of a text is known to be UTF-8.
    valid: usize,
    bytes: Vec<u8>,
}

impl Decoder {
    /// A decoder at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next message at the start of `input`, unmasking it in place. Bytes of
    /// incomplete frames are left as they are.
    ///
    /// Call it again with what is left until `message` is `None`.
    pub fn decode<'a>(
        &mut self,
        config: &Config,
        input: &'a mut [u8],
    ) -> Result<Decoded<'a>, ProtocolError> {
        let mut consumed = 0;
        loop {
            let Some((header, head)) = Header::parse(&input[consumed..])? else {
                return Ok(Decoded {
                    consumed,
                    message: None,
                });
            };
            self.check(config, &header)?;
            let start = consumed + head;
            let payload_bytes = header.payload_bytes as usize;
            if input.len() - start < payload_bytes {
                return Ok(Decoded {
                    consumed,
                    message: None,
                });
            }
            consumed = start + payload_bytes;
            if let Some(key) = header.mask {
                mask(&mut input[start..consumed], key);
            }
            if header.is_final && header.opcode != Opcode::Continuation {
                let message = Some(whole(header.opcode, &input[start..consumed])?);
                return Ok(Decoded { consumed, message });
            }
            if let Some(message) = self.fragment(config, &header, &input[start..consumed])? {
                return Ok(Decoded {
                    consumed,
                    message: Some(message),
                });
            }
        }
    }

    /// Everything that the header must fulfil here and now.
    fn check(&self, config: &Config, header: &Header) -> Result<(), ProtocolError> {
        if header.reserved != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        match (config.role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::Unmasked),
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked),
            _ => {}
        }
        match (header.opcode, &self.open) {
            (Opcode::Continuation, None) => return Err(ProtocolError::Continuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(ProtocolError::Interleaved),
            _ => {}
        }
        if header.payload_bytes > config.frame_bytes_max as u64 && !header.opcode.is_control() {
            return Err(ProtocolError::FrameTooBig {
                bytes: header.payload_bytes,
                bytes_max: config.frame_bytes_max,
            });
        }
        let before = self.open.as_ref().map_or(0, |open| open.bytes.len() as u64);
        let is_fragment = !header.is_final || header.opcode == Opcode::Continuation;
        if is_fragment && before + header.payload_bytes > config.message_bytes_max as u64 {
            return Err(ProtocolError::MessageTooBig {
                bytes_max: config.message_bytes_max,
            });
        }
        Ok(())
    }

    /// Takes in one fragment; the message if it was the last.
    fn fragment<'a>(
        &mut self,
        config: &Config,
        header: &Header,
        payload: &[u8],
    ) -> Result<Option<Message<'a>>, ProtocolError> {
        let open = self.open.get_or_insert_with(|| {
            let is_text = header.opcode == Opcode::Text;
            Box::new(Fragments {
                is_text,
                valid: 0,
                bytes: Vec::new(),
            })
        });
        open.append(payload, config.message_bytes_max);
        if open.is_text {
            open.validate()?;
        }
        if !header.is_final {
            return Ok(None);
        }
        let Some(open) = self.open.take() else {
            return Ok(None);
        };
        if open.is_text {
            let text = String::from_utf8(open.bytes).map_err(|_| ProtocolError::Utf8)?;
            return Ok(Some(Message::Text(text.into())));
        }
        Ok(Some(Message::Binary(open.bytes.into())))
    }
}

impl Fragments {
    /// Appends without letting the capacity pass `bytes_max`.
    fn append(&mut self, payload: &[u8], bytes_max: usize) {
        let needed = self.bytes.len() + payload.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.max((self.bytes.capacity() * 2).min(bytes_max));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(payload);
    }

    /// Looks at the text that is new, so that bad text is found with its fragment. A character
    /// cut in two by a fragment's end is looked at again.
    fn validate(&mut self) -> Result<(), ProtocolError> {
        match compat::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::Utf8),
        }
        Ok(())
    }
}

/// The message of a frame that stands alone.
fn whole(opcode: Opcode, payload: &[u8]) -> Result<Message<'_>, ProtocolError> {
    Ok(match opcode {
        Opcode::Text => Message::Text(
            basic::from_utf8(payload)
                .map_err(|_| ProtocolError::Utf8)?
                .into(),
        ),
        Opcode::Binary | Opcode::Continuation => Message::Binary(payload.into()),
        Opcode::Ping => Message::Ping(payload),
        Opcode::Pong => Message::Pong(payload),
        Opcode::Close => Message::Close(CloseFrame::parse(payload)?),
    })
}

#[cfg(test)]
mod tests;
