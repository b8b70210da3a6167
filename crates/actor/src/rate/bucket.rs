//! A token bucket on a system's clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vaxel_runtime::{System, Time};

use crate::durations::secs;

/// So many in a period, and how many of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_nanos: u64,
    burst: u32,
}

impl Rate {
    /// So many a second, one at least. One at a time, unless [`burst`](Self::burst) says otherwise.
    pub fn per_second(count: u32) -> Self {
        Self::new(count, secs(1))
    }

    /// So many in a period, one at least, evenly spread.
    pub fn new(count: u32, period: Duration) -> Self {
        let nanos = period.as_nanos() / u128::from(count.max(1));
        Rate {
            interval_nanos: u64::try_from(nanos).unwrap_or(u64::MAX).max(1),
            burst: 1,
        }
    }

    /// So many may come at once after a pause, one at least.
    pub fn burst(mut self, count: u32) -> Self {
        self.burst = count.max(1);
        self
    }
}

/// Tokens that come at a [`Rate`], up to its burst. A handle: clones share one bucket.
///
/// A new bucket is full.
///
/// ```
/// use vaxel_actor::rate::{Rate, TokenBucket};
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let logins = TokenBucket::new(Rate::per_second(1).burst(3));
/// assert!((0..3).all(|_| logins.try_take().is_ok()));
/// let wait = logins.try_take().expect_err("it is empty");
/// assert!(wait <= vaxel_actor::secs(1));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct TokenBucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rate: Rate,
    system: System,
    /// When the bucket would be full again, in nanoseconds of the system's clock.
    full_at: Mutex<u64>,
}

impl TokenBucket {
    /// A bucket on the clock of the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn new(rate: Rate) -> Self {
        Self::new_in(&System::current(), rate)
    }

    /// A bucket on the clock of `system`.
    pub fn new_in(system: &System, rate: Rate) -> Self {
        TokenBucket(Arc::new(Inner {
            rate,
            system: system.clone(),
            full_at: Mutex::new(0),
        }))
    }

    /// Takes a token.
    ///
    /// # Errors
    /// If there is none: how long until there is one.
    pub fn try_take(&self) -> Result<(), Duration> {
        let mut full_at = self.lock();
        *full_at = self.after_one(*full_at)?;
        Ok(())
    }

    /// How long until there is a token.
    pub(super) fn wait(&self) -> Duration {
        let full_at = self.lock();
        self.after_one(*full_at).err().unwrap_or_default()
    }

    /// When the bucket would be full if a token were taken now.
    fn after_one(&self, full_at: u64) -> Result<u64, Duration> {
        let now = self.now_nanos();
        let after = full_at.max(now).saturating_add(self.0.rate.interval_nanos);
        let wait = (after - now).saturating_sub(self.capacity_nanos());
        if wait > 0 {
            Err(Duration::from_nanos(wait))
        } else {
            Ok(after)
        }
    }

    /// Gives back a token that was not used.
    pub(super) fn give_back(&self) {
        let mut full_at = self.lock();
        *full_at = full_at.saturating_sub(self.0.rate.interval_nanos);
    }

    /// How many tokens there are now.
    pub fn available(&self) -> u32 {
        let missing = self.lock().saturating_sub(self.now_nanos());
        let missing = missing.div_ceil(self.0.rate.interval_nanos);
        self.0.rate.burst.saturating_sub(missing as u32)
    }

    pub(super) fn system(&self) -> &System {
        &self.0.system
    }

    pub(super) fn now(&self) -> Time {
        self.0.system.now()
    }

    fn now_nanos(&self) -> u64 {
        let now = self.now().since_start().as_nanos();
        u64::try_from(now).unwrap_or(u64::MAX)
    }

    fn capacity_nanos(&self) -> u64 {
        let rate = &self.0.rate;
        rate.interval_nanos.saturating_mul(u64::from(rate.burst))
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        let full_at = self.0.full_at.lock();
        full_at.unwrap_or_else(PoisonError::into_inner)
    }
}
