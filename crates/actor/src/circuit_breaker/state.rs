//! The state machine of a breaker, without a clock or a lock of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use vaxel_runtime::Time;

use super::event::{BreakerCounts, BreakerState};

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) failures_max: u32,
    pub(super) reset_timeout: Duration,
    pub(super) reset_factor: f64,
    pub(super) reset_timeout_max: Duration,
}

pub(super) struct Machine {
    settings: Settings,
    phase: Phase,
    /// Grows with every change of phase: an outcome of an earlier one does not count.
    epoch: u64,
    /// How long it stays open the next time.
    pause: Duration,
}

enum Phase {
    Closed { failures: u32 },
    Open { until: Time },
    HalfOpen { is_probing: bool },
}

impl Machine {
    pub(super) fn new(settings: Settings) -> Self {
        Machine {
            phase: Phase::Closed { failures: 0 },
            epoch: 0,
            pause: settings.reset_timeout,
            settings,
        }
    }

    pub(super) fn state(&self, now: Time) -> BreakerState {
        match self.phase {
            Phase::Closed { failures } => BreakerState::Closed { failures },
            Phase::Open { until } => BreakerState::Open {
                retry_in: until.since(now),
            },
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }

    /// The epoch in which a call may begin, or how long until one may.
    pub(super) fn admit(&mut self, now: Time) -> Result<u64, Duration> {
        match self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until } if now < until => return Err(until.since(now)),
            Phase::Open { .. } => self.enter(Phase::HalfOpen { is_probing: true }),
            Phase::HalfOpen { is_probing: true } => return Err(Duration::ZERO),
            Phase::HalfOpen { is_probing: false } => {
                self.phase = Phase::HalfOpen { is_probing: true };
            }
        }
        Ok(self.epoch)
    }

    pub(super) fn succeeded(&mut self, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        match &mut self.phase {
            Phase::Closed { failures } => *failures = 0,
            _ => {
                self.pause = self.settings.reset_timeout;
                self.enter(Phase::Closed { failures: 0 });
            }
        }
    }

    pub(super) fn failed(&mut self, epoch: u64, now: Time) {
        if epoch != self.epoch {
            return;
        }
        if let Phase::Closed { failures } = &mut self.phase {
            *failures += 1;
            if *failures < self.settings.failures_max {
                return;
            }
        }
        let until = now + self.pause;
        // Not beyond what a duration can hold, whatever the factor.
        let longer = self.pause.as_secs_f64() * self.settings.reset_factor;
        let longer = Duration::try_from_secs_f64(longer).unwrap_or(Duration::MAX);
        self.pause = longer.min(self.settings.reset_timeout_max);
        self.enter(Phase::Open { until });
    }

    /// The call was dropped: if it was the probe, another may be.
    pub(super) fn abandoned(&mut self, epoch: u64) {
        if epoch == self.epoch
            && let Phase::HalfOpen { is_probing } = &mut self.phase
        {
            *is_probing = false;
        }
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) opened: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, which: impl Fn(&Self) -> &AtomicU64) {
        which(self).fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> BreakerCounts {
        BreakerCounts {
            succeeded: self.succeeded.load(Relaxed),
            failed: self.failed.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
            refused: self.refused.load(Relaxed),
            opened: self.opened.load(Relaxed),
        }
    }
}
