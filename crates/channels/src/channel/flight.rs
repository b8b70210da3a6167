//! What one connection has in flight: messages read from it that no channel has finished yet.
//!
//! The shard counts each message before it hands it to a channel; dropping the payload takes it
//! off. At the limits the shard does not read that connection on, so the client's own TCP window
//! fills: memory stays bounded and nothing is lost.

use std::sync::atomic::{AtomicU64, Ordering};

/// Messages count in the upper half of the word, bytes in the lower, so one operation does both.
const MESSAGE: u64 = 1 << 32;

/// The account of one connection.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    state: AtomicU64,
}

impl Flight {
    /// Counts a message. The last one may exceed the limit on bytes, since it has been read
    /// already; the sum stays below 2^32 because a frame does.
    pub(crate) fn take(&self, bytes: u32) {
        self.state
            .fetch_add(MESSAGE + u64::from(bytes), Ordering::Relaxed);
    }

    /// Forgets a message.
    pub(crate) fn give_back(&self, bytes: u32) {
        self.state
            .fetch_sub(MESSAGE + u64::from(bytes), Ordering::Relaxed);
    }

    /// Whether one of the limits is reached.
    pub(crate) fn is_full(&self, messages_max: u32, bytes_max: u32) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        let (messages, bytes) = (state / MESSAGE, state % MESSAGE);
        messages >= u64::from(messages_max) || bytes >= u64::from(bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_bytes_are_bounded_each() {
        let flight = Flight::default();
        flight.take(10);
        flight.take(10);
        assert!(!flight.is_full(3, 100));
        assert!(flight.is_full(2, 100));
        assert!(flight.is_full(3, 20));
        flight.give_back(10);
        assert!(!flight.is_full(2, 20));
    }
}
