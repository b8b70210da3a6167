//! What a supervisor remembers of its ordered children.
//!
//! They are in the order in which they were added, which is the order of their ids, and stay on
//! record when they end, all but temporary ones.

use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::sync::Arc;

use tokio::sync::oneshot;
use vaxel_runtime::{Child, ExitReason, Pid, System, Time};

use super::backoff::Delays;
use super::info::{ChildCounts, ChildId, ChildInfo, ChildKey, ChildState};
use super::spec::{AnySpec, ChildKind, Policy, Restart};
use super::{AnySupervisor, poll};

pub(super) struct Member {
    pub(super) spec: Box<dyn AnySpec>,
    pub(super) life: Life,
    pub(super) supervisor: Option<AnySupervisor>,
    /// How often it has been started again.
    pub(super) restarts: u32,
    pub(super) delays: Delays,
    pub(super) trial: Trial,
    /// Which message starts it again; none when it lives or is at rest.
    pub(super) retry: Option<u64>,
    /// The incarnation that ended last, and why.
    pub(super) fault: Option<(Pid, ExitReason)>,
    /// Who waits for its end.
    waiting: Vec<oneshot::Sender<()>>,
}

/// Where a child is, as its supervisor knows by the messages it has handled.
#[derive(Default)]
pub(super) enum Life {
    /// An incarnation starts or runs.
    Live { child: Child, pid: Pid },
    /// It has been asked to stop on its own.
    Stopping { child: Child, pid: Pid },
    /// The incarnation is over, and the address waits for another.
    Vacant { child: Child },
    /// There is no address any more.
    #[default]
    Stopped,
}

/// Who waits for the first start of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    /// It has started before, or its supervisor waited for it.
    Over,
    /// It was added; it is kept only if it starts.
    Added,
    /// It was at rest and asked for; it rests again if it does not start.
    Again,
}

/// An end that a supervisor hears of.
pub(super) struct Ended {
    pub(super) policy: Policy,
    pub(super) label: Arc<str>,
    /// It had been asked to stop on its own.
    pub(super) was_asked: bool,
    /// Its `init` failed.
    pub(super) start_failed: bool,
    pub(super) trial: Trial,
}

#[derive(Default)]
pub(super) struct Members {
    list: BTreeMap<ChildId, Member>,
    last: u64,
    restarts: u64,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Of each, in their order; nobody's of one at rest.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> {
        let pids = self.list.values().map(|member| member.life.pid());
        pids.map(|pid| pid.unwrap_or(Pid::NONE))
    }

    /// Puts a child on record, at the right end and at rest.
    pub(super) fn add(&mut self, spec: Box<dyn AnySpec>, now: Time) -> ChildId {
        let id = ChildId(self.last);
        self.last += 1;
        let member = Member {
            spec,
            life: Life::Stopped,
            supervisor: None,
            restarts: 0,
            delays: Delays::begin(now),
            trial: Trial::Over,
            retry: None,
            fault: None,
            waiting: Vec::new(),
        };
        self.list.insert(id, member);
        id
    }

    pub(super) fn get_mut(&mut self, id: ChildId) -> Option<&mut Member> {
        self.list.get_mut(&id)
    }

    pub(super) fn find(&self, key: &ChildKey) -> Option<ChildId> {
        let found = |test: &dyn Fn(&Member) -> bool| {
            let mut list = self.list.iter();
            list.find(|(_, member)| test(member)).map(|(id, _)| *id)
        };
        match key {
            ChildKey::Id(id) => self.list.contains_key(id).then_some(*id),
            ChildKey::Name(name) => found(&|member| member.spec.name() == Some(name)),
            ChildKey::Actor(actor) => found(&|member| {
                member
                    .life
                    .child()
                    .is_some_and(|child| child.actor() == actor)
            }),
        }
    }

    /// The ids of a range, in order.
    pub(super) fn ids(&self, range: impl RangeBounds<ChildId>) -> Vec<ChildId> {
        self.list.range(range).map(|(id, _)| *id).collect()
    }

    pub(super) fn name(&self, id: ChildId) -> Option<Arc<str>> {
        self.list.get(&id)?.spec.name().cloned()
    }

    /// Notes that an incarnation is over, if it is the present one of that child.
    pub(super) fn ended(&mut self, id: ChildId, pid: Pid, why: &ExitReason) -> Option<Ended> {
        let member = self.list.get_mut(&id)?;
        let (child, was_asked) = match std::mem::take(&mut member.life) {
            Life::Live { child, pid: known } if known == pid => (child, false),
            Life::Stopping { child, pid: known } if known == pid => (child, true),
            other => {
                member.life = other;
                return None;
            }
        };
        let start_failed = matches!(poll::now(child.started()), Some(Err(_)));
        member.life = Life::Vacant { child };
        member.fault = Some((pid, why.clone()));
        // Only its first start was on trial.
        let trial = std::mem::replace(&mut member.trial, Trial::Over);
        let trial = if start_failed { trial } else { Trial::Over };
        Some(Ended {
            policy: member.spec.policy(),
            label: member.spec.label(),
            was_asked,
            start_failed,
            trial,
        })
    }

    pub(super) fn count_restart(&mut self, id: ChildId) -> u32 {
        self.restarts += 1;
        let Some(member) = self.list.get_mut(&id) else {
            return 0;
        };
        member.restarts = member.restarts.saturating_add(1);
        member.restarts
    }

    /// Lets go of a child that has ended: its address closes, its name is free, mail that waits
    /// fails. It stays on record unless it is temporary.
    pub(super) fn let_go(&mut self, id: ChildId) {
        let Some(member) = self.list.get_mut(&id) else {
            return;
        };
        member.rest();
        if member.spec.policy().restart == Restart::Temporary {
            self.list.remove(&id);
        }
    }

    /// Takes a child off the record.
    pub(super) fn remove(&mut self, id: ChildId) {
        if let Some(mut member) = self.list.remove(&id) {
            member.rest();
        }
    }

    pub(super) fn last(&self) -> Option<ChildId> {
        self.list.last_key_value().map(|(id, _)| *id)
    }

    /// Puts those to rest that wait for a restart of which nobody will remind us.
    pub(super) fn rest_orphans(&mut self) {
        if self.list.values().any(|member| member.retry.is_some()) {
            return;
        }
        for id in self.ids(..) {
            if matches!(self.list[&id].life, Life::Vacant { .. }) {
                self.let_go(id);
            }
        }
    }

    pub(super) fn has_significant(&self) -> bool {
        let mut list = self.list.values();
        list.any(|member| member.spec.policy().significant && !matches!(member.life, Life::Stopped))
    }

    pub(super) fn counts(&self) -> ChildCounts {
        let supervisors = |member: &&Member| member.spec.policy().kind == ChildKind::Supervisor;
        let supervisors = self.list.values().filter(supervisors).count();
        let active = |member: &&Member| member.life.pid().is_some();
        ChildCounts {
            total: self.list.len(),
            active: self.list.values().filter(active).count(),
            supervisors,
            workers: self.list.len() - supervisors,
            restarts: self.restarts,
        }
    }

    /// At most `limit` children, in their order.
    pub(super) fn list(&self, limit: usize) -> Vec<ChildInfo> {
        let list = self.list.iter().take(limit);
        list.map(|(id, member)| member.info(*id)).collect()
    }

    pub(super) fn info(&self, id: ChildId) -> Option<ChildInfo> {
        Some(self.list.get(&id)?.info(id))
    }
}

