//! The bounds of a socket.

/// The bounds of one connection of a socket. Those on bytes, frames and time below the protocol
/// are the connection plane's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Topics a connection may have joined at a time. One more join is refused with the reason
    /// `too many channels joined`. Default 100, as in Phoenix.
    pub channels_max: u32,
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
            messages_in_flight_max: 256,
            bytes_in_flight_max: 1 << 20,
            topic_bytes_max: 1024,
            rejoins_per_second: 5_000,
        }
    }
}
