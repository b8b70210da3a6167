//! A WebSocket codec without I/O: RFC 6455 for both ends of a connection, and RFC 7692
//! (permessage-deflate) for the server's.
//!
//! Bytes go in, messages come out; reading and writing sockets is somebody else's work. That
//! keeps a connection's codec at eight bytes and makes every rule testable without a network.
//!
//! - [`Decoder`] turns bytes into messages. A message that arrives in one frame is unmasked where
//!   it lies and borrowed from the caller's buffer; only one that comes in fragments or pieces is
//!   copied, up to a bound.
//! - [`Frame`] is one encoded server frame in shared bytes: encode once, send to any number of
//!   connections.
//! - [`encode_masked`] writes a client's frame.
//! - [`handshake`] has the opening handshake of both ends.
//! - [`deflate`] has what compressed messages need: negotiation, inflater, deflater.
//!
//! # Bounds
//! [`Config::frame_bytes_max`] bounds one frame and [`Config::message_bytes_max`] a message, all
//! its fragments together, and inflated if it is compressed. A frame is refused by its header,
//! before its payload is read.
//!
//! # Failure
//! Every violation is a [`ProtocolError`], which knows the close code the connection has to be
//! failed with. After an error the decoder must not be used again.
//!
//! ```
//! use vaxel_websocket::{Config, Decoder, Message, Opcode, Role, encode_masked};
//!
//! let mut bytes = Vec::new();
//! encode_masked(Opcode::Text, b"hello", [1, 2, 3, 4], &mut bytes);
//!
//! let config = Config { role: Role::Server, ..Config::default() };
//! let mut decoder = Decoder::new();
//! let decoded = decoder.decode(&config, &mut bytes).unwrap();
//! assert_eq!(decoded.message, Some(Message::Text("hello".into())));
//! ```

#![forbid(unsafe_code)]

mod close;
mod decoder;
pub mod deflate;
mod error;
mod frame;
pub mod handshake;
mod header;
mod mask;

pub use close::{CloseCode, CloseFrame};
pub use decoder::{Config, Decoded, Decoder, Message, Role};
pub use error::ProtocolError;
pub use frame::{Frame, FrameBuilder, Wire, encode_masked};
pub use header::{Header, Opcode};
pub use mask::mask;