impl Member {
    /// Resolves when the child has been let go.
    pub(super) fn tell_when_gone(&mut self) -> oneshot::Receiver<()> {
        let (gone, waiting) = oneshot::channel();
        self.waiting.push(gone);
        waiting
    }

    pub(super) fn tell_waiting(&mut self) {
        for waiting in self.waiting.drain(..) {
            // Who has given up waiting is not missed.
            let _ = waiting.send(());
        }
    }

    /// Closes the address, whatever is there.
    fn rest(&mut self) {
        self.retry = None;
        self.supervisor = None;
        let life = std::mem::take(&mut self.life);
        if !matches!(life, Life::Stopped)
            && let Some(name) = self.spec.name()
        {
            release(name);
        }
        drop(life);
        self.tell_waiting();
    }

    fn info(&self, id: ChildId) -> ChildInfo {
        let policy = self.spec.policy();
        ChildInfo {
            id,
            name: self.spec.name().cloned(),
            actor: policy.actor,
            kind: policy.kind,
            restart: policy.restart,
            shutdown: policy.shutdown,
            significant: policy.significant,
            backoff: policy.backoff,
            pid: self.life.pid(),
            state: self.state(),
            restarts: self.restarts,
            supervisor: self.supervisor.clone(),
        }
    }

    fn state(&self) -> ChildState {
        match &self.life {
            Life::Vacant { .. } => ChildState::Restarting,
            Life::Stopped if self.retry.is_some() => ChildState::Restarting,
            Life::Stopped => ChildState::Stopped,
            Life::Stopping { .. } => ChildState::Stopping,
            // Whoever added a child may be waiting for its first start, and only one may wait.
            Life::Live { child, .. }
                if self.restarts > 0 && poll::now(child.started()).is_none() =>
            {
                ChildState::Starting
            }
            Life::Live { .. } => ChildState::Running,
        }
    }
}

impl Life {
    pub(super) fn child(&self) -> Option<&Child> {
        match self {
            Life::Live { child, .. } | Life::Stopping { child, .. } | Life::Vacant { child } => {
                Some(child)
            }
            Life::Stopped => None,
        }
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match self {
            Life::Live { pid, .. } | Life::Stopping { pid, .. } => Some(*pid),
            Life::Vacant { .. } | Life::Stopped => None,
        }
    }
}

/// A supervisor that panics or is killed leaves no names behind: its successor needs them.
impl Drop for Members {
    fn drop(&mut self) {
        self.list.values_mut().for_each(Member::rest);
    }
}

/// Frees a child's name at once. The child itself would free it only when it has ended, which is
/// too late for a successor that is started meanwhile.
pub(super) fn release(name: &str) {
    // Supervisors live on the workers of their own system.
    if let Some(system) = System::try_current() {
        system.unregister(name);
    }
}
