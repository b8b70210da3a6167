//! The bounds of long poll.

use std::time::Duration;

/// The bounds of the long-poll transport of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollConfig {
    /// How long a poll waits for a message before it is answered with none, and a batch of
    /// messages for its channels to take them. A session whose client has not polled for one and
    /// a half times as long ends (`channels.poll_sessions_expired`), and a batch that its channels
    /// do not take in time is answered 408 (`channels.poll_requests_late`). Default 10 s, as in
    /// Phoenix.
    pub window: Duration,
    /// Messages of one request. Those beyond are ignored, as in Phoenix. Default 100, which is
    /// what phoenix.js sends at most (`channels.poll_messages_ignored`).
    pub batch_max: usize,
    /// Bytes of the body of a request. A longer one is refused with HTTP status 413. Default
    /// 8,000,000 (`channels.poll_bodies_too_large`).
    pub body_bytes_max: usize,
    /// Bytes of the frames that wait for a client. Beyond them the session ends
    /// (`channels.poll_sessions_behind`), unless the topic chose another
    /// [`SlowClient`](crate::SlowClient). Default 1 MiB.
    pub outbox_bytes_max: usize,
    /// Sessions of the socket. One more is refused, and its client tries again
    /// (`channels.poll_sessions_refused`). Default 65,536.
    pub sessions_max: usize,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            batch_max: 100,
            body_bytes_max: 8_000_000,
            outbox_bytes_max: 1 << 20,
            sessions_max: 1 << 16,
        }
    }
}
