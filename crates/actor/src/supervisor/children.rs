//! What a supervisor remembers of its children.
//!
//! Children it was built with are few, ordered, and stay on record when they end; they are kept
//! with everything known about them. Children it was given later may be a million: an entry is the
//! child's handle and eight bytes, policies are shared, names are kept aside, and which child it is
//! the child itself knows by its tag.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use vaxel_runtime::{Child, System};

use super::info::{ChildCounts, ChildId, ChildInfo, ChildState};
use super::slab::Slab;
use super::spec::{AnySpec, ChildKind, Policy, Shutdown};
use super::{SupervisorRef, poll};

/// A child the supervisor was built with.
pub(super) struct Fixed {
    pub(super) spec: Box<dyn AnySpec>,
    /// None when it has ended and is not started again.
    pub(super) child: Option<Child>,
    pub(super) supervisor: Option<SupervisorRef>,
    pub(super) restarts: u32,
    pub(super) phase: Phase,
}

/// A child that was added later.
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
    /// It has been asked to stop.
    Stopping,
}

#[derive(Default)]
pub(super) struct Children {
    pub(super) fixed: Vec<Fixed>,
    pub(super) added: Slab<Added>,
    /// The different policies of added children, few as there are.
    policies: Vec<Policy>,
    names: HashMap<ChildId, Arc<str>>,
    supervisors: HashMap<ChildId, SupervisorRef>,
    /// Who waits for the end of which child.
    waiting: HashMap<ChildId, Vec<oneshot::Sender<()>>>,
    generation: u32,
    restarts: u64,
}

/// A child's record, wherever it is.
pub(super) struct Record<'a> {
    pub(super) child: &'a Child,
    pub(super) policy: Policy,
    pub(super) restarts: &'a mut u32,
    pub(super) phase: &'a mut Phase,
}

impl Children {
    /// The id of the next child the supervisor is built with.
    pub(super) fn next_fixed(&self) -> ChildId {
        ChildId(self.fixed.len() as u64)
    }

    /// The id of the next child that is added. Each id is given once.
    pub(super) fn next_added(&mut self) -> ChildId {
        // Zero is the generation of the fixed children.
        self.generation = self.generation.wrapping_add(1).max(1);
        ChildId(u64::from(self.generation) << 32 | u64::from(self.added.next_index()))
    }

