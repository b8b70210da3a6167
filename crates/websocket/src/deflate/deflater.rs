//! From messages to compressed messages.

use std::fmt;

use flate2::{Compress, FlushCompress};

use super::{Agreement, TAIL};
use crate::header::{Header, Opcode};

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// Payloads shorter than this are sent as they are: a short one hardly shrinks and costs as
    /// much to begin with. In bytes. Default 512, never less than 128.
    pub payload_bytes_min: usize,
    /// From 2, the fastest, to 9, the smallest. Default 2. There is no 1: zlib-rs 0.6 panics at
    /// that level on messages of some ten kilobytes that do not shrink.
    pub level: u32,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            payload_bytes_min: 512,
            level: 2,
        }
    }
}

/// Compresses the messages of any number of connections, one after the other.
pub struct Deflater {
    compression: Compression,
    /// A context for each size of window, from [`Agreement::WINDOW_BITS_MIN`] on. Made when it is
    /// needed first; few clients ask for other windows than the largest.
    contexts: [Option<Compress>; WINDOWS],
    /// The frame compressed last.
    out: Vec<u8>,
    runs: u64,
}

const WINDOWS: usize = (Agreement::WINDOW_BITS_MAX - Agreement::WINDOW_BITS_MIN) as usize + 1;

/// Room for a compressed frame that is kept between two of them.
const KEPT_BYTES_MAX: usize = 64 << 10;

impl Deflater {
    /// A deflater that has allocated nothing yet.
    pub fn new(compression: Compression) -> Self {
        let level = compression.level.clamp(2, 9);
        let payload_bytes_min = compression
            .payload_bytes_min
            .max(Header::CONTROL_PAYLOAD_BYTES_MAX + 3);
        Self {
            compression: Compression {
                payload_bytes_min,
                level,
            },
            contexts: [const { None }; WINDOWS],
            out: Vec::new(),
            runs: 0,
        }
    }

    /// How many messages have been compressed, those included that did not shrink.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Whether a payload of that length is compressed at all.
    pub(crate) fn wants(&self, payload_bytes: usize) -> bool {
        payload_bytes >= self.compression.payload_bytes_min
    }

    /// The compressed frame of a message; `None` when it would not be shorter than the plain one.
    pub(crate) fn deflate(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        window_bits: u8,
    ) -> Option<&[u8]> {
        self.runs += 1;
        let level = flate2::Compression::new(self.compression.level);
        let context = self.contexts[usize::from(window_bits - Agreement::WINDOW_BITS_MIN)]
            .get_or_insert_with(|| Compress::new_with_window_bits(level, false, window_bits));
        context.reset();
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES_MAX);
        // Room for the header in front; what needs more than the payload is not worth it.
        self.out
            .reserve(Header::UNMASKED_BYTES_MAX + payload.len() + TAIL.len());
        self.out.resize(Header::UNMASKED_BYTES_MAX, 0);
        let done = context.compress_vec(payload, &mut self.out, FlushCompress::Sync);
        let is_whole = done.is_ok()
            && context.total_in() == payload.len() as u64
            && self.out.len() < self.out.capacity();
        if !is_whole || !self.out.ends_with(&TAIL) {
            return None;
        }
        self.out.truncate(self.out.len() - TAIL.len());
        let header = Header {
            reserved: Header::COMPRESSED,
            ..Header::new(opcode, self.out.len() - Header::UNMASKED_BYTES_MAX)
        };
        let head = header.encoded_bytes();
        let start = Header::UNMASKED_BYTES_MAX - head;
        self.out[start..Header::UNMASKED_BYTES_MAX].copy_from_slice(&header.encode()[..head]);
        let frame = &self.out[start..];
        (frame.len() < payload.len()).then_some(frame)
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("compression", &self.compression)
            .field("contexts", &self.contexts.iter().flatten().count())
            .field("runs", &self.runs)
            .finish_non_exhaustive()
    }
}
