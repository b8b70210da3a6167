//! What a peer can do wrong.

use thiserror::Error;

use crate::close::CloseCode;

/// A violation of the protocol or of a limit. The connection has to be failed with
/// [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set although no extension gives it a meaning.
    #[error("reserved bit set without an extension")]
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    #[error("unknown opcode {0:#x}")]
    Opcode(u8),
    /// A client's frame without a mask.
    #[error("frame from a client is not masked")]
    Unmasked,
    /// A server's frame with a mask.
    #[error("frame from a server is masked")]
    Masked,
    /// A control frame of more than 125 bytes.
    #[error("control frame longer than 125 bytes")]
    ControlTooLong,
    /// A control frame that is not final.
    #[error("control frame is fragmented")]
    ControlFragmented,
    /// A length that is not in its shortest form, or has its highest bit set.
    #[error("frame length is not in its shortest form")]
    Length,
    /// A continuation frame while no message is open.
    #[error("continuation without a message to continue")]
    Continuation,
    /// A new message while another one is still open.
    #[error("new message inside a fragmented one")]
    Interleaved,
    /// A close frame whose payload is one byte long.
    #[error("close frame with a payload of one byte")]
    ClosePayload,
    /// A close code that must not be sent.
    #[error("close code {0} must not be sent")]
    CloseCode(CloseCode),
    /// Text or a close reason that is no UTF-8.
    #[error("text is not valid utf-8")]
    Utf8,
    /// A compressed message that does not inflate.
    #[error("compressed message is malformed")]
    Deflate,
    /// A frame longer than [`Config::frame_bytes_max`](crate::Config::frame_bytes_max).
    #[error("frame of {bytes} bytes exceeds {bytes_max}")]
    FrameTooBig {
        /// What the header announces.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A message longer than [`Config::message_bytes_max`](crate::Config::message_bytes_max),
    /// all its fragments together, or inflated.
    #[error("message of more than {bytes_max} bytes")]
    MessageTooBig {
        /// The limit.
        bytes_max: usize,
    },
}

impl ProtocolError {
    /// The code to close the connection with: 1007 for bad text and for data that does not inflate,
    /// 1009 for size, else 1002.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Utf8 | Self::Deflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig { .. } | Self::MessageTooBig { .. } => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}
