//! The supervisor of ordered children as an actor: its life, and what it does when a child ends.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use vaxel_runtime::inspect::Children;
use vaxel_runtime::{
    Actor, ChildExit, Context, ExitReason, Handler, Mailbox, Message, Pid, Random, ReportContext,
    Started, TrappedExit,
};

use super::builder::{AutoShutdown, FailedChild, Strategy, SupervisorBuilder};
use super::info::{ChildChange, ChildId};
use super::intensity::Intensity;
use super::members::{Ended, Life, Members, Trial};
use super::reporter::{Reporter, report};
use super::spec::{Policy, Restart};
use super::stopping::{self, Gone};
use super::{group, one_for_one};
use crate::fault;
use crate::parent::Parent;

/// An actor that starts others, and starts them again when they crash.
///
/// See the [module](crate::supervisor) for what it promises.
pub struct Supervisor {
    pub(super) members: Members,
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children_max: usize,
    pub(super) reporter: Reporter,
    /// Where a partition supervisor's children are found.
    pub(super) routes: Option<Arc<dyn Any + Send + Sync>>,
    parent: Parent,
    random: Random,
    tokens: u64,
}

impl Actor for Supervisor {
    type Args = SupervisorBuilder;

    /// A herd of clients that come back at once adds children by the thousand. Exits of children
    /// are exempt from the bound, so no crash is missed behind them.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::CAPACITY_MAX);

    async fn init(builder: SupervisorBuilder, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        builder.validate().map_err(ExitReason::error)?;
        let mut supervisor = Supervisor {
            members: Members::default(),
            strategy: builder.strategy,
            intensity: Intensity::new(builder.max_restarts, builder.within),
            auto_shutdown: builder.auto_shutdown,
            children_max: builder.children_max,
            reporter: Reporter::default(),
            routes: builder.routes,
            parent: Parent::trap_exits(cx),
            random: own_random(cx),
            tokens: 0,
        };
        for spec in builder.children {
            let id = supervisor.members.add(spec, cx.system().now());
            if let Err(failed) = supervisor.start_and_wait(id, cx).await {
                supervisor.stop_all(cx).await;
                let FailedChild { child, reason } = &failed;
                let text = format!("child `{child}` failed to start: {reason}");
                // Only the first start is waited for; a later one is told by its reason alone.
                let _ = builder.failure.set(failed);
                return Err(ExitReason::error(text));
            }
        }
        Ok(supervisor)
    }

    fn children(&self) -> Children {
        Children::new(self.members.len(), self.members.pids())
    }

    async fn terminate(&mut self, _reason: &ExitReason, cx: &mut Context<Self>) {
        self.stop_all(cx).await;
    }
}

/// Numbers that differ from supervisor to supervisor, and are the same again for the same seed.
pub(super) fn own_random<S: Actor>(cx: &Context<S>) -> Random {
    let mut hasher = std::hash::DefaultHasher::new();
    cx.pid().hash(&mut hasher);
    cx.system().random(hasher.finish())
}

impl Supervisor {
    /// Starts a child, on a new address or in place.
    pub(super) fn begin(
        &mut self,
        id: ChildId,
        cx: &Context<Self>,
    ) -> Result<(Pid, Started), ExitReason> {
        let now = cx.system().now();
        let Some(member) = self.members.get_mut(id) else {
            return Err(ExitReason::NoProcess);
        };
        let (child, is_new) = match std::mem::take(&mut member.life) {
            Life::Live { child, .. } | Life::Stopping { child, .. } | Life::Vacant { child } => {
                (child, false)
            }
            Life::Stopped => {
                let parent = cx.me().recipient();
                let launched = member.spec.prepare(&cx.system(), &parent, id.0);
                let launched = launched.map_err(ExitReason::error)?;
                member.supervisor = launched.supervisor;
                (launched.child, true)
            }
        };
        // The pid of the incarnation that begins here: its end is told from an earlier one's by it.
        let pid = child.next_pid();
        if is_new {
            child.start();
        } else {
            child.restart();
        }
        let pid = match fault::planted("an incarnation is looked at when it has begun") {
            true => child.pid(),
            false => pid,
        };
        let started = child.started();
        member.life = Life::Live { child, pid };
        member.retry = None;
        member.delays.started(now);
        Ok((pid, started))
    }

