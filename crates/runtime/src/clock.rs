//! Time: the one place where the runtime asks what time it is.

use std::ops::{Add, Sub};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant};

/// A moment on a system's clock: nanoseconds since the system began. Monotonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub(crate) u64);

impl Time {
    /// The begin of a system.
    pub const ZERO: Self = Self(0);

    /// Time since the system began.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Time since `earlier`, zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// As [`from_millis`](Self::from_millis), if the clock ever gets there.
    pub(crate) fn at_millis(millis: u64) -> Option<Self> {
        millis.checked_mul(1_000_000).map(Self)
    }

    pub(crate) const fn millis_ceil(self) -> u64 {
        self.0.div_ceil(1_000_000)
    }

    pub(crate) const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// Where a system's time comes from.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The machine's monotonic clock, and what it showed when the watchdog looked last.
    Machine { start: Instant, seen: AtomicU64 },
    /// Moves only when told: for tests.
    Manual { nanos: AtomicU64 },
}

impl Clock {
    pub(crate) fn machine() -> Self {
        Self::Machine {
            start: Instant::now(),
            seen: AtomicU64::new(0),
        }
    }

    pub(crate) const fn manual() -> Self {
        Self::Manual {
            nanos: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Time {
        match self {
            Self::Machine { start, .. } => {
                Time(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
            }
            Self::Manual { nanos } => Time(nanos.load(SeqCst)),
        }
    }

    /// Takes a note of the time for those who ask roughly.
    pub(crate) fn look(&self) {
        if let Self::Machine { seen, .. } = self {
            seen.store(self.now().0, Relaxed);
        }
    }

    /// The time when somebody looked last: costs a load, where the machine's clock costs some 25
    /// nanoseconds.
    #[inline]
    pub(crate) fn seen(&self) -> Time {
        match self {
            Self::Machine { seen, .. } => Time(seen.load(Relaxed)),
            Self::Manual { nanos } => Time(nanos.load(Relaxed)),
        }
    }

    pub(crate) const fn is_manual(&self) -> bool {
        matches!(self, Self::Manual { .. })
    }

    /// Moves a manual clock; the machine's clock moves by itself.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Manual { nanos } = self {
            nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), SeqCst);
        }
    }
}
