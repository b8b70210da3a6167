//! One thing many times over, so that nobody waits in one queue: Elixir's `PartitionSupervisor`.
//!
//! A partition supervisor starts the same child once per partition, as many as the system has
//! workers unless told otherwise, and routes by key: what has the same key finds the same
//! partition, for as long as the program runs. Partitions are permanent children of a
//! [`Supervisor`] of the strategy one_for_one; each that fails is started again alone.
//!
//! With a name, partition 3 of `"sessions"` is registered as `"sessions/3"`, and the whole is found
//! by [`PartitionSupervisorRef::whereis`]. A reference looks its partition up at every use, so it
//! survives restarts of a partition and of the supervisor.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::supervisor::{DynamicSupervisorRef, PartitionSupervisor};
//!
//! # struct Session;
//! # #[actor(crate = vaxel_actor)]
//! # impl Session { fn init(_user: &'static str) -> Self { Session } }
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let sessions = PartitionSupervisor::of(|_| Supervisor::dynamic().into_child())
//!     .partitions(4)
//!     .start()
//!     .await?;
//!
//! let user = "ada";
//! let supervisor: DynamicSupervisorRef = sessions.for_key(user).expect("it runs").into();
//! let session = supervisor.start_child(Session::child(user).temporary()).await?;
//! # drop(session);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, CallError, System};

use super::requests::RoutesOf;
use super::{ChildSpec, StartError, Supervisor, SupervisorBuilder, SupervisorRef};

/// Where partition supervisors begin; see the [module](self).
#[derive(Debug)]
pub struct PartitionSupervisor;

impl PartitionSupervisor {
    /// One child for each partition, which is told its number.
    pub fn of<A: Actor>(
        child: impl Fn(usize) -> ChildSpec<A> + Send + Sync + 'static,
    ) -> PartitionSupervisorBuilder<A> {
        PartitionSupervisorBuilder {
            child: Arc::new(child),
            partitions: None,
            name: None,
            supervisor: Supervisor::one_for_one(),
        }
    }
}

/// A partition supervisor before it is started.
#[must_use = "a supervisor does nothing before it is started"]
pub struct PartitionSupervisorBuilder<A: Actor> {
    child: Arc<dyn Fn(usize) -> ChildSpec<A> + Send + Sync>,
    partitions: Option<NonZero<usize>>,
    name: Option<Arc<str>>,
    supervisor: SupervisorBuilder,
}

impl<A: Actor> PartitionSupervisorBuilder<A> {
    /// How many partitions; as many as the system has workers unless told otherwise.
    ///
    /// # Panics
    /// If there are none.
    pub fn partitions(mut self, partitions: usize) -> Self {
        let partitions = NonZero::new(partitions);
        self.partitions = Some(partitions.expect("a key needs a partition to go to"));
        self
    }

    /// Registers the supervisor under `name` and each partition under `name/number`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// More restarts than this within the window end the supervisor. Three unless told otherwise.
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.supervisor = self.supervisor.max_restarts(restarts);
        self
    }

    /// The window in which restarts are counted. Five seconds unless told otherwise.
    pub fn within(mut self, window: Duration) -> Self {
        self.supervisor = self.supervisor.within(window);
        self
    }

    /// Makes it a child of another supervisor, in a system with as many workers as the current one.
    /// Give it a name: that is how it is found.
    ///
    /// # Panics
    /// When called outside of every system without having been told the number of partitions.
    pub fn into_child(self) -> ChildSpec<Supervisor> {
        let name = self.name.clone();
        let workers = || System::current().workers();
        let (builder, _) = self.build(workers);
        let child = builder.into_child();
        match name {
            Some(name) => child.name(name),
            None => child,
        }
    }

    /// Starts it in the current system; see [`SupervisorBuilder::start_in`].
    ///
    /// # Panics
    /// When called outside of every system.
    pub fn start(
        self,
    ) -> impl Future<Output = Result<PartitionSupervisorRef<A>, StartError>> + Send {
        let (system, name) = (System::current(), self.name.clone());
        let (builder, routes) = self.build(|| system.workers());
        let started = builder.start_in(&system);
        async move {
            let supervisor = started.await?;
            if let Some(name) = name
                && let Err(taken) = system.register(&name, &supervisor)
            {
                let exit = supervisor.exit();
                supervisor.shutdown();
                exit.await;
                return Err(StartError::Name(taken));
            }
            Ok(PartitionSupervisorRef { supervisor, routes })
        }
    }

    fn build(self, workers: impl FnOnce() -> usize) -> (SupervisorBuilder, Arc<Routes<A>>) {
        let partitions = self.partitions.map_or_else(workers, NonZero::get);
        let routes = Arc::new(Routes::new(partitions));
        let mut supervisor = self.supervisor;
        for partition in 0..partitions {
            let mut child = (self.child)(partition);
            if let Some(name) = &self.name {
                child = child.name(format!("{name}/{partition}"));
            }
            let routes = routes.clone();
            let seen = Arc::new(move |actor: &ActorRef<A>| routes.set(partition, actor));
            supervisor = supervisor.child(child.on_launch(seen));
        }
        supervisor.routes = Some(routes.clone());
        (supervisor, routes)
    }
}

