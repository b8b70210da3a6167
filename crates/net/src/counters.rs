//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One number, written by the thread of its shard only and read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// A plain load and store: there is one writer, so nothing is lost and no bus is locked.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// For the few that several threads write.
    pub(crate) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one shard, on cache lines of their own.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// A reading of all counters, summed over the shards. The numbers are read one after the
        /// other while traffic goes on, so they need not fit each other to the last one.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct NetCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl NetCounters {
            pub(crate) fn add(&mut self, shard: &Counters) {
                $(self.$name += shard.$name.load();)*
            }

            /// Each counter under its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Connections open now, of every kind and state.
    connections_open,
    /// WebSocket connections open now.
    websockets_open,
    /// Connections accepted since the start.
    connections_accepted,
    /// Connections closed at once because of [`Limits::connections_max`](crate::Limits).
    connections_refused_total,
    /// Connections closed at once because of
    /// [`Limits::connections_per_address_max`](crate::Limits).
    connections_refused_address,
    /// Accepts that failed, mostly for want of file descriptors. The listener rests for a tick.
    accept_errors,
    /// Handshakes completed.
    handshakes,
    /// Requests refused by the protocol or because their head was malformed.
    handshakes_refused,
    /// Connections dropped because of [`Limits::handshake_timeout`](crate::Limits).
    handshake_timeouts,
    /// Requests refused because of [`Limits::http_head_bytes_max`](crate::Limits).
    http_heads_too_big,
    /// Connections dropped because the client broke the rules of TLS or spoke something else.
    tls_errors,
    /// Connections handed to HTTP.
    http_connections,
    /// Requests answered by the HTTP service.
    http_requests,
    /// Requests answered with 408 because of [`Limits::http_request_timeout`](crate::Limits).
    http_timeouts,
    /// Handlers of the HTTP service that panicked; answered with 500.
    http_panics,
    /// Messages and control frames received.
    frames_in,
    /// Frames handed to connections for sending.
    frames_out,
    /// Frames sent compressed, a broadcast once for each client.
    frames_deflated,
    /// Messages compressed, a broadcast once for all, and those included that did not shrink.
    deflates,
    /// Bytes that compression has saved on the way out.
    deflate_bytes_saved,
    /// Bytes read from WebSocket connections, heads included.
    bytes_in,
    /// Bytes written to WebSocket connections.
    bytes_out,
    /// Connections closed because of [`Limits::frame_bytes_max`](crate::Limits) or
    /// [`Limits::message_bytes_max`](crate::Limits).
    messages_too_big,
    /// Connections closed because the client broke the protocol in any other way.
    protocol_errors,
    /// Times that a connection was not read on because of
    /// [`Limits::frames_per_second_max`](crate::Limits) or
    /// [`Limits::bytes_per_second_max`](crate::Limits).
    throttles,
    /// Times that a connection had to wait because of
    /// [`Limits::frames_per_turn_max`](crate::Limits).
    turns_cut,
    /// Connections closed because of [`Limits::message_timeout`](crate::Limits).
    message_timeouts,
    /// Connections closed because of [`Limits::outbox_bytes_max`](crate::Limits).
    slow_consumers,
    /// Frames dropped because of [`Limits::outbox_bytes_max`](crate::Limits), where the
    /// [`OutboxPolicy`](crate::OutboxPolicy) allows it.
    frames_dropped,
    /// Frames that waited and were replaced by newer ones
    /// ([`OutboxPolicy::Conflate`](crate::OutboxPolicy)).
    frames_conflated,
    /// Connections closed because of [`Limits::idle_timeout`](crate::Limits).
    idle_timeouts,
    /// Connections dropped because of [`Limits::close_timeout`](crate::Limits).
    close_timeouts,
    /// Frames that the protocol could not take yet ([`Flow::Pause`](crate::Flow)).
    pauses,
    /// Callbacks of the protocol that panicked.
    protocol_panics,
    /// Commands refused because of [`Limits::inbox_commands_max`](crate::Limits).
    inbox_full,
    /// Commands taken from inboxes.
    commands,
    /// Times that a sleeping shard was woken through its eventfd.
    wakes,
    /// Passes over the ready list.
    passes,
}
