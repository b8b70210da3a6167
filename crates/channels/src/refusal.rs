//! How an application says no.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use vaxel_actor::CallError;
use vaxel_presence::TrackError;

use crate::payload::{PayloadError, to_json};

/// A no, with what the client is told.
///
/// Returned from `join` and `handle_in` it becomes an error reply; returned from a socket's
/// connect hook it refuses the handshake with [`status`](Self::with_status).
#[derive(Debug)]
pub struct Refusal {
    response: Box<RawValue>,
    status: u16,
}

impl Refusal {
    /// Refuses with `{"reason": reason}`.
    pub fn new(reason: impl AsRef<str>) -> Self {
        #[derive(Serialize)]
        struct Response<'a> {
            reason: &'a str,
        }
        Self::with(&Response {
            reason: reason.as_ref(),
        })
    }

    /// Refuses an event that comes too early.
    pub(crate) fn rate_limited(early: Duration) -> Self {
        #[derive(Serialize)]
        struct Response {
            reason: &'static str,
            retry_after_ms: u64,
        }
        let retry_after_ms = u64::try_from(early.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        Self::with(&Response {
            reason: "rate limited",
            retry_after_ms,
        })
    }

    /// Refuses with a response of the application's own; clients expect an object.
    ///
    /// # Panics
    /// When `response` has no JSON form.
    #[track_caller]
    pub fn with<T: Serialize + ?Sized>(response: &T) -> Self {
        Self {
            response: to_json(response),
            status: 403,
        }
    }

    /// Sets the HTTP status of a refused connect, 403 unless told otherwise. It has no meaning
    /// elsewhere.
    ///
    /// # Panics
    /// When `status` is not that of a client's or server's error, 400 to 599.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        assert!(
            (400..600).contains(&status),
            "a refusal cannot have the HTTP status {status}"
        );
        self.status = status;
        self
    }

    /// The response as JSON.
    pub fn response(&self) -> &RawValue {
        &self.response
    }

    pub(crate) fn into_response(self) -> Box<RawValue> {
        self.response
    }

    /// The HTTP status of a refused connect.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl From<PayloadError> for Refusal {
    fn from(error: PayloadError) -> Self {
        Self::new(format!("invalid payload: {}", error.detail()))
    }
}

/// A client learns `presence refused`; what was wrong is the application's own.
impl From<TrackError> for Refusal {
    fn from(_: TrackError) -> Self {
        Self::new("presence refused")
    }
}

/// A client learns whether trying again may help, and nothing about the insides: `timeout`,
/// `busy` (a full mailbox) or `unavailable`.
impl<E> From<CallError<E>> for Refusal {
    fn from(error: CallError<E>) -> Self {
        Self::new(match error {
            CallError::Timeout => "timeout",
            CallError::Full => "busy",
            _ => "unavailable",
        })
    }
}
