//! The decoder: bytes in, messages out.

mod open;

use std::borrow::Cow;

use simdutf8::basic;

use crate::close::CloseFrame;
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::header::{Header, Opcode};
use crate::mask::mask;
use open::Open;

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
    /// Bytes of a message, whether it came in one frame or in fragments, and of a compressed one
    /// both before and after it is inflated. Default 128 KiB.
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

/// A message. Borrowed from the input when it came in one frame and one piece, from the inflater
/// when it was compressed, else owned.
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

/// The state of one direction of a connection: a pointer, null unless a message is open.
///
/// The caller keeps only bytes of an incomplete header or control frame, at most
/// [`INPUT_KEPT_BYTES_MAX`](Self::INPUT_KEPT_BYTES_MAX). Everything else that is incomplete is
/// kept here, bounded by [`Config::message_bytes_max`].
#[derive(Debug, Default)]
pub struct Decoder {
    open: Option<Box<Open>>,
}

impl Decoder {
    /// Bytes of input that [`decode`](Self::decode) may leave when it asks for more.
    pub const INPUT_KEPT_BYTES_MAX: usize =
        Header::BYTES_MAX + Header::CONTROL_PAYLOAD_BYTES_MAX - 1;

    /// A decoder at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a message has begun of which more is to come.
    pub fn is_mid_message(&self) -> bool {
        self.open.is_some()
    }

    /// Decodes the next message at the start of `input`, unmasking it in place. Text is checked
    /// as far as it is there, so that bad text is found with its first bad byte.
    ///
    /// Call it again with what is left until `message` is `None`.
    pub fn decode<'a>(
        &mut self,
        config: &Config,
        input: &'a mut [u8],
    ) -> Result<Decoded<'a>, ProtocolError> {
        self.decode_with(config, None, input)
    }

    /// The same on a connection that has negotiated permessage-deflate: messages that the peer
    /// has compressed go through `inflater`, and lie there until its next use.
    pub fn decode_with<'a>(
        &mut self,
        config: &Config,
        inflater: Option<&'a mut Inflater>,
        input: &'a mut [u8],
    ) -> Result<Decoded<'a>, ProtocolError> {
        let mut consumed = 0;
        let incomplete = |consumed| Decoded {
            consumed,
            message: None,
        };
        loop {
            if let Some(open) = &mut self.open
                && open.is_inside_frame()
            {
                consumed += open.take_in(config, &mut input[consumed..])?;
                if open.is_inside_frame() {
                    return Ok(incomplete(consumed));
                }
            }
            if let Some(open) = self.open.take_if(|open| open.is_complete()) {
                let message = Some(open.finish(config, inflater)?);
                return Ok(Decoded { consumed, message });
            }
            let Some((header, head)) = Header::parse(&input[consumed..])? else {
                return Ok(incomplete(consumed));
            };
            self.check(config, &header, inflater.is_some())?;
            let start = consumed + head;
            let end = start.saturating_add(header.payload_bytes as usize);
            let is_here = end <= input.len();
            if header.opcode.is_control() && !is_here {
                return Ok(incomplete(consumed));
            }
            if !is_here || !header.is_final || header.opcode == Opcode::Continuation {
                self.open
                    .get_or_insert_with(|| Box::new(Open::new(&header)))
                    .begin_frame(&header);
                consumed = start;
                continue;
            }
            let payload = &mut input[start..end];
            if let Some(key) = header.mask {
                mask(payload, key);
            }
            let message = match header.reserved {
                0 => whole(header.opcode, payload)?,
                _ => inflated(header.opcode, config, inflater, payload)?,
            };
            return Ok(Decoded {
                consumed: end,
                message: Some(message),
            });
        }
    }

    /// Everything that the header must fulfil here and now.
    fn check(
        &self,
        config: &Config,
        header: &Header,
        may_be_compressed: bool,
    ) -> Result<(), ProtocolError> {
        let may_have_bit =
            may_be_compressed && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.reserved != 0 && !(may_have_bit && header.reserved == Header::COMPRESSED) {
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
        if header.opcode.is_control() {
            return Ok(());
        }
        if header.payload_bytes > config.frame_bytes_max as u64 {
            return Err(ProtocolError::FrameTooBig {
                bytes: header.payload_bytes,
                bytes_max: config.frame_bytes_max,
            });
        }
        let before = self.open.as_ref().map_or(0, |open| open.bytes() as u64);
        if before + header.payload_bytes > config.message_bytes_max as u64 {
            return Err(ProtocolError::MessageTooBig {
                bytes_max: config.message_bytes_max,
            });
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

/// The message of which `payload` is the compressed form.
fn inflated<'a>(
    opcode: Opcode,
    config: &Config,
    inflater: Option<&'a mut Inflater>,
    payload: &[u8],
) -> Result<Message<'a>, ProtocolError> {
    let inflater = inflater.ok_or(ProtocolError::ReservedBits)?;
    whole(opcode, inflater.inflate(payload, config.message_bytes_max)?)
}

#[cfg(test)]
mod tests;
