//! What a supervisor needs to know about a child.

use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{
    Actor, ActorRef, Child, ChildExit, ExitReason, Recipient, RegisterError, ReportContext, System,
};

use super::{AnySupervisor, Backoff};
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

impl Restart {
    /// Whether a child that ended by itself for this reason is started again.
    pub(super) fn wants(self, reason: &ExitReason) -> bool {
        match self {
            Restart::Permanent => true,
            Restart::Transient => reason.is_abnormal(),
            Restart::Temporary => false,
        }
    }
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
///
/// ```
/// use vaxel_actor::prelude::*;
///
/// struct Importer {
///     path: String,
/// }
///
/// #[actor(crate = vaxel_actor)]
/// impl Importer {
///     fn init(path: String) -> Self {
///         Importer { path }
///     }
///
///     #[call]
///     fn path(&self) -> String {
///         self.path.clone()
///     }
/// }
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let importer = Importer::child("in.csv".into())
///     .name("importer")
///     .restart(Restart::Transient) // again after a crash, not when it has done its work
///     .shutdown(secs(30));         // it may take that long to put away what it has begun
/// let supervisor = Supervisor::one_for_one().child(importer).start().await?;
///
/// let importer = ImporterRef::whereis("importer").expect("it was given its name");
/// importer.kill();
/// // The reference is an address: it reaches the next incarnation, which is made of a copy of the
/// // arguments.
/// assert_eq!(importer.path().await.as_deref(), Ok("in.csv"));
/// # drop(supervisor);
/// # Ok::<(), StartError>(())
/// # }).unwrap();
/// # use vaxel_actor::StartError;
/// ```
pub struct ChildSpec<A: Actor> {
    args: A::Args,
    copy: fn(&A::Args) -> A::Args,
    /// Spawns with arguments that are copied for each incarnation. Knows how by its type, so that
    /// a child need not remember it.
    spawn: Spawn<A>,
    name: Option<Arc<str>>,
    /// Is shown each new address of the child before anything runs there.
    on_launch: Option<OnLaunch<A>>,
    pub(super) policy: Policy,
}

pub(super) type OnLaunch<A> = Arc<dyn Fn(&ActorRef<A>) + Send + Sync>;

type Spawn<A> = fn(
    begin: Begin,
    system: &System,
    args: <A as Actor>::Args,
    parent: &Recipient<ChildExit>,
    tag: u64,
) -> (Child, ActorRef<A>);

#[derive(Clone, Copy)]
enum Begin {
    AtOnce,
    WhenTold,
}

/// The part of a spec that does not depend on the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) actor: &'static str,
    pub(crate) kind: ChildKind,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) significant: bool,
    pub(crate) backoff: Option<Backoff>,
}

impl Policy {
    /// Whether a child that was asked to stop has ended as it should, after OTP: `shutdown`, or
    /// what a child that may end by itself may end with.
    pub(super) fn is_orderly(&self, reason: &ExitReason) -> bool {
        match reason {
            ExitReason::Shutdown => true,
            ExitReason::Normal | ExitReason::ShutdownWith(_) => self.restart != Restart::Permanent,
            ExitReason::Killed => self.shutdown == Shutdown::Kill,
            _ => false,
        }
    }

