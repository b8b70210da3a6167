//! Until when a caller waits: known to both sides of a call.
//!
//! Reading the clock costs as much as a tenth of a call, so a limit begins as a duration and
//! becomes a moment when somebody first needs one: the caller, when it has waited for a while, or
//! the callee, when it asks for its deadline. Beside it stands a cap: the moment at which those
//! give up on whose behalf the call is made.

use crate::clock::Time;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const NONE: u64 = u64::MAX;
const RELATIVE: u64 = 1 << 63;

pub(crate) struct Limit {
    /// A duration with the bit `RELATIVE`, a moment, or `NONE`.
    own: AtomicU64,
    /// A moment, or `NONE`.
    cap: AtomicU64,
}

impl Limit {
    #[inline]
    pub(crate) const fn after(limit: Duration) -> Self {
        Self {
            own: AtomicU64::new(relative(limit)),
            cap: AtomicU64::new(NONE),
        }
    }

    /// Sets another duration, unless it has begun.
    pub(crate) fn set(&self, limit: Option<Duration>) {
        let new = limit.map_or(NONE, relative);
        let _ = self
            .own
            .fetch_update(Relaxed, Relaxed, |old| (old & RELATIVE != 0).then_some(new));
    }

    /// Whether it is a duration below this one.
    pub(crate) fn is_below(&self, limit: Duration) -> bool {
        let own = self.own.load(Relaxed);
        own & RELATIVE != 0 && own < relative(limit)
    }

    /// Not later than what is known of the limit on whose behalf this one is set. Asks for the time
    /// only where it must: two limits of the same length that have not begun end within a sweep
    /// of each other.
    pub(crate) fn inherit(&self, from: &Self, now: impl FnOnce() -> Time) {
        let theirs = from.own.load(Relaxed);
        if theirs & RELATIVE != 0 && theirs < self.own.load(Relaxed) {
            from.begin(now());
        }
        if let Some(moment) = from.known() {
            self.cap(moment);
        }
    }

    /// Not later than this moment.
    pub(crate) fn cap(&self, moment: Time) {
        self.cap.fetch_min(moment.0, Relaxed);
    }

    /// The moment, which is fixed now if it was not before.
    pub(crate) fn begin(&self, now: Time) -> Option<Time> {
        let mut current = self.own.load(Relaxed);
        while current != NONE && current & RELATIVE != 0 {
            let moment = now.0.saturating_add(current & !RELATIVE).min(RELATIVE - 1);
            match self.own.compare_exchange(current, moment, Relaxed, Relaxed) {
                Ok(_) => current = moment,
                Err(seen) => current = seen,
            }
        }
        self.known()
    }

    /// The moment as far as it is fixed.
    pub(crate) fn known(&self) -> Option<Time> {
        let own = self.own.load(Relaxed);
        let own = if own & RELATIVE == 0 { own } else { NONE };
        let first = own.min(self.cap.load(Relaxed));
        (first != NONE).then_some(Time(first))
    }
}

const fn relative(limit: Duration) -> u64 {
    let nanos = limit.as_nanos();
    if nanos >= (RELATIVE - 1) as u128 {
        NONE
    } else {
        nanos as u64 | RELATIVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_limit_begins_once() {
        let limit = Limit::after(SECOND);
        limit.set(Some(3 * SECOND));
        assert_eq!(limit.known(), None);
        assert_eq!(limit.begin(Time(5)), Some(Time(3_000_000_005)));
        limit.set(Some(SECOND));
        assert_eq!(limit.begin(Time(7)), Some(Time(3_000_000_005)));
    }

    #[test]
    fn a_limit_inherits_the_earlier_end() {
        let (outer, inner) = (Limit::after(SECOND), Limit::after(SECOND));
        inner.inherit(&outer, || panic!("equal limits need no clock"));
        assert_eq!(inner.known(), None);
        let longer = Limit::after(2 * SECOND);
        longer.inherit(&outer, || Time(5));
        assert_eq!(longer.begin(Time(7)), Some(Time(1_000_000_005)));
        let shorter = Limit::after(SECOND / 2);
        shorter.inherit(&outer, || panic!("it has begun"));
        assert_eq!(shorter.begin(Time(7)), Some(Time(500_000_007)));
    }

    #[test]
    fn a_cap_bounds_a_duration_a_moment_and_no_limit() {
        let limit = Limit::after(SECOND);
        limit.cap(Time(9));
        assert_eq!(limit.begin(Time(5)), Some(Time(9)));
        let endless = Limit::after(Duration::MAX);
        assert_eq!(endless.begin(Time(5)), None);
        endless.cap(Time(9));
        endless.cap(Time(11));
        assert_eq!(endless.known(), Some(Time(9)));
    }
}
