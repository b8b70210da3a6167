//! Durable states by key.

use std::future::Future;
use std::time::Duration;

use vaxel_actor::System;

use super::actor::{DurableActor, DurableArgs};
use super::{Durable, Update};
use crate::Persistence;
use crate::by_key::{ByKey, EXECUTE_LIMIT};
use crate::event_sourced::{Command, ExecuteError};

/// All durable states of a kind, as [`Entities`](crate::Entities) for event-sourced ones.
pub struct States<S: Durable> {
    all: ByKey<DurableActor<S>>,
}

impl<S: Durable> Clone for States<S> {
    fn clone(&self) -> Self {
        States {
            all: self.all.clone(),
        }
    }
}

impl<S: Durable> States<S> {
    /// States in the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn new(persistence: &Persistence) -> Self {
        Self::new_in(&System::current(), persistence)
    }

    /// States in `system`.
    pub fn new_in(system: &System, persistence: &Persistence) -> Self {
        States {
            all: ByKey::new_in(system, persistence),
        }
    }

    /// How long one is idle before it is put to sleep. Default: 15 minutes.
    #[must_use]
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.all.idle_after = idle;
        self
    }

    /// How many are awake at once; a command for one more fails with
    /// [`CallError::Full`](vaxel_actor::CallError::Full). Default: 1,000,000.
    #[must_use]
    pub fn awake_max(mut self, states: usize) -> Self {
        self.all.awake_max = states;
        self
    }

    /// How many are awake.
    pub fn awake(&self) -> usize {
        self.all.awake()
    }

    /// Has a state execute a command, and awaits its reply for five seconds.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    ///
    /// # Cancel safety
    /// Dropping the future gives up the reply; the command is executed all the same.
    pub fn execute<C: Command>(
        &self,
        key: &str,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, ExecuteError>> + Send + use<S, C>
    where
        S: Update<C>,
    {
        let args = DurableArgs::idling;
        self.all.execute(EXECUTE_LIMIT, key, command, args)
    }
}

impl<S: Durable> std::fmt::Debug for States<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "States({}, {} awake)", S::KIND, self.awake())
    }
}