    /// Starts a child and waits for its `init`. One that failed is vacant, or at rest if it never
    /// had an address.
    pub(super) async fn start_and_wait(
        &mut self,
        id: ChildId,
        cx: &Context<Self>,
    ) -> Result<Pid, FailedChild> {
        let reason = match self.begin(id, cx) {
            Ok((pid, started)) => match started.await {
                Ok(()) => return Ok(pid),
                // It has decided that it is not needed: `ignore` in OTP.
                Err(ExitReason::Normal) => {
                    self.vacate(id).await;
                    self.members.let_go(id);
                    return Ok(pid);
                }
                Err(reason) => {
                    self.vacate(id).await;
                    reason
                }
            },
            Err(reason) => reason,
        };
        let Some(member) = self.members.get_mut(id) else {
            return Err(FailedChild::unknown(reason));
        };
        let label = member.spec.label();
        report(cx, ReportContext::StartError, label.clone(), None, &reason);
        Err(FailedChild {
            child: label,
            reason,
        })
    }

    /// Waits until an incarnation whose `init` has failed is over, so that its pid is retired.
    async fn vacate(&mut self, id: ChildId) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if let Life::Live { child, pid } = std::mem::take(&mut member.life) {
            child.exit_of(pid).await;
            member.life = Life::Vacant { child };
        }
    }

    /// Asks a child to stop, by its own terms, and waits. Afterwards it is vacant, or at rest if it
    /// had to be given up.
    pub(super) async fn stop(&mut self, id: ChildId, cx: &Context<Self>) -> Option<Gone> {
        let member = self.members.get_mut(id)?;
        let (policy, label) = (member.spec.policy(), member.spec.label());
        let (child, pid) = match std::mem::take(&mut member.life) {
            Life::Live { child, pid } | Life::Stopping { child, pid } => (child, pid),
            other => {
                member.life = other;
                return None;
            }
        };
        let gone = stopping::stop(&child, pid, policy.shutdown).await;
        match &gone {
            Gone::For(reason) if !policy.is_orderly(reason) => {
                report(cx, ReportContext::ShutdownError, label, Some(pid), reason);
            }
            Gone::For(_) | Gone::Before => {}
            Gone::Never => {
                let reason = stopping::declared_dead();
                report(cx, ReportContext::ShutdownError, label, Some(pid), &reason);
                child.abandon();
                return Some(gone);
            }
        }
        member.life = Life::Vacant { child };
        Some(gone)
    }

    /// Stops all children, the last one first, each gone before the next is asked.
    async fn stop_all(&mut self, cx: &Context<Self>) {
        while let Some(last) = self.members.last() {
            self.stop(last, cx).await;
            self.members.remove(last);
        }
    }

    pub(super) fn publish(&mut self, child: ChildId, change: ChildChange, cx: &Context<Self>) {
        if self.reporter.has_subscribers() {
            let name = self.members.name(child);
            self.reporter.publish(cx, child, name, change);
        }
    }

    /// A number that no other retry has.
    pub(super) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// A child has ended and is not started again: perhaps that was what all this was for.
    fn shut_down_if_significant(&mut self, id: ChildId, policy: Policy, cx: &mut Context<Self>) {
        let over = policy.significant
            && match self.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !self.members.has_significant(),
            };
        if over {
            self.publish(id, ChildChange::AutoShutdown, cx);
            cx.stop_with(ExitReason::Shutdown);
        }
    }

    /// Starts a child that ended again, by the strategy, unless that was once too often.
    async fn restart(&mut self, id: ChildId, cx: &mut Context<Self>) {
        let now = cx.system().now();
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let delay = match member.spec.policy().backoff {
            Some(backoff) => member.delays.next(&backoff, now, &mut self.random),
            None => {
                let exceeded = self.intensity.is_exceeded_at(now.since_start());
                (!exceeded).then_some(std::time::Duration::ZERO)
            }
        };
        let Some(delay) = delay else {
            self.give_up(id, cx);
            return;
        };
        match self.strategy {
            Strategy::OneForOne => one_for_one::restart(self, id, delay, cx),
            Strategy::OneForAll => group::restart(self, id, ChildId(0), delay, cx).await,
            Strategy::RestForOne => group::restart(self, id, id, delay, cx).await,
        }
    }

    /// Too many restarts: restarting does not help.
    fn give_up(&mut self, id: ChildId, cx: &mut Context<Self>) {
        if let Some(member) = self.members.get_mut(id) {
            let label = member.spec.label();
            let (pid, reason) = member.fault.clone().unzip();
            let reason = reason.unwrap_or(ExitReason::Shutdown);
            report(cx, ReportContext::Shutdown, label, pid, &reason);
            if let (Some(pid), false) = (pid, matches!(member.life, Life::Stopped)) {
                self.publish(id, ChildChange::Ended { pid, reason }, cx);
            }
        }
        self.publish(id, ChildChange::IntensityExceeded, cx);
        self.members.let_go(id);
        cx.stop_with(ExitReason::Shutdown);
    }

    /// An end by itself, or the one that was asked for.
    async fn child_ended(&mut self, exit: ChildExit, cx: &mut Context<Self>) {
        let ChildExit {
            tag, pid, reason, ..
        } = exit;
        let id = ChildId(tag);
        let Some(ended) = self.members.ended(id, pid, &reason) else {
            return;
        };
        let Ended { policy, trial, .. } = ended;
        let may_return = !ended.was_asked && trial == Trial::Over;
        // An `init` that ends with `normal` says that the child is not needed: OTP's `ignore`.
        let is_unwanted = ended.start_failed && reason == ExitReason::Normal;
        let wants = ended.start_failed || policy.restart.wants(&reason);
        let returns = may_return && wants && !is_unwanted;
        let context = policy.worth_reporting(&reason, ended.was_asked, ended.start_failed);
        if let Some(context) = context {
            report(cx, context, ended.label, Some(pid), &reason);
        }
        if returns && policy.restart != Restart::Temporary {
            if ended.start_failed {
                let reason = reason.clone();
                self.publish(id, ChildChange::StartFailed { reason }, cx);
            }
            self.restart(id, cx).await;
            return;
        }
        self.publish(id, ChildChange::Ended { pid, reason }, cx);
        match trial {
            Trial::Added if !is_unwanted => self.members.remove(id),
            Trial::Added => self.members.let_go(id),
            Trial::Over | Trial::Again => self.members.let_go(id),
        }
        if may_return {
            self.shut_down_if_significant(id, policy, cx);
        }
    }
}

