//! The compressed form of a frame.

use std::num::NonZero;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::Frame;
use crate::deflate::{Agreement, Deflater};

/// The compressed form that the clones of a frame share; `None` inside when it would not be
/// shorter.
#[derive(Debug, Default)]
pub(super) struct Twin {
    bytes: OnceLock<Option<Bytes>>,
}

/// A frame as one connection gets it.
#[derive(Debug)]
pub enum Wire<'a> {
    /// Bytes that other connections get too.
    Shared(&'a Bytes),
    /// Bytes that lie in the deflater until its next use.
    Own(&'a [u8]),
}

impl Wire<'_> {
    /// What goes over the wire.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }

    /// The same to be kept: shared if it can be, else copied.
    pub fn to_bytes(&self) -> Bytes {
        match *self {
            Self::Shared(bytes) => bytes.clone(),
            Self::Own(bytes) => Bytes::copy_from_slice(bytes),
        }
    }
}

impl Frame {
    /// The same frame, whose clones from now on share their compressed form too: for broadcasts,
    /// so that they are compressed once and not once for each client. Costs an allocation.
    pub fn with_twin(mut self) -> Self {
        self.twin = Some(Arc::default());
        self
    }

    /// The frame as it goes over the wire without compression.
    pub fn plain(&self) -> Wire<'_> {
        Wire::Shared(&self.bytes)
    }

    /// The frame for a connection that has agreed upon permessage-deflate with this window:
    /// compressed if it is long enough and that makes it shorter.
    ///
    /// The twin is compressed with the largest window. A message that fits into a smaller one has
    /// no distances beyond it, so it serves those clients too; longer ones are compressed for
    /// them alone.
    pub fn compressed<'a>(
        &'a self,
        window_bits: NonZero<u8>,
        deflater: &'a mut Deflater,
    ) -> Wire<'a> {
        if !deflater.wants(self.bytes.len()) {
            return self.plain();
        }
        let (opcode, payload) = (self.opcode(), self.payload());
        let window_bits = window_bits
            .get()
            .clamp(Agreement::WINDOW_BITS_MIN, Agreement::WINDOW_BITS_MAX);
        let largest = Agreement::WINDOW_BITS_MAX;
        if let Some(twin) = &self.twin
            && (window_bits == largest || payload.len() <= 1 << window_bits)
        {
            let compress = || {
                let frame = deflater.deflate(opcode, payload, largest)?;
                Some(Bytes::copy_from_slice(frame))
            };
            return match twin.bytes.get_or_init(compress) {
                Some(bytes) => Wire::Shared(bytes),
                None => self.plain(),
            };
        }
        match deflater.deflate(opcode, payload, window_bits) {
            Some(frame) => Wire::Own(frame),
            None => self.plain(),
        }
    }
}