    /// Keeps an added child under the id that [`next_added`](Self::next_added) gave.
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
        if generation(id) == 0 {
            let Fixed {
                spec,
                child,
                restarts,
                phase,
                ..
            } = self.fixed.get_mut(id.0 as usize)?;
            let child = child.as_ref()?;
            return Some(Record {
                child,
                policy: spec.policy(),
                restarts,
                phase,
            });
        }
        let added = self.added.get_mut(id.0 as u32)?;
        (added.child.tag() == id.0).then_some(Record {
            child: &added.child,
            policy: self.policies[added.policy as usize],
            restarts: &mut added.restarts,
            phase: &mut added.phase,
        })
    }

    /// Takes the added children out, with the way in which each is stopped.
    pub(super) fn take_added(&mut self) -> impl Iterator<Item = (Child, Shutdown)> {
        self.names.drain().for_each(|(_, name)| release(&name));
        self.supervisors.clear();
        let policies = &self.policies;
        let added = self.added.drain();
        added.map(|added| (added.child, policies[added.policy as usize].shutdown))
    }

    /// Takes the last of the fixed children out, as above; nothing of it if it has ended.
    pub(super) fn take_last_fixed(&mut self) -> Option<Option<(Child, Shutdown)>> {
        let last = self.fixed.last_mut()?;
        let child = last.take();
        let shutdown = last.spec.policy().shutdown;
        self.fixed.pop();
        Some(child.map(|child| (child, shutdown)))
    }

    /// A fixed child that has ended and stays on record.
    pub(super) fn stopped(&mut self, id: ChildId) -> Option<&mut Fixed> {
        let fixed = (generation(id) == 0).then(|| self.fixed.get_mut(id.0 as usize))??;
        fixed.child.is_none().then_some(fixed)
    }

    pub(super) fn count_restart(&mut self) {
        self.restarts += 1;
    }

    /// Lets go of a child that has ended: its address closes, and mail that waits fails. A fixed
    /// child stays on record.
    pub(super) fn let_go(&mut self, id: ChildId) {
        if generation(id) == 0 {
            drop(self.fixed.get_mut(id.0 as usize).and_then(Fixed::take));
        } else if self.record(id).is_some() {
            if let Some(name) = self.names.remove(&id) {
                release(&name);
            }
            self.supervisors.remove(&id);
            self.added.remove(id.0 as u32);
        }
        for waiting in self.waiting.remove(&id).unwrap_or_default() {
            // Who has given up waiting is not missed.
            let _ = waiting.send(());
        }
    }

    /// Resolves when the child has been let go.
    pub(super) fn tell_when_gone(&mut self, id: ChildId) -> oneshot::Receiver<()> {
        let (gone, waiting) = oneshot::channel();
        self.waiting.entry(id).or_default().push(gone);
        waiting
    }

    pub(super) fn name(&self, id: ChildId) -> Option<Arc<str>> {
        if generation(id) == 0 {
            return self.fixed.get(id.0 as usize)?.spec.name().cloned();
        }
        self.names.get(&id).cloned()
    }

    pub(super) fn counts(&self) -> ChildCounts {
        let fixed = self.fixed.iter();
        ChildCounts {
            total: self.fixed.len() + self.added.len(),
            active: fixed.clone().filter(|fixed| fixed.child.is_some()).count() + self.added.len(),
            supervisors: fixed
                .filter(|fixed| fixed.spec.policy().kind == ChildKind::Supervisor)
                .count()
                + self.supervisors.len(),
            restarts: self.restarts,
        }
    }

    /// At most `limit` children: the fixed ones in their order, then added ones in none.
    pub(super) fn list(&self, limit: usize) -> Vec<ChildInfo> {
        let fixed = self.fixed.iter().enumerate().map(|(index, fixed)| {
            let id = ChildId(index as u64);
            let parts = (fixed.child.as_ref(), fixed.phase, fixed.restarts);
            info(
                id,
                parts,
                fixed.spec.policy(),
                fixed.spec.name(),
                fixed.supervisor.as_ref(),
            )
        });
        let added = self.added.iter().map(|(_, added)| {
            let id = ChildId(added.child.tag());
            let parts = (Some(&added.child), added.phase, added.restarts);
            let policy = self.policies[added.policy as usize];
            info(
                id,
                parts,
                policy,
                self.names.get(&id),
                self.supervisors.get(&id),
            )
        });
        fixed.chain(added).take(limit).collect()
    }
}

/// A supervisor that panics or is killed leaves no names behind: its successor needs them.
impl Drop for Children {
    fn drop(&mut self) {
        self.names.values().for_each(|name| release(name));
        self.fixed.iter_mut().for_each(|fixed| drop(fixed.take()));
    }
}

impl Fixed {
    /// Takes the child off the record, and its name from it.
    fn take(&mut self) -> Option<Child> {
        let child = self.child.take()?;
        self.supervisor = None;
        if let Some(name) = self.spec.name() {
            release(name);
        }
        Some(child)
    }
}

/// Frees a child's name at once. The child itself would free it only when it has ended, which is
/// too late for a successor that is started meanwhile.
fn release(name: &str) {
    // Supervisors live on the workers of their own system.
    if let Some(system) = System::try_current() {
        system.unregister(name);
    }
}

/// What an added child's entry does not hold itself.
pub(super) struct Extra {
    pub(super) policy: Policy,
    pub(super) name: Option<Arc<str>>,
    pub(super) supervisor: Option<SupervisorRef>,
}

fn generation(id: ChildId) -> u32 {
    (id.0 >> 32) as u32
}

fn info(
    id: ChildId,
    (child, phase, restarts): (Option<&Child>, Phase, u32),
    policy: Policy,
    name: Option<&Arc<str>>,
    supervisor: Option<&SupervisorRef>,
) -> ChildInfo {
    let state = match (child, phase) {
        (None, _) => ChildState::Stopped,
        (_, Phase::Stopping) => ChildState::Stopping,
        // Whoever added a child may be waiting for its first start, and only one may wait.
        (Some(child), _) if restarts > 0 && poll::now(child.started()).is_none() => {
            ChildState::Starting
        }
        _ => ChildState::Running,
    };
    ChildInfo {
        id,
        name: name.cloned(),
        actor: policy.actor,
        kind: policy.kind,
        restart: policy.restart,
        pid: child.map(Child::pid),
        state,
        restarts,
        supervisor: supervisor.cloned(),
    }
}
