//! Event-sourced entities by key.

use std::future::Future;
use std::time::Duration;

use vaxel_actor::System;

use crate::Persistence;
use crate::by_key::{ByKey, EXECUTE_LIMIT};
use crate::entity::{EntityActor, EntityArgs};
use crate::event_sourced::{Command, EventSourced, Execute, ExecuteError};

/// All entities of a kind: each is started when something is asked of it, recovers, and is put to
/// sleep when it has been idle for a while. Asleep it costs no memory.
///
/// One that has ended, because of a crash or a failed commit, is started by the next command.
/// Cheap to clone; when the last clone is dropped, its actors end.
pub struct Entities<S: EventSourced> {
    all: ByKey<EntityActor<S>>,
}

impl<S: EventSourced> Clone for Entities<S> {
    fn clone(&self) -> Self {
        Entities {
            all: self.all.clone(),
        }
    }
}

impl<S: EventSourced> Entities<S> {
    /// Entities in the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn new(persistence: &Persistence) -> Self {
        Self::new_in(&System::current(), persistence)
    }

    /// Entities in `system`.
    pub fn new_in(system: &System, persistence: &Persistence) -> Self {
        Entities {
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
    pub fn awake_max(mut self, entities: usize) -> Self {
        self.all.awake_max = entities;
        self
    }

    /// How many are awake.
    pub fn awake(&self) -> usize {
        self.all.awake()
    }

    /// Has an entity execute a command, and awaits its reply for five seconds, recovery included.
    ///
    /// The command is sent when this is called; commands of one caller are executed in its order.
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
        S: Execute<C>,
    {
        self.execute_within(EXECUTE_LIMIT, key, command)
    }

    /// As [`execute`](Self::execute), with another limit.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub fn execute_within<C: Command>(
        &self,
        limit: Duration,
        key: &str,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, ExecuteError>> + Send + use<S, C>
    where
        S: Execute<C>,
    {
        let args = EntityArgs::idling;
        self.all.execute(limit, key, command, args)
    }
}

impl<S: EventSourced> std::fmt::Debug for Entities<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entities({}, {} awake)", S::KIND, self.awake())
    }
}
