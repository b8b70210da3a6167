//! Like actors under one supervisor of their own: what routers and pools hand out.

use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, CallError, Child, ChildExit, Context, ExitReason, Handler};

use crate::supervisor::{ChildSpec, Shutdown, StartChildError, Supervisor, SupervisorRef};

/// The actor that starts the workers of a [`Router`](crate::Router) or a [`Pool`](crate::Pool), and
/// ends with them. A child of the user's supervisor.
///
/// The workers are permanent children of a supervisor below it, so one that crashes is started
/// again at its address. When that supervisor gives up, this ends too, and the user's supervisor
/// decides.
pub struct Workers<A: Actor> {
    employer: Arc<dyn Employer<A>>,
    /// None once it has been stopped.
    supervisor: Option<Child>,
}

/// What [`Workers`] are started from.
pub struct WorkersArgs<A: Actor> {
    pub(crate) spec: ChildSpec<A>,
    pub(crate) size: usize,
    pub(crate) max_restarts: u32,
    pub(crate) within: Duration,
    pub(crate) employer: Arc<dyn Employer<A>>,
}

/// Who hands the workers out.
pub(crate) trait Employer<A: Actor>: Send + Sync + 'static {
    /// All workers have started; those of an earlier time are gone.
    fn hire(&self, supervisor: SupervisorRef, workers: Vec<ActorRef<A>>);

    /// The workers end.
    fn dismiss(&self);
}

impl<A: Actor> WorkersArgs<A> {
    /// A child that takes as long to stop as its workers do.
    pub(crate) fn into_child(self) -> ChildSpec<Workers<A>> {
        ChildSpec::new(self).shutdown(Shutdown::Unlimited)
    }
}

impl<A: Actor> Clone for WorkersArgs<A> {
    fn clone(&self) -> Self {
        WorkersArgs {
            spec: self.spec.clone(),
            size: self.size,
            max_restarts: self.max_restarts,
            within: self.within,
            employer: self.employer.clone(),
        }
    }
}

impl<A: Actor> Actor for Workers<A> {
    type Args = WorkersArgs<A>;

    async fn init(args: WorkersArgs<A>, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let builder = Supervisor::one_for_one();
        let builder = builder.max_restarts(args.max_restarts).within(args.within);
        let parent = cx.me().recipient();
        let (child, supervisor) =
            cx.system()
                .spawn_child::<Supervisor>(move || builder.clone(), &parent, 0);
        child.started().await?;
        let workers = Workers {
            employer: args.employer,
            supervisor: Some(child),
        };
        let supervisor = SupervisorRef::from(supervisor);
        let mut started = Vec::with_capacity(args.size);
        for _ in 0..args.size {
            let worker = supervisor.start_child(args.spec.clone().permanent()).await;
            started.push(worker.map_err(reason)?);
        }
        workers.employer.hire(supervisor, started);
        Ok(workers)
    }

    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.employer.dismiss();
        if let Some(supervisor) = self.supervisor.take() {
            // Closed, not only shut down: one that has given up meanwhile would wait for a restart.
            let exit = supervisor.exit();
            supervisor.close();
            exit.await;
        }
    }
}

/// The supervisor has given up.
impl<A: Actor> Handler<ChildExit> for Workers<A> {
    async fn handle(&mut self, exit: ChildExit, cx: &mut Context<Self>) {
        self.employer.dismiss();
        cx.stop_with(exit.reason);
    }
}

/// Also after a panic or a kill nobody is handed out any more.
impl<A: Actor> Drop for Workers<A> {
    fn drop(&mut self) {
        self.employer.dismiss();
    }
}

/// Why a worker did not start.
pub(crate) fn reason(error: CallError<StartChildError>) -> ExitReason {
    match error {
        CallError::Handler(StartChildError::Init(reason)) => reason,
        other => ExitReason::error(other),
    }
}

impl<A: Actor> std::fmt::Debug for Workers<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl<A: Actor> std::fmt::Debug for WorkersArgs<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkersArgs")
            .field("size", &self.size)
            .field("max_restarts", &self.max_restarts)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
