//! The supervisor as an actor: its messages and its life.

use tokio::sync::oneshot;
use vaxel_runtime::{
    Actor, ActorRef, ChildExit, Context, ExitReason, Handler, Mailbox, Message, Recipient, Started,
};

use super::builder::{FailedChild, SupervisorBuilder};
use super::children::{Children, Extra, Fixed, Phase};
use super::info::{ChildChange, ChildCounts, ChildEvent, ChildId, ChildInfo};
use super::intensity::Intensity;
use super::spec::{AnySpec, ChildSpec, Launched, Shutdown};
use super::subscribers::Subscribers;
use super::{StartChildError, SupervisorRef, one_for_one, stopping};

/// An actor that starts others, and starts them again when they crash.
///
/// See the [module](crate::supervisor) for what it promises.
pub struct Supervisor {
    pub(super) children: Children,
    pub(super) intensity: Intensity,
    pub(super) subscribers: Subscribers,
}

impl Actor for Supervisor {
    type Args = SupervisorBuilder;

    /// A herd of clients that come back at once adds children by the thousand. Exits of children
    /// are exempt from the bound, so no crash is missed behind them.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::CAPACITY_MAX);

    async fn init(builder: SupervisorBuilder, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let mut supervisor = Supervisor {
            children: Children::default(),
            intensity: Intensity::new(builder.max_restarts, builder.within),
            subscribers: Subscribers::default(),
        };
        for spec in builder.children {
            if let Err(failed) = supervisor.start_fixed(spec, cx).await {
                stopping::stop_all(&mut supervisor.children).await;
                let FailedChild { child, reason } = &failed;
                let text = format!("child `{child}` failed to start: {reason}");
                // Only the first start is waited for; a later one is told by its reason alone.
                let _ = builder.failure.set(failed);
                return Err(ExitReason::error(text));
            }
        }
        Ok(supervisor)
    }

    async fn terminate(&mut self, _reason: &ExitReason, _cx: &mut Context<Self>) {
        stopping::stop_all(&mut self.children).await;
    }
}

impl Supervisor {
    async fn start_fixed(
        &mut self,
        spec: Box<dyn AnySpec>,
        cx: &mut Context<Self>,
    ) -> Result<(), FailedChild> {
        let failed = |spec: &dyn AnySpec, reason| FailedChild {
            child: spec
                .name()
                .cloned()
                .unwrap_or_else(|| spec.policy().actor.into()),
            reason,
        };
        let id = self.children.next_fixed();
        let launched = spec.launch(&cx.system(), &cx.me().recipient(), id.0);
        let Launched { child, supervisor } =
            launched.map_err(|taken| failed(&*spec, ExitReason::error(taken)))?;
        let started = child.started();
        self.children.fixed.push(Fixed {
            spec,
            child: Some(child),
            supervisor,
            restarts: 0,
            phase: Phase::Live,
        });
        started.await.map_err(|reason| {
            self.children.let_go(id);
            failed(&*self.children.fixed[id.0 as usize].spec, reason)
        })
    }

    pub(super) fn publish(&mut self, child: ChildId, change: ChildChange, cx: &Context<Self>) {
        if !self.subscribers.is_empty() {
            let name = self.children.name(child);
            self.subscribers.tell(&ChildEvent {
                supervisor: cx.pid(),
                child,
                name,
                change,
            });
        }
    }
}

impl Handler<ChildExit> for Supervisor {
    async fn handle(&mut self, exit: ChildExit, cx: &mut Context<Self>) {
        one_for_one::child_ended(self, exit, cx);
    }
}

/// Answered when every child has started.
pub(super) struct Ready;

impl Message for Ready {
    type Reply = ();
}

