//! Who is told of joins and leaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vaxel_runtime::{Message, Recipient};

use crate::holders::{Entry, Key, Observer};
use crate::reference::Reference;

/// Which monitor of a scope. See [`ProcessGroups::monitor`](super::ProcessGroups::monitor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupMonitorRef(u64);

/// A change of a group's members.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GroupEvent<G, R> {
    /// Which monitor this is for.
    pub monitor: GroupMonitorRef,
    /// Which group.
    pub group: G,
    /// What happened.
    pub change: GroupChange,
    /// Who joined or left; a member that left as often as it had joined is there as often.
    pub members: Vec<R>,
    /// How many events this monitor has missed, over all, because its mailbox was full.
    pub missed: u64,
}

/// See [`GroupEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupChange {
    /// Members joined.
    Join,
    /// Members left, or ended.
    Leave,
}

impl<G: Send + 'static, R: Send + 'static> Message for GroupEvent<G, R> {
    type Reply = ();
}

struct Monitor<G: Key, R: Reference> {
    id: GroupMonitorRef,
    to: Recipient<GroupEvent<G, R>>,
    missed: AtomicU64,
}

pub(crate) struct Monitors<G: Key, R: Reference> {
    is_watched: AtomicBool,
    next: AtomicU64,
    state: Mutex<State<G, R>>,
}

struct State<G: Key, R: Reference> {
    of_scope: Vec<Monitor<G, R>>,
    of_group: HashMap<G, Vec<Monitor<G, R>>>,
    /// The group of each monitor, none for those of the whole scope.
    groups: HashMap<GroupMonitorRef, Option<G>>,
}

impl<G: Key, R: Reference> Monitors<G, R> {
    pub(super) fn new() -> Self {
        Monitors {
            is_watched: AtomicBool::new(false),
            next: AtomicU64::new(0),
            state: Mutex::new(State {
                of_scope: Vec::new(),
                of_group: HashMap::new(),
                groups: HashMap::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<G, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a monitor; the caller keeps changes from happening meanwhile.
    pub(super) fn add(&self, group: Option<G>, to: Recipient<GroupEvent<G, R>>) -> GroupMonitorRef {
        let id = GroupMonitorRef(self.next.fetch_add(1, Relaxed));
        let monitor = Monitor {
            id,
            to,
            missed: AtomicU64::new(0),
        };
        let mut state = self.lock();
        state.groups.insert(id, group.clone());
        match group {
            Some(group) => state.of_group.entry(group).or_default().push(monitor),
            None => state.of_scope.push(monitor),
        }
        self.is_watched.store(true, Relaxed);
        id
    }

    /// Takes a monitor back. False: there is none of that name any more.
    pub(super) fn remove(&self, id: GroupMonitorRef) -> bool {
        let mut state = self.lock();
        let Some(group) = state.groups.remove(&id) else {
            return false;
        };
        let others = match &group {
            Some(group) => state.of_group.get_mut(group),
            None => Some(&mut state.of_scope),
        };
        let gone = others.and_then(|others| {
            let at = others.iter().position(|monitor| monitor.id == id)?;
            Some(others.swap_remove(at))
        });
        if let Some(group) = group
            && state.of_group.get(&group).is_some_and(Vec::is_empty)
        {
            state.of_group.remove(&group);
        }
        self.is_watched.store(!state.groups.is_empty(), Relaxed);
        drop(state);
        // Outside the lock: it may hold the last reference.
        drop(gone);
        true
    }

    fn tell(&self, group: &G, change: GroupChange, entries: &[Entry<R, ()>]) {
        let state = self.lock();
        let own = state.of_group.get(group).into_iter().flatten();
        for monitor in own.chain(&state.of_scope) {
            let event = GroupEvent {
                monitor: monitor.id,
                group: group.clone(),
                change,
                members: entries.iter().map(|entry| entry.actor.clone()).collect(),
                missed: monitor.missed.load(Relaxed),
            };
            if monitor.to.cast(event).is_err() {
                monitor.missed.fetch_add(1, Relaxed);
            }
        }
    }
}

impl<G: Key, R: Reference> Observer<G, R, ()> for Monitors<G, R> {
    fn is_watched(&self) -> bool {
        self.is_watched.load(Relaxed)
    }

    fn added(&self, group: &G, entry: &Entry<R, ()>) {
        self.tell(group, GroupChange::Join, std::slice::from_ref(entry));
    }

    fn removed(&self, group: &G, entries: &[Entry<R, ()>]) {
        self.tell(group, GroupChange::Leave, entries);
    }
}
