//! The dynamic supervisor as an actor: its messages and its life.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use vaxel_runtime::{
    Actor, ActorRef, ChildExit, Context, ExitReason, Handler, Mailbox, Message, Random,
    ReportContext, Started, TrappedExit, inspect,
};

use super::children::{Children, Extra, Phase};
use super::{DynamicSupervisorBuilder, stopping};
use crate::parent::Parent;
use crate::supervisor::backoff::Delays;
use crate::supervisor::info::{ChildChange, ChildCounts, ChildId, ChildInfo, ChildKey};
use crate::supervisor::intensity::Intensity;
use crate::supervisor::process::own_random;
use crate::supervisor::questions::{CountChildren, FindChild, Subscribe, WhichChildren};
use crate::supervisor::reporter::{Reporter, report};
use crate::supervisor::spec::{ChildSpec, Policy, Shutdown};
use crate::supervisor::stopping::{KILL_LIMIT, ask, declared_dead};
use crate::supervisor::{
    AnySupervisor, AutoShutdown, SpecError, StartChildError, TerminateChildError, poll,
};

/// An actor that is given children while it runs, and starts them again when they crash.
///
/// See the [module](crate::supervisor) for what it promises.
///
/// ```
/// use vaxel_actor::prelude::*;
///
/// struct Session {
///     user: u32,
/// }
///
/// #[actor(crate = vaxel_actor)]
/// impl Session {
///     fn init(user: u32) -> Self {
///         Session { user }
///     }
///
///     #[call]
///     fn user(&self) -> u32 {
///         self.user
///     }
/// }
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let sessions = Supervisor::dynamic().children_max(100_000).start().await?;
/// for user in 0..100 {
///     sessions.start_child(Session::child(user).temporary()).await?;
/// }
/// assert_eq!(sessions.count_children().await?.active, 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct DynamicSupervisor {
    children: Children,
    children_max: usize,
    intensity: Intensity,
    reporter: Reporter,
    template: Option<Arc<dyn Any + Send + Sync>>,
    parent: Parent,
    random: Random,
}

impl Actor for DynamicSupervisor {
    type Args = DynamicSupervisorBuilder;

    /// A herd of clients that come back at once adds children by the thousand. Exits of children
    /// are exempt from the bound, so no crash is missed behind them.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::CAPACITY_MAX);

    async fn init(
        builder: DynamicSupervisorBuilder,
        cx: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        Ok(DynamicSupervisor {
            children: Children::default(),
            children_max: builder.children_max,
            intensity: Intensity::new(builder.max_restarts, builder.within),
            reporter: Reporter::default(),
            template: builder.template,
            parent: Parent::trap_exits(cx),
            random: own_random(cx),
        })
    }

    fn children(&self) -> inspect::Children {
        inspect::Children::new(self.children.len(), self.children.pids())
    }

    async fn terminate(&mut self, _reason: &ExitReason, cx: &mut Context<Self>) {
        stopping::stop_all(&mut self.children, cx).await;
    }
}

impl DynamicSupervisor {
    fn publish(&mut self, child: ChildId, change: ChildChange, cx: &Context<Self>) {
        if self.reporter.has_subscribers() {
            let name = self.children.name(child);
            self.reporter.publish(cx, child, name, change);
        }
    }

    /// An incarnation of a child has ended: start another, or let it go.
    fn child_ended(&mut self, exit: ChildExit, cx: &mut Context<Self>) {
        let ChildExit {
            tag, pid, reason, ..
        } = exit;
        let id = ChildId(tag);
        // A child that was declared dead may end after all.
        let Some(record) = self.children.record(id) else {
            return;
        };
        let (policy, was_asked) = (record.policy, *record.phase == Phase::Stopping);
        let start_failed = matches!(poll::now(record.child.started()), Some(Err(_)));
        let failed_first_start = start_failed && *record.restarts == 0;
        if let Some(context) = policy.worth_reporting(&reason, was_asked, start_failed) {
            let label = self.children.label(id, &policy);
            report(cx, context, label, Some(pid), &reason);
        }
        // An `init` that ends with `normal` says that the child is not needed: OTP's `ignore`.
        let is_unwanted = start_failed && reason == ExitReason::Normal;
        let returns = (start_failed || policy.restart.wants(&reason)) && !is_unwanted;
        if was_asked || failed_first_start || !returns {
            self.publish(id, ChildChange::Ended { pid, reason }, cx);
            self.children.let_go(id);
            return;
        }
        match self.delay(id, &policy, cx) {
            None => {
                let label = self.children.label(id, &policy);
                report(cx, ReportContext::Shutdown, label, Some(pid), &reason);
                self.publish(id, ChildChange::Ended { pid, reason }, cx);
                self.publish(id, ChildChange::IntensityExceeded, cx);
                self.children.let_go(id);
                cx.stop_with(ExitReason::Shutdown);
            }
            Some(Duration::ZERO) => {
                let restarts = self.start_again(id, cx);
                let change = ChildChange::Restarted {
                    old: pid,
                    reason,
                    restarts,
                };
                self.publish(id, change, cx);
            }
            Some(delay) => {
                if let Some(record) = self.children.record(id) {
                    *record.phase = Phase::Waiting;
                }
                cx.send_after(delay, Resume(id));
                self.publish(id, ChildChange::Delayed { pid, reason, delay }, cx);
            }
        }
    }