impl Handler<Ready> for Supervisor {
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

impl<A: Actor> Handler<StartChild<A>> for Supervisor {
    async fn handle(
        &mut self,
        StartChild(spec): StartChild<A>,
        cx: &mut Context<Self>,
    ) -> Result<Begun<A>, StartChildError> {
        let id = self.children.next_added();
        let (policy, name) = (spec.policy, spec.registered_name().cloned());
        let (child, actor) = spec.launch(&cx.system(), &cx.me().recipient(), id.0)?;
        let (started, pid) = (child.started(), child.pid());
        let supervisor = SupervisorRef::of(&actor);
        self.children.add(
            id,
            child,
            Extra {
                policy,
                name,
                supervisor,
            },
        );
        self.publish(id, ChildChange::Started { pid }, cx);
        Ok(Begun { actor, started })
    }
}

/// Stops a child; answered with what resolves when it is gone and its record says so.
pub(super) struct TerminateChild(pub(super) ChildId);

impl Message for TerminateChild {
    type Reply = Option<oneshot::Receiver<()>>;
}

impl Handler<TerminateChild> for Supervisor {
    async fn handle(
        &mut self,
        TerminateChild(id): TerminateChild,
        cx: &mut Context<Self>,
    ) -> Option<oneshot::Receiver<()>> {
        let record = self.children.record(id)?;
        if *record.phase == Phase::Live {
            *record.phase = Phase::Stopping;
            let shutdown = record.policy.shutdown;
            stopping::ask(record.child, shutdown);
            if let Shutdown::Limit(limit) = shutdown {
                cx.send_after(limit, TimeIsUp(id));
            }
        }
        Some(self.children.tell_when_gone(id))
    }
}

/// A child that was asked to stop has had its time.
struct TimeIsUp(ChildId);

impl Message for TimeIsUp {
    type Reply = ();
}

impl Handler<TimeIsUp> for Supervisor {
    async fn handle(&mut self, TimeIsUp(id): TimeIsUp, _: &mut Context<Self>) {
        if let Some(record) = self.children.record(id)
            && *record.phase == Phase::Stopping
        {
            record.child.kill();
        }
    }
}

/// Starts a fixed child that has ended again; answered as [`StartChild`] is.
pub(super) struct RestartChild(pub(super) ChildId);

impl Message for RestartChild {
    type Reply = Result<Option<Started>, StartChildError>;
}

impl Handler<RestartChild> for Supervisor {
    async fn handle(
        &mut self,
        RestartChild(id): RestartChild,
        cx: &mut Context<Self>,
    ) -> Result<Option<Started>, StartChildError> {
        let Some(fixed) = self.children.stopped(id) else {
            return Ok(None);
        };
        let Launched { child, supervisor } =
            fixed
                .spec
                .launch(&cx.system(), &cx.me().recipient(), id.0)?;
        let (started, pid) = (child.started(), child.pid());
        (fixed.child, fixed.supervisor) = (Some(child), supervisor);
        (fixed.restarts, fixed.phase) = (0, Phase::Live);
        self.publish(id, ChildChange::Started { pid }, cx);
        Ok(Some(started))
    }
}

pub(super) struct CountChildren;

impl Message for CountChildren {
    type Reply = ChildCounts;
}

impl Handler<CountChildren> for Supervisor {
    async fn handle(&mut self, _: CountChildren, _: &mut Context<Self>) -> ChildCounts {
        self.children.counts()
    }
}

pub(super) struct WhichChildren {
    pub(super) limit: usize,
}

impl Message for WhichChildren {
    type Reply = Vec<ChildInfo>;
}

impl Handler<WhichChildren> for Supervisor {
    async fn handle(&mut self, which: WhichChildren, _: &mut Context<Self>) -> Vec<ChildInfo> {
        self.children.list(which.limit)
    }
}

pub(super) struct Subscribe(pub(super) Recipient<ChildEvent>);

impl Message for Subscribe {
    type Reply = bool;
}

impl Handler<Subscribe> for Supervisor {
    async fn handle(&mut self, Subscribe(to): Subscribe, _: &mut Context<Self>) -> bool {
        self.subscribers.add(to)
    }
}
