//! A WebSocket codec without I/O: RFC 6455 for both ends of a connection.
//!
//! Bytes go in, messages come out; reading and writing sockets is somebody else's work. That
//! keeps a connection's codec at eight bytes and makes every rule testable without a network.
//!
//! - [`Decoder`] turns bytes into messages. A message that arrives in one frame is unmasked where
//!   it lies and borrowed from the caller's buffer; only a fragmented message is copied, up to a
//!   bound.
//! - [`Frame`] is one encoded server frame in shared bytes: encode once, send to any number of
//!   connections.
//! - [`encode_masked`] writes a client's frame.
//! - [`handshake`] has the opening handshake of both ends.
//!
//! # Bounds
//! [`Config::frame_bytes_max`] bounds one frame and [`Config::message_bytes_max`] a message put
//! together from fragments. A frame is refused by its header, before its payload is read.
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
//!
//! Extensions are not negotiated yet, so a reserved bit is an error. permessage-deflate (RFC 7692)
//! will turn the first of them into a setting of [`Config`].

#![forbid(unsafe_code)]

mod close;
mod decoder;
mod error;
mod frame;
pub mod handshake;
mod header;
mod mask;

pub use close::{CloseCode, CloseFrame};
pub use decoder::{Config, Decoded, Decoder, Message, Role};
pub use error::ProtocolError;
pub use frame::{Frame, FrameBuilder, encode_masked};
pub use header::{Header, Opcode};
pub use mask::mask;