    /// What is reported of an end, after OTP's `supervisor`: one that was asked for and went as
    /// asked is not worth a report, nor is the good end of a child that may end.
    pub(super) fn worth_reporting(
        &self,
        reason: &ExitReason,
        was_asked: bool,
        start_failed: bool,
    ) -> Option<ReportContext> {
        if was_asked {
            return (!self.is_orderly(reason)).then_some(ReportContext::ShutdownError);
        }
        if start_failed {
            return Some(ReportContext::StartError);
        }
        let unwelcome = self.restart == Restart::Permanent || reason.is_abnormal();
        unwelcome.then_some(ReportContext::ChildTerminated)
    }
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
            spawn: |begin, system, args, parent, tag| match begin {
                Begin::AtOnce => system.spawn_child::<A>(move || args.clone(), parent, tag),
                Begin::WhenTold => system.prepare_child::<A>(move || args.clone(), parent, tag),
            },
            name: None,
            on_launch: None,
            policy: Policy {
                actor: std::any::type_name::<A>(),
                kind: ChildKind::Worker,
                restart: Restart::Permanent,
                shutdown: Shutdown::Limit(secs(5)),
                significant: false,
                backoff: None,
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

    /// Makes the child significant: when it ends by itself and is not started again, its supervisor
    /// may shut down, as its [`AutoShutdown`](super::AutoShutdown) says.
    ///
    /// Only a transient or temporary child can be significant, and only under a supervisor that
    /// shuts down by itself; the supervisor refuses to start otherwise.
    pub fn significant(mut self) -> Self {
        self.policy.significant = true;
        self
    }

    /// Waits before each restart, longer each time; see [`Backoff`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = Some(backoff);
        self
    }

    pub(super) fn on_launch(mut self, seen: OnLaunch<A>) -> Self {
        self.on_launch = Some(seen);
        self
    }

    pub(super) fn registered_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// What it is called in reports and errors.
    pub(super) fn label(&self) -> Arc<str> {
        self.name
            .clone()
            .unwrap_or_else(|| self.policy.actor.into())
    }

    /// Makes the child's cell and names it. Nothing runs before [`Child::start`], and nothing has
    /// run when the name is taken.
    pub(super) fn prepare(
        self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<(Child, ActorRef<A>), RegisterError> {
        let (child, actor) = (self.spawn)(Begin::WhenTold, system, self.args, parent, tag);
        if let Some(name) = &self.name {
            system.register(name, &actor)?;
        }
        if let Some(seen) = &self.on_launch {
            seen(&actor);
        }
        Ok((child, actor))
    }

    /// Makes the child's cell, names it and starts it; `init` has not necessarily finished.
    pub(super) fn launch(
        self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<(Child, ActorRef<A>), RegisterError> {
        if self.name.is_none() && self.on_launch.is_none() {
            return Ok((self.spawn)(Begin::AtOnce, system, self.args, parent, tag));
        }
        let (child, actor) = self.prepare(system, parent, tag)?;
        child.start();
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
            on_launch: self.on_launch.clone(),
            policy: self.policy,
        }
    }
}

impl<A: Actor> std::fmt::Debug for ChildSpec<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildSpec")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A spec whose actor type is no longer of interest: what a supervisor keeps on record.
pub(super) trait AnySpec: Send {
    fn copy(&self) -> Box<dyn AnySpec>;
    fn name(&self) -> Option<&Arc<str>>;
    fn label(&self) -> Arc<str>;
    fn policy(&self) -> Policy;
    /// Nothing runs before [`Child::start`].
    fn prepare(
        &self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<Launched, RegisterError>;
}

pub(super) struct Launched {
    pub(super) child: Child,
    /// The child's own reference, if it is a supervisor.
    pub(super) supervisor: Option<AnySupervisor>,
}

impl<A: Actor> AnySpec for ChildSpec<A> {
    fn copy(&self) -> Box<dyn AnySpec> {
        Box::new(self.clone())
    }

    fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    fn label(&self) -> Arc<str> {
        ChildSpec::label(self)
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    fn prepare(
        &self,
        system: &System,
        parent: &Recipient<ChildExit>,
        tag: u64,
    ) -> Result<Launched, RegisterError> {
        let (child, actor) = self.clone().prepare(system, parent, tag)?;
        Ok(Launched {
            child,
            supervisor: AnySupervisor::of(&actor),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abnormal_ends_bring_a_transient_child_back() {
        let quiet = [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::shutdown_with("deploy"),
        ];
        for reason in quiet {
            assert!(Restart::Permanent.wants(&reason));
            assert!(!Restart::Transient.wants(&reason));
            assert!(!Restart::Temporary.wants(&reason));
        }
        for reason in [ExitReason::Killed, ExitReason::error("disk full")] {
            assert!(Restart::Transient.wants(&reason));
            assert!(!Restart::Temporary.wants(&reason));
        }
    }
}
