//! How a breaker is made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaxel_runtime::{Recipient, System};

use super::event::BreakerEvent;
use super::state::{Counts, Machine, Settings};
use super::{CircuitBreaker, Inner};
use crate::durations::secs;

/// A breaker before it is made. See [`CircuitBreaker::builder`].
#[must_use = "a builder does nothing until it builds"]
#[derive(Debug)]
pub struct CircuitBreakerBuilder {
    name: Arc<str>,
    call_timeout: Duration,
    settings: Settings,
    listeners: Vec<Recipient<BreakerEvent>>,
}

impl CircuitBreakerBuilder {
    pub(super) fn new(name: Arc<str>) -> Self {
        CircuitBreakerBuilder {
            name,
            call_timeout: secs(10),
            settings: Settings {
                failures_max: 5,
                reset_timeout: secs(30),
                reset_factor: 1.0,
                reset_timeout_max: secs(3600),
            },
            listeners: Vec::new(),
        }
    }

    /// So many failures in a row open it, one at least. Default: 5.
    pub fn failures_max(mut self, failures: u32) -> Self {
        self.settings.failures_max = failures.max(1);
        self
    }

    /// How long a call may take. Default: 10 s.
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.call_timeout = limit;
        self
    }

    /// How long it stays open at first. Default: 30 s.
    pub fn reset_timeout(mut self, pause: Duration) -> Self {
        self.settings.reset_timeout = pause;
        self
    }

    /// By how much it stays open longer after each failed probe, one at least. Default: 1.
    pub fn reset_factor(mut self, factor: f64) -> Self {
        self.settings.reset_factor = factor.max(1.0);
        self
    }

    /// The longest it stays open. Default: one hour.
    pub fn reset_timeout_max(mut self, pause: Duration) -> Self {
        self.settings.reset_timeout_max = pause;
        self
    }

    /// An actor that is told when the state changes; it misses what finds its mailbox full.
    pub fn listener(mut self, listener: Recipient<BreakerEvent>) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Makes it, on the clock of the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn build(self) -> CircuitBreaker {
        self.build_in(&System::current())
    }

    /// Makes it, on the clock of `system`.
    pub fn build_in(self, system: &System) -> CircuitBreaker {
        CircuitBreaker(Arc::new(Inner {
            name: self.name,
            system: system.clone(),
            call_timeout: self.call_timeout,
            listeners: self.listeners,
            machine: Mutex::new(Machine::new(self.settings)),
            counts: Counts::default(),
        }))
    }
}
