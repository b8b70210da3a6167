//! The workers of a pool.

use std::sync::{Arc, Mutex, PoisonError};

use vaxel_runtime::{Actor, ActorRef, AnyRef};

use super::Pool;
use super::shared::{Shared, Start};
use crate::reference::Reference;
use crate::supervisor::{ChildSpec, SupervisorRef};
use crate::workers::{Employer, Workers, WorkersArgs, reason};

impl<R: Reference> Pool<R> {
    /// A child for a supervisor that starts the workers and opens the pool. One child per pool.
    ///
    /// The workers are permanent, and those beyond the size temporary, whatever the spec says. The
    /// spec must not have a name, which only one of them could bear.
    pub fn supervise<A>(&self, spec: ChildSpec<A>) -> ChildSpec<Workers<A>>
    where
        A: Actor,
        R: From<ActorRef<A>>,
    {
        let settings = &self.0.settings;
        let size = u32::try_from(settings.size).unwrap_or(u32::MAX);
        let args = WorkersArgs {
            spec: spec.clone(),
            size: settings.size,
            max_restarts: settings.max_restarts.unwrap_or(size.saturating_mul(3)),
            within: settings.within,
            employer: Arc::new(Lender {
                pool: self.0.clone(),
                spec: Mutex::new(spec.temporary()),
            }),
        };
        args.into_child()
    }
}

struct Lender<A: Actor, R: Reference> {
    pool: Arc<Shared<R>>,
    /// Of the workers beyond the size.
    spec: Mutex<ChildSpec<A>>,
}

impl<A, R> Employer<A> for Lender<A, R>
where
    A: Actor,
    R: Reference + From<ActorRef<A>>,
{
    fn hire(&self, supervisor: SupervisorRef, workers: Vec<ActorRef<A>>) {
        let spec = self.spec.lock().unwrap_or_else(PoisonError::into_inner);
        let spec = Mutex::new(spec.clone());
        let system = AnyRef::from(&supervisor).system();
        let start: Start<R> = Arc::new(move || {
            let spec = spec.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let supervisor = supervisor.clone();
            Box::pin(async move {
                let started = supervisor.start_child(spec).await;
                started.map(R::from).map_err(reason)
            })
        });
        let workers = workers.into_iter().map(R::from).collect();
        self.pool.open(system, start, workers);
    }

    fn dismiss(&self) {
        self.pool.close();
    }
}