    /// How long a child stays down. `None`: it has ended once too often.
    fn delay(&mut self, id: ChildId, policy: &Policy, cx: &Context<Self>) -> Option<Duration> {
        let now = cx.system().now();
        match &policy.backoff {
            Some(backoff) => {
                let delays = self.children.delays(id, Delays::begin(now));
                delays.next(backoff, now, &mut self.random)
            }
            None => {
                let exceeded = self.intensity.is_exceeded_at(now.since_start());
                (!exceeded).then_some(Duration::ZERO)
            }
        }
    }

    /// Starts a child in place, with the mail that waits; how often that has been done by now.
    fn start_again(&mut self, id: ChildId, cx: &Context<Self>) -> u32 {
        let Some(record) = self.children.record(id) else {
            return 0;
        };
        *record.restarts = record.restarts.saturating_add(1);
        *record.phase = Phase::Live;
        let restarts = *record.restarts;
        record.child.restart();
        if record.policy.backoff.is_some() {
            let now = cx.system().now();
            self.children.delays(id, Delays::begin(now)).started(now);
        }
        self.children.count_restart();
        restarts
    }
}

impl Handler<ChildExit> for DynamicSupervisor {
    async fn handle(&mut self, exit: ChildExit, cx: &mut Context<Self>) {
        self.child_ended(exit, cx);
    }
}

impl Handler<TrappedExit> for DynamicSupervisor {
    async fn handle(&mut self, exit: TrappedExit, cx: &mut Context<Self>) {
        self.parent.obey(exit, cx);
    }
}

/// The delay of a child is over.
struct Resume(ChildId);

impl Message for Resume {
    type Reply = ();
}

impl Handler<Resume> for DynamicSupervisor {
    async fn handle(&mut self, Resume(id): Resume, cx: &mut Context<Self>) {
        let waits = |record: &super::children::Record<'_>| *record.phase == Phase::Waiting;
        if self.children.record(id).as_ref().is_some_and(waits) {
            self.start_again(id, cx);
        }
    }
}

/// Answered when it runs.
pub(super) struct Ready;

impl Message for Ready {
    type Reply = ();
}

impl Handler<Ready> for DynamicSupervisor {
    async fn handle(&mut self, _: Ready, _: &mut Context<Self>) {}
}

/// Adds a child; answered before its `init` has finished.
pub(super) struct StartChild<A: Actor>(pub(super) ChildSpec<A>);

pub(super) struct Begun<A: Actor> {
    pub(super) actor: ActorRef<A>,
    pub(super) started: Started,
}

impl<A: Actor> Message for StartChild<A> {
    type Reply = Result<Begun<A>, StartChildError>;
}

impl<A: Actor> Handler<StartChild<A>> for DynamicSupervisor {
    async fn handle(
        &mut self,
        StartChild(spec): StartChild<A>,
        cx: &mut Context<Self>,
    ) -> Result<Begun<A>, StartChildError> {
        if self.children.len() >= self.children_max {
            let max = self.children_max;
            return Err(StartChildError::TooManyChildren { max });
        }
        SpecError::check(&spec.policy, || spec.label(), AutoShutdown::Never)?;
        let id = self.children.next_added();
        let (policy, name) = (spec.policy, spec.registered_name().cloned());
        let (child, actor) = spec.launch(&cx.system(), &cx.me().recipient(), id.0)?;
        let started = child.started();
        let pid = self.reporter.has_subscribers().then(|| child.pid());
        let supervisor = AnySupervisor::of(&actor);
        let extra = Extra {
            policy,
            name,
            supervisor,
        };
        self.children.add(id, child, extra);
        if let Some(pid) = pid {
            self.publish(id, ChildChange::Started { pid }, cx);
        }
        Ok(Begun { actor, started })
    }
}

