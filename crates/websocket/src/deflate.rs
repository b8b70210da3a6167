//! permessage-deflate (RFC 7692) for a server, without context takeover.
//!
//! A compressor's context takes some 260 KiB and a decompressor's some 40 KiB, a thousand times
//! what an idle connection takes. So no connection has one: every answer says that neither side
//! keeps a context from message to message, and then one [`Deflater`] and one [`Inflater`] serve
//! all connections of a thread, a message at a time. Both allocate with their first use.
//!
//! - [`negotiate`] chooses among a client's offers; [`Agreement`] is what was agreed upon.
//! - [`Inflater`] goes into [`Decoder::decode_with`](crate::Decoder::decode_with).
//! - [`Deflater`] compresses what is sent: [`Frame::compressed`](crate::Frame::compressed).
//!
//! # Bounds
//! A message is inflated up to [`Config::message_bytes_max`](crate::Config::message_bytes_max)
//! and not a byte further, however small it arrives.

mod deflater;
mod inflater;
mod offer;

pub use deflater::{Compression, Deflater};
pub use inflater::Inflater;
pub use offer::{Agreement, negotiate};

/// What ends every compressed message and is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

#[cfg(test)]
mod tests;