impl Handler<ChildExit> for Supervisor {
    async fn handle(&mut self, exit: ChildExit, cx: &mut Context<Self>) {
        self.child_ended(exit, cx).await;
    }
}

impl Handler<TrappedExit> for Supervisor {
    async fn handle(&mut self, exit: TrappedExit, cx: &mut Context<Self>) {
        self.parent.obey(exit, cx);
    }
}

/// Another try after a failed start; counts as a restart.
pub(super) struct TryAgain {
    pub(super) id: ChildId,
    pub(super) token: u64,
}

impl Message for TryAgain {
    type Reply = ();
}

impl Handler<TryAgain> for Supervisor {
    async fn handle(&mut self, TryAgain { id, token }: TryAgain, cx: &mut Context<Self>) {
        if self
            .members
            .get_mut(id)
            .is_some_and(|member| member.retry == Some(token))
        {
            self.restart(id, cx).await;
        }
    }
}

/// The delay of a child is over; it was counted when it ended.
pub(super) struct Resume {
    pub(super) id: ChildId,
    pub(super) token: u64,
}

impl Message for Resume {
    type Reply = ();
}

impl Handler<Resume> for Supervisor {
    async fn handle(&mut self, Resume { id, token }: Resume, cx: &mut Context<Self>) {
        if self
            .members
            .get_mut(id)
            .is_none_or(|member| member.retry != Some(token))
        {
            return;
        }
        match self.strategy {
            Strategy::OneForOne => one_for_one::start(self, id, cx),
            Strategy::OneForAll => group::start(self, ChildId(0), cx).await,
            Strategy::RestForOne => group::start(self, id, cx).await,
        }
    }
}
