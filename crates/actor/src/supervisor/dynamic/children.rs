//! What a dynamic supervisor remembers of its children.
//!
//! They may be a million: an entry is the child's handle and eight bytes, policies are shared, what
//! only some have (a name, a supervisor's reference, a delay) is kept aside, and which child it is
//! the child itself knows by its tag.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use vaxel_runtime::{Child, Pid};

use super::slab::Slab;
use crate::supervisor::backoff::Delays;
use crate::supervisor::info::{ChildCounts, ChildId, ChildInfo, ChildKey, ChildState};
use crate::supervisor::members::release;
use crate::supervisor::spec::Policy;
use crate::supervisor::{AnySupervisor, poll};

/// A child.
pub(super) struct Added {
    /// Its tag is its id, which tells it from an earlier child in the same place.
    pub(super) child: Child,
    pub(super) restarts: u32,
    pub(super) policy: u16,
    pub(super) phase: Phase,
}

const _: () = assert!(size_of::<Option<Added>>() == 16, "there may be a million");

/// What the supervisor wants of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It should live.
    Live,
    /// It has ended and waits for its delay.
    Waiting,
    /// It has been asked to stop.
    Stopping,
}

#[derive(Default)]
pub(super) struct Children {
    added: Slab<Added>,
    /// The different policies of children, few as there are.
    policies: Vec<Policy>,
    names: HashMap<ChildId, Arc<str>>,
    supervisors: HashMap<ChildId, AnySupervisor>,
    delays: HashMap<ChildId, Delays>,
    /// Who waits for the end of which child.
    waiting: HashMap<ChildId, Vec<oneshot::Sender<()>>>,
    generation: u32,
    restarts: u64,
}

/// A child's record.
pub(super) struct Record<'a> {
    pub(super) child: &'a Child,
    pub(super) policy: Policy,
    pub(super) restarts: &'a mut u32,
    pub(super) phase: &'a mut Phase,
}

/// All children, each with the number of its policy.
pub(super) struct Departing<I> {
    pub(super) policies: Vec<Policy>,
    pub(super) children: I,
}

impl Children {
    pub(super) fn len(&self) -> usize {
        self.added.len()
    }

    /// Of each, in no order; nobody's of one that has ended.
    pub(super) fn pids(&self) -> impl Iterator<Item = Pid> {
        self.added.iter().map(|(_, added)| added.child.pid())
    }

    /// The id of the next child that is added. Each id is given once.
    pub(super) fn next_added(&mut self) -> ChildId {
        self.generation = self.generation.wrapping_add(1);
        ChildId(u64::from(self.generation) << 32 | u64::from(self.added.next_index()))
    }

    /// Keeps a child under the id that [`next_added`](Self::next_added) gave.
    pub(super) fn add(&mut self, id: ChildId, child: Child, extra: Extra) {
        let Extra {
            policy,
            name,
            supervisor,
        } = extra;
        let policy = self
            .policies
            .iter()
            .position(|known| *known == policy)
            .unwrap_or_else(|| {
                self.policies.push(policy);
                self.policies.len() - 1
            });
        let added = Added {
            child,
            restarts: 0,
            policy: u16::try_from(policy).expect("a program has fewer policies than 65,536"),
            phase: Phase::Live,
        };
        let index = self.added.insert(added);
        debug_assert_eq!(index, id.0 as u32, "the index was promised");
        self.names.extend(name.map(|name| (id, name)));
        self.supervisors
            .extend(supervisor.map(|supervisor| (id, supervisor)));
    }