/// Stops a child; answered with what resolves when it is gone and its record says so.
pub(super) struct TerminateChild(pub(super) ChildKey);

impl Message for TerminateChild {
    type Reply = Result<oneshot::Receiver<()>, TerminateChildError>;
}

impl Handler<TerminateChild> for DynamicSupervisor {
    async fn handle(
        &mut self,
        TerminateChild(key): TerminateChild,
        cx: &mut Context<Self>,
    ) -> Result<oneshot::Receiver<()>, TerminateChildError> {
        let id = self
            .children
            .find(&key)
            .ok_or(TerminateChildError::NotFound)?;
        let gone = self.children.tell_when_gone(id);
        let Some(record) = self.children.record(id) else {
            return Err(TerminateChildError::NotFound);
        };
        match *record.phase {
            Phase::Live => {
                *record.phase = Phase::Stopping;
                let shutdown = record.policy.shutdown;
                ask(record.child, shutdown);
                match shutdown {
                    Shutdown::Limit(limit) => _ = cx.send_after(limit, TimeIsUp(id)),
                    Shutdown::Kill => _ = cx.send_after(KILL_LIMIT, StillThere(id)),
                    Shutdown::Unlimited => {}
                }
            }
            Phase::Waiting => self.children.let_go(id),
            Phase::Stopping => {}
        }
        Ok(gone)
    }
}

/// A child that was asked to stop has had its time.
struct TimeIsUp(ChildId);

impl Message for TimeIsUp {
    type Reply = ();
}

impl Handler<TimeIsUp> for DynamicSupervisor {
    async fn handle(&mut self, TimeIsUp(id): TimeIsUp, cx: &mut Context<Self>) {
        if let Some(record) = self.children.record(id) {
            record.child.kill();
            cx.send_after(KILL_LIMIT, StillThere(id));
        }
    }
}

/// A child that was killed has had time to be gone.
struct StillThere(ChildId);

impl Message for StillThere {
    type Reply = ();
}

impl Handler<StillThere> for DynamicSupervisor {
    async fn handle(&mut self, StillThere(id): StillThere, cx: &mut Context<Self>) {
        let Some(record) = self.children.record(id) else {
            return;
        };
        let (policy, pid, reason) = (record.policy, record.child.pid(), declared_dead());
        let label = self.children.label(id, &policy);
        report(cx, ReportContext::ShutdownError, label, Some(pid), &reason);
        self.publish(id, ChildChange::Ended { pid, reason }, cx);
        if let Some(child) = self.children.remove(id) {
            child.abandon();
        }
    }
}

impl Handler<CountChildren> for DynamicSupervisor {
    async fn handle(&mut self, _: CountChildren, _: &mut Context<Self>) -> ChildCounts {
        self.children.counts()
    }
}

impl Handler<WhichChildren> for DynamicSupervisor {
    async fn handle(&mut self, which: WhichChildren, _: &mut Context<Self>) -> Vec<ChildInfo> {
        self.children.list(which.limit)
    }
}

impl Handler<FindChild> for DynamicSupervisor {
    async fn handle(&mut self, find: FindChild, _: &mut Context<Self>) -> Option<ChildInfo> {
        self.children.child(&find.0)
    }
}

impl Handler<Subscribe> for DynamicSupervisor {
    async fn handle(&mut self, Subscribe(to): Subscribe, _: &mut Context<Self>) -> bool {
        self.reporter.subscribe(to)
    }
}

/// From what the children are made, if they are all alike.
pub(in crate::supervisor) struct TemplateOf;

impl Message for TemplateOf {
    type Reply = Option<Arc<dyn Any + Send + Sync>>;
}

impl Handler<TemplateOf> for DynamicSupervisor {
    async fn handle(
        &mut self,
        _: TemplateOf,
        _: &mut Context<Self>,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        self.template.clone()
    }
}
