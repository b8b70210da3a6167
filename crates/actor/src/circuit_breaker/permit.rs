//! Leave to call, and the duty to say how it went.

use std::sync::Arc;
use std::time::Duration;

use super::CircuitBreaker;

/// The breaker is open; nothing was called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("circuit breaker `{name}` is open, retry in {retry_in:?}")]
#[non_exhaustive]
pub struct BreakerOpen {
    /// Which breaker.
    pub name: Arc<str>,
    /// How long until it lets a call through; zero while a probe is under way.
    pub retry_in: Duration,
}

/// Leave to call; see [`CircuitBreaker::permit`].
///
/// Dropped without a verdict it counts as nothing, but while unwinding from a panic as a failure.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as nothing"]
pub struct Permit {
    breaker: CircuitBreaker,
    epoch: u64,
    is_settled: bool,
}

impl Permit {
    pub(super) fn new(breaker: CircuitBreaker, epoch: u64) -> Self {
        Permit {
            breaker,
            epoch,
            is_settled: false,
        }
    }

    /// It went well.
    pub fn success(mut self) {
        self.breaker.0.counts.count(|counts| &counts.succeeded);
        self.settle(Some(true));
    }

    /// It failed.
    pub fn failure(mut self) {
        self.breaker.0.counts.count(|counts| &counts.failed);
        self.settle(Some(false));
    }

    pub(super) fn timed_out(mut self) {
        self.breaker.0.counts.count(|counts| &counts.timed_out);
        self.settle(Some(false));
    }

    fn settle(&mut self, outcome: Option<bool>) {
        self.is_settled = true;
        self.breaker.settle(self.epoch, outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        if std::thread::panicking() {
            self.breaker.0.counts.count(|counts| &counts.failed);
            self.settle(Some(false));
        } else {
            self.settle(None);
        }
    }
}
