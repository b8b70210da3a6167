//! Close codes and the payload of a close frame (RFC 6455, sections 5.5.1 and 7.4).

use std::borrow::Cow;
use std::fmt;

use crate::error::ProtocolError;

/// The status code of a close frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// An endpoint goes away; also what a server says to an idle connection.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that this endpoint does not take.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// The connection ended without a close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// Data that does not fit its type, such as text that is no UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The peer broke a rule of the application.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message larger than this endpoint takes.
    pub const TOO_BIG: Self = Self(1009);
    /// Something unexpected happened in this endpoint.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service restarts; clients come back after a random delay.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The service is overloaded; clients come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Whether the code may be sent in a close frame: 1000–1003, 1007–1014, and 3000–4999, which
    /// belong to libraries and applications.
    pub fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// Code and reason of a close frame that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// Why the peer closes.
    pub code: CloseCode,
    /// The same for humans, at most 123 bytes; often empty.
    pub reason: Cow<'a, str>,
}

impl<'a> CloseFrame<'a> {
    /// Parses a close frame's payload. An empty payload is `None`.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::ClosePayload),
            [high, low, reason @ ..] => (CloseCode(u16::from_be_bytes([*high, *low])), reason),
        };
        if !code.is_sendable() {
            return Err(ProtocolError::CloseCode(code));
        }
        let reason = simdutf8::basic::from_utf8(reason).map_err(|_| ProtocolError::Utf8)?;
        Ok(Some(Self {
            code,
            reason: reason.into(),
        }))
    }
}
