//! Durable states by key.

use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::{CallError, System};

use super::actor::{DurableActor, DurableArgs};
use super::{Durable, Update};
use crate::Persistence;
use crate::directory::{ACTORS_MAX, Directory, IDLE_AFTER, Idle};
use crate::entity::{Run, answered};
use crate::event_sourced::{Command, ExecuteError};

/// All durable states of a kind, as [`Entities`](crate::Entities) for event-sourced ones.
pub struct States<S: Durable> {
    directory: Arc<Directory<DurableActor<S>>>,
    persistence: Persistence,
    system: System,
    idle_after: Duration,
    awake_max: usize,
}

impl<S: Durable> Clone for States<S> {
    fn clone(&self) -> Self {
        States {
            directory: self.directory.clone(),
            persistence: self.persistence.clone(),
            system: self.system.clone(),
            ..*self
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
            directory: Directory::new(),
            persistence: persistence.clone(),
            system: system.clone(),
            idle_after: IDLE_AFTER,
            awake_max: ACTORS_MAX,
        }
    }

    /// How long one is idle before it is put to sleep. Default: 15 minutes.
    #[must_use]
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.idle_after = idle;
        self
    }

    /// How many are awake at once; a command for one more fails with [`CallError::Full`]. Default:
    /// 1,000,000.
    #[must_use]
    pub fn awake_max(mut self, states: usize) -> Self {
        self.awake_max = states;
        self
    }

    /// How many are awake.
    pub fn awake(&self) -> usize {
        self.directory.len()
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
        let args = |leave| {
            let mut args = DurableArgs::new(&self.persistence, key.to_owned());
            args.idle = Some(Idle::new(self.idle_after, leave));
            args
        };
        let (system, max) = (&self.system, self.awake_max);
        let call = self
            .directory
            .send(system, key, max, args, |actor, ticket| {
                actor.call(Run(command, Some(ticket)))
            });
        async move {
            match call {
                Some(call) => answered(call.await),
                None => Err(ExecuteError::Call(CallError::Full)),
            }
        }
    }
}

impl<S: Durable> std::fmt::Debug for States<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "States({}, {} awake)", S::KIND, self.awake())
    }
}
