//! Routees that a router has started for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use vaxel_runtime::{Actor, ActorRef};

use super::Router;
use crate::durations::secs;
use crate::reference::Reference;
use crate::supervisor::{ChildSpec, SupervisorRef};
use crate::workers::{Employer, Workers, WorkersArgs};

impl<R: Reference> Router<R> {
    /// A child for a supervisor that starts `size` workers and makes them routees, beside those
    /// there are.
    ///
    /// They are permanent, whatever the spec says, under a supervisor of their own that allows
    /// three restarts in five seconds for each of them and then gives up. When the whole child is
    /// restarted, the new workers have the keys of the old ones.
    ///
    /// The spec must not have a name, which only one of them could bear.
    pub fn supervise<A>(&self, size: usize, spec: ChildSpec<A>) -> ChildSpec<Workers<A>>
    where
        A: Actor,
        R: From<ActorRef<A>>,
    {
        let args = WorkersArgs {
            spec,
            size,
            max_restarts: u32::try_from(size).unwrap_or(u32::MAX).saturating_mul(3),
            within: secs(5),
            employer: Arc::new(Team {
                router: self.clone(),
                number: self.0.teams.fetch_add(1, Relaxed),
            }),
        };
        args.into_child()
    }
}

/// The workers of one child.
struct Team<R: Reference> {
    router: Router<R>,
    number: u32,
}

impl<A, R> Employer<A> for Team<R>
where
    A: Actor,
    R: Reference + From<ActorRef<A>>,
{
    fn hire(&self, _: SupervisorRef, workers: Vec<ActorRef<A>>) {
        let workers = workers.into_iter().map(R::from);
        self.router.write().replace_team(self.number, workers);
    }

    fn dismiss(&self) {
        self.router.write().replace_team(self.number, []);
    }
}
