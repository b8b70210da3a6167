//! Until when a job is certainly its worker's.
//!
//! Another process may claim a job once its lease has ended, as the store knows it. A lease counts
//! from when its claim or renewal was *sent*: the store cannot have stored a later end, however
//! long its answer took. What was sent and is not confirmed does not count, since nobody knows
//! whether it was stored.
//!
//! An attempt ends a tenth of a lease before that, for clocks that are ahead of this one and for
//! handlers that need a while to reach their next await.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use vaxel_store::Timestamp;

/// The confirmed lease of a running job: renewed by its queue, watched by its attempt.
#[derive(Debug)]
pub(super) struct Lease {
    /// When the attempt has to end.
    until: AtomicI64,
    length: Duration,
}

impl Lease {
    /// A lease that was asked for at `sent`, and confirmed.
    pub(super) fn new(sent: Timestamp, length: Duration) -> Self {
        let lease = Lease {
            until: AtomicI64::new(0),
            length,
        };
        lease.renew(sent);
        lease
    }

    /// Notes a renewal that was asked for at `sent`, and confirmed.
    pub(super) fn renew(&self, sent: Timestamp) {
        let until = sent + (self.length - self.length / 10);
        self.until.store(until.0, Ordering::Relaxed);
    }

    /// How long the attempt may still go on; `None` when it must end.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        let until = Timestamp(self.until.load(Ordering::Relaxed));
        Some(until.since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_early_and_is_counted_from_when_it_was_sent() {
        let lease = Lease::new(Timestamp(1_000), Duration::from_secs(30));
        let left = |now| lease.left(Timestamp(now));
        assert_eq!(left(1_000), Some(Duration::from_secs(27)));
        assert_eq!(left(27_999), Some(Duration::from_millis(1)));
        assert_eq!(left(28_000), None);
        lease.renew(Timestamp(11_000));
        assert_eq!(left(28_000), Some(Duration::from_secs(10)));
    }
}
