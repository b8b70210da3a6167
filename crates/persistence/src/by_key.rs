//! What all actors of a kind have in common, whatever they store: they are found by key, started
//! when something is asked of them, and put to sleep when they have been idle for a while.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::{Actor, CallError, Handler, System};

use crate::Persistence;
use crate::directory::{ACTORS_MAX, Directory, IDLE_AFTER, Idle};
use crate::entity::{Run, answered};
use crate::event_sourced::{Command, ExecuteError};

/// How long a command is awaited unless told otherwise, recovery included.
pub(crate) const EXECUTE_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct ByKey<A: Actor> {
    directory: Arc<Directory<A>>,
    persistence: Persistence,
    system: System,
    pub(crate) idle_after: Duration,
    pub(crate) awake_max: usize,
}

impl<A: Actor> Clone for ByKey<A> {
    fn clone(&self) -> Self {
        ByKey {
            directory: self.directory.clone(),
            persistence: self.persistence.clone(),
            system: self.system.clone(),
            ..*self
        }
    }
}

impl<A: Actor> ByKey<A> {
    pub(crate) fn new_in(system: &System, persistence: &Persistence) -> Self {
        ByKey {
            directory: Directory::new(),
            persistence: persistence.clone(),
            system: system.clone(),
            idle_after: IDLE_AFTER,
            awake_max: ACTORS_MAX,
        }
    }

    pub(crate) fn awake(&self) -> usize {
        self.directory.len()
    }

    /// Has the actor of a key execute a command; `args` makes what it is started from.
    pub(crate) fn execute<C: Command>(
        &self,
        limit: Duration,
        key: &str,
        command: C,
        args: fn(&Persistence, String, Idle) -> A::Args,
    ) -> impl Future<Output = Result<C::Reply, ExecuteError>> + Send + use<A, C>
    where
        A: Handler<Run<C>>,
    {
        let args = |leave| {
            let idle = Idle::new(self.idle_after, leave);
            args(&self.persistence, key.to_owned(), idle)
        };
        let (system, max) = (&self.system, self.awake_max);
        let call = self
            .directory
            .send(system, key, max, args, |actor, ticket| {
                actor.call(Run(command, Some(ticket))).timeout(limit)
            });
        async move {
            match call {
                Some(call) => answered(call.await),
                None => Err(ExecuteError::Call(CallError::Full)),
            }
        }
    }
}
