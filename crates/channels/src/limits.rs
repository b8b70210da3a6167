//! The bounds of a socket.

/// The bounds of one connection of a socket. Those on bytes, frames and time below the protocol
/// are the connection plane's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Topics a connection may have joined at a time. One more join is refused with the reason
    /// `too many channels joined`. Default 100, as in Phoenix.
    pub channels_max: u32,
    /// Connections, long-poll sessions included, with the same auth token
    /// ([`Socket::auth_token`](crate::Socket::auth_token)) or, where there is none, the same
    /// session ([`Socket::session`](crate::Socket::session)). One more is refused with 429 (long
    /// poll: 403) after the connect hook has said yes, and counted in `connections_refused_token`.
    /// Default 1,024: a person's devices and tabs fit by far, a key that an application gives to
    /// all of its clients needs more.
    pub connections_per_token_max: u32,
    /// Channels joined with one token, over all its connections. One more join is refused with
    /// the reason `too many channels joined with this token`. Joins at the same moment on
    /// several shards may exceed it by one each. Default 16,384.
    pub channels_per_token_max: u32,
    /// Messages of a connection that its channels have not finished. Beyond it the connection is
    /// not read on until there is room (counter `pauses`). Default 256.
    pub messages_in_flight_max: u32,
    /// Bytes of payloads of these messages, exceeded by one message at the most. Beyond it as
    /// above. Default 1 MiB.
    pub bytes_in_flight_max: u32,
    /// Bytes of a topic. A join of a longer one is refused with the reason `topic too long`.
    /// Default 1,024.
    pub topic_bytes_max: u32,
    /// Joins a second that the server wants when everybody comes back at once. The answers to the
    /// heartbeats of clients that connect with the param `vx` tell them over how long to spread
    /// their return, `reconnect_jitter_ms`: the channels that are joined now, divided by this, one
    /// minute at the most. Default 5,000.
    pub rejoins_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            channels_max: 100,
            connections_per_token_max: 1_024,
            channels_per_token_max: 16_384,
            messages_in_flight_max: 256,
            bytes_in_flight_max: 1 << 20,
            topic_bytes_max: 1024,
            rejoins_per_second: 5_000,
        }
    }
}
