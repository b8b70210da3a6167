//! What a supervisor needs to know about a child.

use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, Child, ChildExit, Recipient, RegisterError, System};

use super::SupervisorRef;
use crate::durations::secs;

/// When a child that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// After an abnormal end only: not after `normal`, `shutdown` or `shutdown` with a word.
    Transient,
    /// Never.
    Temporary,
}

/// How long a child may take to stop when its supervisor asks it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// So long; then it is killed. Five seconds unless told otherwise.
    Limit(Duration),
    /// As long as it takes: the default of supervisors, whose own children have limits.
    Unlimited,
    /// It is not asked at all, but killed.
    Kill,
}

impl From<Duration> for Shutdown {
    fn from(limit: Duration) -> Self {
        Shutdown::Limit(limit)
    }
}

/// Whether a child has children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChildKind {
    /// It works.
    Worker,
    /// It supervises.
    Supervisor,
}

/// A child of a supervisor: which actor, from what, and what becomes of it.
///
/// Made by the `child` function of an actor (`Counter::child(0)`) or by [`ChildSpec::new`]. Unless
/// told otherwise a child is permanent, has five seconds to stop, and has no name.
#[derive(Debug)]
pub struct ChildSpec<A: Actor> {
    args: A::Args,
    copy: fn(&A::Args) -> A::Args,
    /// Spawns with arguments that are copied for each incarnation. Knows how by its type, so that
    /// a child need not remember it.
    spawn: Spawn<A>,
    name: Option<Arc<str>>,
    pub(super) policy: Policy,
}

type Spawn<A> = fn(
    system: &System,
    args: <A as Actor>::Args,
    parent: &Recipient<ChildExit>,
    tag: u64,
) -> (Child, ActorRef<A>);

/// The part of a spec that does not depend on the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) actor: &'static str,
    pub(crate) kind: ChildKind,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
}

impl<A: Actor> ChildSpec<A> {
    /// A permanent child; every incarnation is given a copy of `args`.
    pub fn new(args: A::Args) -> Self
    where
        A::Args: Clone,
    {
        ChildSpec {
            args,
            copy: Clone::clone,
            spawn: |system, args, parent, tag| {
                system.spawn_child::<A>(move || args.clone(), parent, tag)
            },
            name: None,
            policy: Policy {
                actor: std::any::type_name::<A>(),
                kind: ChildKind::Worker,
                restart: Restart::Permanent,
                shutdown: Shutdown::Limit(secs(5)),
            },
        }
    }

    /// A supervisor's own defaults: it is given as much time as its children take.
    pub(super) fn supervising(mut self) -> Self {
        self.policy.kind = ChildKind::Supervisor;
        self.policy.shutdown = Shutdown::Unlimited;
        self
    }

    /// Registers the child in its system under `name`, for as long as the supervisor keeps it:
    /// the name survives restarts.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// When the child is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.policy.restart = restart;
        self
    }

    /// Started again whenever it ends; the default.
    pub fn permanent(self) -> Self {
        self.restart(Restart::Permanent)
    }

    /// Started again when it ends abnormally.
    pub fn transient(self) -> Self {
        self.restart(Restart::Transient)
    }

    /// Never started again.
    pub fn temporary(self) -> Self {
        self.restart(Restart::Temporary)
    }

    /// How long the child may take to stop; a duration is a limit.
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.policy.shutdown = shutdown.into();
        self
    }

    pub(super) fn registered_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Starts the child's cell and names it; `init` has not necessarily finished.
    pub(super) fn launch(
        self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<(Child, ActorRef<A>), RegisterError> {
        let ChildSpec {
            args, spawn, name, ..
        } = self;
        let (child, actor) = spawn(system, args, parent, tag);
        if let Some(name) = name {
            system.register(&name, &actor)?;
        }
        Ok((child, actor))
    }
}

impl<A: Actor> Clone for ChildSpec<A> {
    fn clone(&self) -> Self {
        ChildSpec {
            args: (self.copy)(&self.args),
            copy: self.copy,
            spawn: self.spawn,
            name: self.name.clone(),
            policy: self.policy,
        }
    }
}

/// A spec whose actor type is no longer of interest: what a supervisor keeps of the children it
/// was built with.
pub(super) trait AnySpec: Send {
    fn copy(&self) -> Box<dyn AnySpec>;
    fn name(&self) -> Option<&Arc<str>>;
    fn policy(&self) -> Policy;
    fn launch(
        &self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<Launched, RegisterError>;
}

pub(super) struct Launched {
    pub(super) child: Child,
    /// The child's own reference, if it is a supervisor.
    pub(super) supervisor: Option<SupervisorRef>,
}

impl<A: Actor> AnySpec for ChildSpec<A> {
    fn copy(&self) -> Box<dyn AnySpec> {
        Box::new(self.clone())
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn launch(
        &self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<Launched, RegisterError> {
        let (child, actor) = self.clone().launch(system, parent, tag)?;
        Ok(Launched {
            child,
            supervisor: SupervisorRef::of(&actor),
        })
    }
}
