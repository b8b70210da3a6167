//! What a supervisor of ordered children can be asked for while it runs.

use std::any::Any;
use std::sync::Arc;

use tokio::sync::oneshot;
use vaxel_runtime::{Actor, ActorRef, Context, Handler, Message, Pid, ReportContext, Started};

use super::info::{ChildChange, ChildCounts, ChildId, ChildInfo, ChildKey, ChildState};
use super::members::{Life, Trial};
use super::questions::{CountChildren, FindChild, Subscribe, WhichChildren};
use super::reporter::report;
use super::spec::{ChildSpec, Shutdown};
use super::stopping::{self, KILL_LIMIT};
use super::{
    AnySupervisor, DeleteChildError, RestartChildError, SpecError, StartChildError, Supervisor,
    TerminateChildError,
};

/// Answered when every child has started.
pub(super) struct Ready;

impl Message for Ready {
    type Reply = ();
}

impl Handler<Ready> for Supervisor {
    async fn handle(&mut self, _: Ready, _: &mut Context<Self>) {}
}

/// Adds a child at the right end; answered before its `init` has finished.
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
        self.may_add(&spec)?;
        let id = self.members.add(Box::new(spec.clone()), cx.system().now());
        let (child, actor) = match spec.prepare(&cx.system(), &cx.me().recipient(), id.0) {
            Ok(prepared) => prepared,
            Err(refused) => {
                self.members.remove(id);
                return Err(refused.into());
            }
        };
        let (pid, started) = (child.next_pid(), child.started());
        child.start();
        if let Some(member) = self.members.get_mut(id) {
            member.supervisor = AnySupervisor::of(&actor);
            member.life = Life::Live { child, pid };
            member.trial = Trial::Added;
        }
        self.publish(id, ChildChange::Started { pid }, cx);
        Ok(Begun { actor, started })
    }
}

impl Supervisor {
    fn may_add<A: Actor>(&mut self, spec: &ChildSpec<A>) -> Result<(), StartChildError> {
        SpecError::check(&spec.policy, || spec.label(), self.auto_shutdown)?;
        let known = spec.registered_name().cloned().map(ChildKey::Name);
        if let Some(id) = known.and_then(|name| self.members.find(&name)) {
            let pid = self
                .members
                .get_mut(id)
                .and_then(|member| member.life.pid());
            return Err(match pid {
                Some(pid) => StartChildError::AlreadyStarted(pid),
                None => StartChildError::AlreadyPresent,
            });
        }
        if self.members.len() >= self.children_max {
            let max = self.children_max;
            return Err(StartChildError::TooManyChildren { max });
        }
        Ok(())
    }
}

/// Stops a child; answered with what resolves when it is gone and its record says so, or with
/// nothing when it had none to stop.
pub(super) struct TerminateChild(pub(super) ChildKey);

impl Message for TerminateChild {
    type Reply = Result<Option<oneshot::Receiver<()>>, TerminateChildError>;
}

impl Handler<TerminateChild> for Supervisor {
    async fn handle(
        &mut self,
        TerminateChild(key): TerminateChild,
        cx: &mut Context<Self>,
    ) -> Result<Option<oneshot::Receiver<()>>, TerminateChildError> {
        let id = self
            .members
            .find(&key)
            .ok_or(TerminateChildError::NotFound)?;
        let Some(member) = self.members.get_mut(id) else {
            return Err(TerminateChildError::NotFound);
        };
        let shutdown = member.spec.policy().shutdown;
        match std::mem::take(&mut member.life) {
            Life::Live { child, pid } => {
                stopping::ask(&child, shutdown);
                member.life = Life::Stopping { child, pid };
                let gone = member.tell_when_gone();
                match shutdown {
                    Shutdown::Limit(limit) => _ = cx.send_after(limit, TimeIsUp { id, pid }),
                    Shutdown::Kill => _ = cx.send_after(KILL_LIMIT, StillThere { id, pid }),
                    Shutdown::Unlimited => {}
                }
                Ok(Some(gone))
            }
            stopping @ Life::Stopping { .. } => {
                member.life = stopping;
                Ok(Some(member.tell_when_gone()))
            }
            rest => {
                member.life = rest;
                self.members.let_go(id);
                self.members.rest_orphans();
                Ok(None)
            }
        }
    }
}

/// A child that was asked to stop has had its time.
struct TimeIsUp {
    id: ChildId,
    pid: Pid,
}

