//! From compressed messages to messages.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use crate::error::ProtocolError;

/// Room for an inflated message that is kept between two of them.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Room that the output grows by at least.
const GROWTH_BYTES_MIN: usize = 4 << 10;

/// Inflates the messages of any number of connections, one after the other.
#[derive(Default)]
pub struct Inflater {
    /// Made when it is needed first.
    context: Option<Decompress>,
    /// The message inflated last.
    out: Vec<u8>,
}

impl Inflater {
    /// An inflater that has allocated nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inflates one message, which may not become longer than `bytes_max`.
    pub(crate) fn inflate(
        &mut self,
        compressed: &[u8],
        bytes_max: usize,
    ) -> Result<&[u8], ProtocolError> {
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES_MAX);
        let context = self.context.get_or_insert_with(|| Decompress::new(false));
        context.reset(false);
        for mut input in [compressed, &TAIL] {
            loop {
                grow(&mut self.out, bytes_max)?;
                let (before, written) = (context.total_in(), self.out.len());
                let status = context
                    .decompress_vec(input, &mut self.out, FlushDecompress::Sync)
                    .map_err(|_| ProtocolError::Deflate)?;
                let consumed = (context.total_in() - before) as usize;
                if consumed == 0 && self.out.len() == written && !input.is_empty() {
                    // There is room and input, so it will never get on.
                    return Err(ProtocolError::Deflate);
                }
                input = &input[consumed..];
                if status == Status::StreamEnd {
                    // A sender may end a message with a final block (RFC 7692, section 7.2.3.4).
                    context.reset(false);
                }
                // Output that found no room is still inside the context.
                if input.is_empty() && self.out.len() < self.out.capacity() {
                    break;
                }
            }
        }
        match self.out.len() > bytes_max {
            true => Err(ProtocolError::MessageTooBig { bytes_max }),
            false => Ok(&self.out),
        }
    }
}

/// Sees to it that there is room for at least one byte, though never for more than one beyond
/// the bound.
fn grow(out: &mut Vec<u8>, bytes_max: usize) -> Result<(), ProtocolError> {
    if out.len() > bytes_max {
        return Err(ProtocolError::MessageTooBig { bytes_max });
    }
    if out.len() == out.capacity() {
        let room = out.capacity().max(GROWTH_BYTES_MIN);
        out.reserve_exact(room.min(bytes_max + 1 - out.len()));
    }
    Ok(())
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("room_bytes", &self.out.capacity())
            .finish_non_exhaustive()
    }
}
