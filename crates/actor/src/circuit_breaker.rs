//! Circuit breakers: calls that fail again and again are refused at once for a while.
//!
//! What is called has time to recover, and callers do not wait for what will not come. The words
//! and rules are those of Pekko's `CircuitBreaker`.
//!
//! # States
//! - **Closed**: calls go through. A failure or a time-out adds one to a count, a success sets it
//!   to zero; at five (`failures_max`) the breaker opens.
//! - **Open**: calls are refused with [`BreakerError::Open`], which says when to try again, until
//!   30 s (`reset_timeout`) have passed.
//! - **Half-open**: the first call goes through as a probe, all others are refused. Its success
//!   closes the breaker; its failure opens it again, for `reset_factor` times as long as before
//!   and `reset_timeout_max` at the most. A probe that is dropped makes room for another.
//!
//! An outcome counts only in the state in which its call began. A breaker turns half-open when it
//! is next called after the time is over, not by itself.
//!
//! # Time and cancellation
//! A call that has not ended after 10 s (`call_timeout`) is dropped. Dropping a call counts as
//! nothing; a call that panics has failed. All times are on the clock of the breaker's system.
//!
//! ```
//! use vaxel_actor::circuit_breaker::{BreakerError, CircuitBreaker};
//! use vaxel_actor::prelude::*;
//!
//! struct Payments;
//!
//! #[actor(crate = vaxel_actor)]
//! impl Payments {
//!     fn init() -> Self {
//!         Payments
//!     }
//!
//!     #[call]
//!     fn charge(&mut self, amount: u32) -> Result<u32, String> {
//!         if amount > 100 { Err("bank is away".to_owned()) } else { Ok(amount) }
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let payments = Payments::spawn();
//! let breaker = CircuitBreaker::builder("payments").failures_max(2).build();
//!
//! assert_eq!(breaker.call(|| payments.charge(5)).await, Ok(5));
//! for _ in 0..2 {
//!     let failed = breaker.call(|| payments.charge(500)).await;
//!     assert!(matches!(failed, Err(BreakerError::Failed(CallError::Handler(_)))));
//! }
//! let refused = breaker.call(|| payments.charge(5)).await.unwrap_err();
//! assert!(refused.to_string().starts_with("circuit breaker `payments` is open, retry in 29."));
//! # });
//! ```

mod builder;
mod event;
mod permit;
mod state;

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vaxel_runtime::{Recipient, System};

pub use self::builder::CircuitBreakerBuilder;
pub use self::event::{BreakerCounts, BreakerEvent, BreakerState};
pub use self::permit::{BreakerOpen, Permit};
use self::state::{Counts, Machine};
use crate::time_limit::until;

/// Why a call through a breaker has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BreakerError<E> {
    /// The breaker is open; nothing was called.
    #[error(transparent)]
    Open(BreakerOpen),
    /// The call did not end in time and was dropped. Whether it had an effect is unknown.
    #[error("no result in time; the outcome is unknown")]
    Timeout,
    /// The call failed.
    #[error(transparent)]
    Failed(E),
}

/// A circuit breaker. A handle: clones are handles to the same one.
///
/// See the [module](self).
#[derive(Clone)]
pub struct CircuitBreaker(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    system: System,
    call_timeout: Duration,
    listeners: Vec<Recipient<BreakerEvent>>,
    machine: Mutex<Machine>,
    counts: Counts,
}

impl CircuitBreaker {
    /// A breaker with the default limits, on the clock of the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::builder(name).build()
    }

    /// Begins a breaker: five failures, 10 s a call, 30 s until the reset.
    pub fn builder(name: impl Into<Arc<str>>) -> CircuitBreakerBuilder {
        CircuitBreakerBuilder::new(name.into())
    }

    /// Makes a call and awaits it, unless the breaker is open. Every error counts as a failure.
    ///
    /// `make` is what sends: a call of an actor is on its way when it is made.
    ///
    /// # Errors
    /// The call's own error, the time limit, or that the breaker is open.
    ///
    /// # Cancel safety
    /// As the call's; dropping it counts as nothing.
    pub async fn call<T, E, F>(&self, make: impl FnOnce() -> F) -> Result<T, BreakerError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_where(make, |_| true).await
    }

    /// As [`call`](Self::call); `is_failure` says which errors count: a customer without money is
    /// no reason to stop asking the bank.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub async fn call_where<T, E, F>(
        &self,
        make: impl FnOnce() -> F,
        is_failure: impl FnOnce(&E) -> bool,
    ) -> Result<T, BreakerError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let permit = self.permit().map_err(BreakerError::Open)?;
        let Inner {
            system,
            call_timeout,
            ..
        } = &*self.0;
        let deadline = system.now() + *call_timeout;
        match until(system, deadline, make()).await {
            Ok(Ok(value)) => {
                permit.success();
                Ok(value)
            }
            Ok(Err(error)) => {
                if is_failure(&error) {
                    permit.failure();
                } else {
                    permit.success();
                }
                Err(BreakerError::Failed(error))
            }
            Err(_) => {
                permit.timed_out();
                Err(BreakerError::Timeout)
            }
        }
    }

    /// Leave to do something outside of [`call`](Self::call), whose outcome is told afterwards.
    ///
    /// # Errors
    /// If the breaker is open.
    pub fn permit(&self) -> Result<Permit, BreakerOpen> {
        let now = self.0.system.now();
        let mut machine = self.lock();
        let before = machine.state(now);
        match machine.admit(now) {
            Ok(epoch) => {
                self.tell(before, &machine);
                Ok(Permit::new(self.clone(), epoch))
            }
            Err(retry_in) => {
                drop(machine);
                self.0.counts.count(|counts| &counts.refused);
                Err(BreakerOpen {
                    name: self.0.name.clone(),
                    retry_in,
                })
            }
        }
    }

    /// What it is doing now.
    pub fn state(&self) -> BreakerState {
        let now = self.0.system.now();
        self.lock().state(now)
    }

    /// Its numbers so far.
    pub fn counts(&self) -> BreakerCounts {
        self.0.counts.read()
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        let machine = self.0.machine.lock();
        machine.unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, epoch: u64, outcome: Option<bool>) {
        let now = self.0.system.now();
        let mut machine = self.lock();
        let before = machine.state(now);
        match outcome {
            Some(true) => machine.succeeded(epoch),
            Some(false) => machine.failed(epoch, now),
            None => machine.abandoned(epoch),
        }
        self.tell(before, &machine);
    }

    /// Tells listeners of a change, under the lock, so that they hear of changes in their order.
    fn tell(&self, before: BreakerState, machine: &Machine) {
        let after = machine.state(self.0.system.now());
        if before.same_as(after) {
            return;
        }
        if matches!(after, BreakerState::Open { .. }) {
            self.0.counts.count(|counts| &counts.opened);
        }
        for listener in &self.0.listeners {
            // Who is full or gone asks for the state.
            let _ = listener.cast(BreakerEvent {
                breaker: self.0.name.clone(),
                from: before,
                to: after,
            });
        }
    }
}

impl Debug for CircuitBreaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.0.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