impl<A: Actor> fmt::Debug for PartitionSupervisorBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionSupervisorBuilder")
            .field("partitions", &self.partitions)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where each partition is. A lock each, so that routes to different partitions do not meet.
struct Routes<A: Actor>(Box<[RwLock<Option<ActorRef<A>>>]>);

impl<A: Actor> Routes<A> {
    fn new(partitions: usize) -> Self {
        Routes((0..partitions).map(|_| RwLock::new(None)).collect())
    }

    fn set(&self, partition: usize, actor: &ActorRef<A>) {
        let mut route = self.0[partition]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = route.replace(actor.clone());
        drop(route);
        // Outside the lock: this may be the last reference.
        drop(before);
    }

    fn find(&self, partition: usize) -> Option<ActorRef<A>> {
        let route = self.0.get(partition)?;
        let found = route.read().unwrap_or_else(PoisonError::into_inner).clone();
        found.filter(ActorRef::is_alive)
    }
}

/// A reference to a partition supervisor: cheap to clone, valid across restarts.
pub struct PartitionSupervisorRef<A: Actor> {
    supervisor: SupervisorRef,
    routes: Arc<Routes<A>>,
}

impl<A: Actor> PartitionSupervisorRef<A> {
    /// The partition supervisor that is registered under `name` in the current system and whose
    /// partitions are `A`s.
    ///
    /// # Errors
    /// When nobody of that kind has the name ([`CallError::Closed`]), or it does not answer.
    pub async fn whereis(name: &str) -> Result<Self, CallError> {
        let supervisor = SupervisorRef::whereis(name).ok_or(CallError::Closed)?;
        let routes: Option<Arc<dyn Any + Send + Sync>> = supervisor.call(RoutesOf).await?;
        let routes = routes.and_then(|routes| routes.downcast::<Routes<A>>().ok());
        let routes = routes.ok_or(CallError::Closed)?;
        Ok(PartitionSupervisorRef { supervisor, routes })
    }

    /// The partition of a key; none while it is given up or has not started yet.
    pub fn for_key<K: Hash + ?Sized>(&self, key: &K) -> Option<ActorRef<A>> {
        self.partition(self.partition_of(key))
    }

    /// The number of the partition of a key: the same at each run of the program.
    pub fn partition_of<K: Hash + ?Sized>(&self, key: &K) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        // The upper half of a product spreads the hash evenly without a division.
        ((u128::from(hasher.finish()) * self.partitions() as u128) >> 64) as usize
    }

    /// A partition by its number, from zero.
    pub fn partition(&self, number: usize) -> Option<ActorRef<A>> {
        self.routes.find(number)
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.routes.0.len()
    }

    /// The supervisor of the partitions.
    pub fn supervisor(&self) -> &SupervisorRef {
        &self.supervisor
    }
}

impl<A: Actor> Clone for PartitionSupervisorRef<A> {
    fn clone(&self) -> Self {
        PartitionSupervisorRef {
            supervisor: self.supervisor.clone(),
            routes: self.routes.clone(),
        }
    }
}

impl<A: Actor> fmt::Debug for PartitionSupervisorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of {} partitions",
            self.supervisor,
            self.partitions()
        )
    }
}
