//! Every bound of the connection plane.

use std::time::Duration;

use vaxel_websocket as websocket;

/// The bounds, with their defaults. What happens when one is reached is said at each of them, and
/// each has a counter in [`NetCounters`](crate::NetCounters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payload of one frame, in bytes. Beyond it the connection is closed with 1009. Default
    /// 128 KiB: twice the 64 KiB in which LiveView uploads its chunks, and little enough that ten
    /// thousand half-sent frames stay near one gigabyte.
    pub frame_bytes_max: usize,
    /// A message, in bytes: all its fragments together, and inflated if it was compressed. Beyond
    /// it the connection is closed with 1009. Default 128 KiB.
    pub message_bytes_max: usize,
    /// The head of a request, in bytes. Beyond it the request is refused with 431. Default
    /// 16 KiB, never less than 8 KiB.
    pub http_head_bytes_max: usize,
    /// Messages and control frames of one connection in a second. Beyond it nothing more is read
    /// from the connection until the second is over, so the kernel slows its client down. Frames
    /// and bytes draw on one allowance: half of each is all of it. Default 50,000: a client that
    /// asks, waits and asks again stays below it on any network.
    pub frames_per_second_max: u32,
    /// Bytes of one connection in a second, as above. Default 16 MiB.
    pub bytes_per_second_max: usize,
    /// Messages and control frames that a connection may have handled before all others have had
    /// their turn. The rest waits for a millisecond. Default 1,024.
    pub frames_per_turn_max: usize,
    /// What may wait for a client that reads slowly, in bytes; each frame counts 64 bytes more
    /// than its length, so that many small ones are bounded too. Beyond it the connection is
    /// closed with 1008 and the reason `slow consumer`, unless the frame was sent with another
    /// [`OutboxPolicy`](crate::OutboxPolicy). Default 1 MiB.
    pub outbox_bytes_max: usize,
    /// Commands that may wait in the inbox of one shard. Beyond it a push fails. Default
    /// 1,048,576: it is reached only when a shard's thread does not run at all.
    pub inbox_commands_max: usize,
    /// Connections of all shards together. Beyond it a new one is closed at once. Default
    /// 1,048,576; the number of files that the process may open is often reached before.
    pub connections_max: usize,
    /// Connections from one address (IPv6: from one /64). Beyond it a new one is closed at once.
    /// Default 1,024: a company behind one address fits, one machine cannot take the server for
    /// itself.
    pub connections_per_address_max: usize,
    /// Whether loopback has no such bound. Default true: proxies, tests and load generators on
    /// the same machine have one address for all their clients.
    pub is_loopback_exempt: bool,
    /// From accept to the end of the request's head and the answer to it. Beyond it the
    /// connection is dropped. Also how long a kept HTTP connection may stay silent. Default 10 s.
    pub handshake_timeout: Duration,
    /// Silence of a WebSocket client. Beyond it the connection is closed with 1001. Default 60 s:
    /// clients of Phoenix send a heartbeat every 30 s.
    pub idle_timeout: Duration,
    /// From the first byte of a message to its last; time in which the server itself does not
    /// read is not counted. Beyond it the connection is closed with 1008 and the reason `message
    /// timeout`. Default 30 s: a message of the largest size at 35 kbit/s.
    pub message_timeout: Duration,
    /// From the head of an HTTP request to that of its answer, so a body that trickles in counts.
    /// Beyond it the handler is dropped and the request answered with 408. Default 60 s.
    pub http_request_timeout: Duration,
    /// From the server's close frame to the end of the connection. Beyond it the socket is
    /// dropped. Default 2 s.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 128 << 10,
            message_bytes_max: 128 << 10,
            http_head_bytes_max: 16 << 10,
            frames_per_second_max: 50_000,
            bytes_per_second_max: 16 << 20,
            frames_per_turn_max: 1024,
            outbox_bytes_max: 1 << 20,
            inbox_commands_max: 1 << 20,
            connections_max: 1 << 20,
            connections_per_address_max: 1024,
            is_loopback_exempt: true,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            message_timeout: Duration::from_secs(30),
            http_request_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// How often a shard looks at its clock: often enough for the shortest time-out, at most
    /// every 200 ms.
    pub(crate) fn tick(&self) -> Duration {
        let shortest = self
            .handshake_timeout
            .min(self.idle_timeout)
            .min(self.message_timeout)
            .min(self.close_timeout);
        (shortest / 16).clamp(Duration::from_millis(1), Duration::from_millis(200))
    }

    /// A time-out in ticks, rounded up, so that it never comes early.
    pub(crate) fn ticks(&self, timeout: Duration) -> u32 {
        let ticks = timeout.as_nanos().div_ceil(self.tick().as_nanos());
        u32::try_from(ticks + 1).unwrap_or(u32::MAX / 2)
    }

    pub(crate) fn codec(&self) -> websocket::Config {
        websocket::Config {
            role: websocket::Role::Server,
            frame_bytes_max: self.frame_bytes_max,
            message_bytes_max: self.message_bytes_max,
        }
    }
}