    /// The record of a child that has not ended.
    pub(super) fn record(&mut self, id: ChildId) -> Option<Record<'_>> {
        let added = self.added.get_mut(id.0 as u32)?;
        (added.child.tag() == id.0).then_some(Record {
            child: &added.child,
            policy: self.policies[added.policy as usize],
            restarts: &mut added.restarts,
            phase: &mut added.phase,
        })
    }

    /// Takes the children out. Their names are free from now on.
    pub(super) fn take(&mut self) -> Departing<impl Iterator<Item = (Child, u16)> + use<>> {
        self.names.drain().for_each(|(_, name)| release(&name));
        self.supervisors.clear();
        Departing {
            policies: std::mem::take(&mut self.policies),
            children: self.added.drain().map(|added| (added.child, added.policy)),
        }
    }

    /// Where a child with delays is in them.
    pub(super) fn delays(&mut self, id: ChildId, begin: Delays) -> &mut Delays {
        self.delays.entry(id).or_insert(begin)
    }

    pub(super) fn count_restart(&mut self) {
        self.restarts += 1;
    }

    /// Lets go of a child that has ended: its address closes, and mail that waits fails.
    pub(super) fn let_go(&mut self, id: ChildId) {
        drop(self.remove(id));
    }

    /// Takes a child off the record, whose name is free from now on.
    pub(super) fn remove(&mut self, id: ChildId) -> Option<Child> {
        self.record(id)?;
        if let Some(name) = self.names.remove(&id) {
            release(&name);
        }
        self.supervisors.remove(&id);
        self.delays.remove(&id);
        let removed = self.added.remove(id.0 as u32);
        for waiting in self.waiting.remove(&id).unwrap_or_default() {
            // Who has given up waiting is not missed.
            let _ = waiting.send(());
        }
        removed.map(|added| added.child)
    }

    /// Resolves when the child has been let go.
    pub(super) fn tell_when_gone(&mut self, id: ChildId) -> oneshot::Receiver<()> {
        let (gone, waiting) = oneshot::channel();
        self.waiting.entry(id).or_default().push(gone);
        waiting
    }

    pub(super) fn name(&self, id: ChildId) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }

    /// What a child is called in reports.
    pub(super) fn label(&self, id: ChildId, policy: &Policy) -> Arc<str> {
        self.name(id).unwrap_or_else(|| policy.actor.into())
    }

    pub(super) fn find(&mut self, key: &ChildKey) -> Option<ChildId> {
        match key {
            ChildKey::Id(id) => self.record(*id).map(|_| *id),
            ChildKey::Name(name) => {
                let mut names = self.names.iter();
                names.find(|(_, known)| *known == name).map(|(id, _)| *id)
            }
            ChildKey::Actor(actor) => {
                let mut added = self.added.iter();
                let found = added.find(|(_, added)| added.child.actor() == actor);
                found.map(|(_, added)| ChildId(added.child.tag()))
            }
        }
    }

    pub(super) fn counts(&self) -> ChildCounts {
        let waiting = |(_, added): &(u32, &Added)| added.phase == Phase::Waiting;
        let total = self.added.len();
        // Only children with delays can be waiting.
        let waiting = match self.delays.is_empty() {
            true => 0,
            false => self.added.iter().filter(waiting).count(),
        };
        ChildCounts {
            total,
            active: total - waiting,
            supervisors: self.supervisors.len(),
            workers: total - self.supervisors.len(),
            restarts: self.restarts,
        }
    }

    /// At most `limit` children, in no order.
    pub(super) fn list(&self, limit: usize) -> Vec<ChildInfo> {
        let list = self.added.iter().take(limit);
        list.map(|(_, added)| self.info(ChildId(added.child.tag()), added))
            .collect()
    }

    pub(super) fn child(&mut self, key: &ChildKey) -> Option<ChildInfo> {
        let id = self.find(key)?;
        let mut added = self.added.iter();
        let (_, added) = added.find(|(index, _)| *index == id.0 as u32)?;
        Some(self.info(id, added))
    }

    fn info(&self, id: ChildId, added: &Added) -> ChildInfo {
        let policy = self.policies[added.policy as usize];
        let state = match added.phase {
            Phase::Stopping => ChildState::Stopping,
            Phase::Waiting => ChildState::Restarting,
            // Whoever added a child may be waiting for its first start, and only one may wait.
            Phase::Live if added.restarts > 0 && poll::now(added.child.started()).is_none() => {
                ChildState::Starting
            }
            Phase::Live => ChildState::Running,
        };
        ChildInfo {
            id,
            name: self.names.get(&id).cloned(),
            actor: policy.actor,
            kind: policy.kind,
            restart: policy.restart,
            shutdown: policy.shutdown,
            significant: policy.significant,
            backoff: policy.backoff,
            pid: (added.phase != Phase::Waiting).then(|| added.child.pid()),
            state,
            restarts: added.restarts,
            supervisor: self.supervisors.get(&id).cloned(),
        }
    }
}

/// A supervisor that panics or is killed leaves no names behind: its successor needs them.
impl Drop for Children {
    fn drop(&mut self) {
        self.names.values().for_each(|name| release(name));
    }
}

/// What a child's entry does not hold itself.
pub(super) struct Extra {
    pub(super) policy: Policy,
    pub(super) name: Option<Arc<str>>,
    pub(super) supervisor: Option<AnySupervisor>,
}
