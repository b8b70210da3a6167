//! What a breaker tells of itself.

use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::Message;

/// What a breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed {
        /// Failures since the last success.
        failures: u32,
    },
    /// Calls are refused.
    Open {
        /// When it will let one through; zero once the next call is the probe.
        retry_in: Duration,
    },
    /// One call goes through to see.
    HalfOpen,
}

impl BreakerState {
    /// Whether both are closed, open or half-open, whatever the details.
    pub(super) fn same_as(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// A breaker has changed its state.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BreakerEvent {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// What it did before.
    pub from: BreakerState,
    /// What it does now.
    pub to: BreakerState,
}

impl Message for BreakerEvent {
    type Reply = ();
}

/// The numbers of a breaker since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BreakerCounts {
    /// Calls that succeeded.
    pub succeeded: u64,
    /// Calls that failed; those that took too long are not among them.
    pub failed: u64,
    /// Calls that took too long.
    pub timed_out: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// How often it opened.
    pub opened: u64,
}