impl Message for TimeIsUp {
    type Reply = ();
}

impl Handler<TimeIsUp> for Supervisor {
    async fn handle(&mut self, TimeIsUp { id, pid }: TimeIsUp, cx: &mut Context<Self>) {
        let life = self.members.get_mut(id).map(|member| &member.life);
        if let Some(Life::Stopping { child, pid: known }) = life
            && *known == pid
        {
            child.kill();
            cx.send_after(KILL_LIMIT, StillThere { id, pid });
        }
    }
}

/// A child that was killed has had time to be gone.
struct StillThere {
    id: ChildId,
    pid: Pid,
}

impl Message for StillThere {
    type Reply = ();
}

impl Handler<StillThere> for Supervisor {
    async fn handle(&mut self, StillThere { id, pid }: StillThere, cx: &mut Context<Self>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        match std::mem::take(&mut member.life) {
            Life::Stopping { child, pid: known } if known == pid => {
                let reason = stopping::declared_dead();
                let label = member.spec.label();
                child.abandon();
                report(cx, ReportContext::ShutdownError, label, Some(pid), &reason);
                self.publish(id, ChildChange::Ended { pid, reason }, cx);
                self.members.let_go(id);
            }
            other => member.life = other,
        }
    }
}

/// Starts a child at rest; answered as [`StartChild`] is.
pub(super) struct RestartChild(pub(super) ChildKey);

impl Message for RestartChild {
    type Reply = Result<Started, RestartChildError>;
}

impl Handler<RestartChild> for Supervisor {
    async fn handle(
        &mut self,
        RestartChild(key): RestartChild,
        cx: &mut Context<Self>,
    ) -> Result<Started, RestartChildError> {
        let id = self.members.find(&key).ok_or(RestartChildError::NotFound)?;
        match self.members.info(id).map(|info| info.state) {
            Some(ChildState::Stopped) => {}
            Some(ChildState::Restarting) => return Err(RestartChildError::Restarting),
            Some(_) => return Err(RestartChildError::Running),
            None => return Err(RestartChildError::NotFound),
        }
        let (pid, started) = self.begin(id, cx).map_err(RestartChildError::Init)?;
        if let Some(member) = self.members.get_mut(id) {
            (member.restarts, member.trial) = (0, Trial::Again);
        }
        self.publish(id, ChildChange::Started { pid }, cx);
        Ok(started)
    }
}

/// Takes a child at rest off the record.
pub(super) struct DeleteChild(pub(super) ChildKey);

impl Message for DeleteChild {
    type Reply = Result<(), DeleteChildError>;
}

impl Handler<DeleteChild> for Supervisor {
    async fn handle(
        &mut self,
        DeleteChild(key): DeleteChild,
        _: &mut Context<Self>,
    ) -> Result<(), DeleteChildError> {
        let id = self.members.find(&key).ok_or(DeleteChildError::NotFound)?;
        match self.members.info(id).map(|info| info.state) {
            Some(ChildState::Stopped) => self.members.remove(id),
            Some(ChildState::Restarting) => return Err(DeleteChildError::Restarting),
            Some(_) => return Err(DeleteChildError::Running),
            None => return Err(DeleteChildError::NotFound),
        }
        Ok(())
    }
}

impl Handler<CountChildren> for Supervisor {
    async fn handle(&mut self, _: CountChildren, _: &mut Context<Self>) -> ChildCounts {
        self.members.counts()
    }
}

impl Handler<WhichChildren> for Supervisor {
    async fn handle(&mut self, which: WhichChildren, _: &mut Context<Self>) -> Vec<ChildInfo> {
        self.members.list(which.limit)
    }
}

impl Handler<FindChild> for Supervisor {
    async fn handle(&mut self, find: FindChild, _: &mut Context<Self>) -> Option<ChildInfo> {
        self.members.info(self.members.find(&find.0)?)
    }
}

impl Handler<Subscribe> for Supervisor {
    async fn handle(&mut self, Subscribe(to): Subscribe, _: &mut Context<Self>) -> bool {
        self.reporter.subscribe(to)
    }
}

/// Where the children of a partition supervisor are.
pub(super) struct RoutesOf;

impl Message for RoutesOf {
    type Reply = Option<Arc<dyn Any + Send + Sync>>;
}

impl Handler<RoutesOf> for Supervisor {
    async fn handle(
        &mut self,
        _: RoutesOf,
        _: &mut Context<Self>,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        self.routes.clone()
    }
}
