//! What is counted in a phase, and the units that follow from it.

use std::fmt;

/// What one message of a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A connection that has become a WebSocket.
    Connection,
    /// A join that was answered.
    Join,
    /// One broadcast at one member.
    Delivery,
    /// A request and its answer.
    Message,
}

impl Step {
    /// The unit of how many there are in a second.
    pub(super) fn rate_unit(self) -> &'static str {
        match self {
            Self::Connection => "connections/s",
            Self::Join => "joins/s",
            Self::Delivery => "deliveries/s",
            Self::Message => "messages/s",
        }
    }

    /// The unit of what one costs.
    pub(super) fn cost_unit(self) -> &'static str {
        match self {
            Self::Connection => "us/connection",
            Self::Join => "us/join",
            Self::Delivery => "us/delivery",
            Self::Message => "us/message",
        }
    }

    /// Whether it is one of many alike, so that frames have a length that can be compared.
    pub(super) fn has_equal_frames(self) -> bool {
        matches!(self, Self::Delivery | Self::Message)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Join => "join",
            Self::Delivery => "delivery",
            Self::Message => "message",
        })
    }
}
