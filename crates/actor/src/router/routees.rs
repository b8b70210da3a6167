//! Who is routed to.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use vaxel_runtime::AnyRef;

use super::ring::Ring;
use crate::reference::Reference;

/// Where the ids of supervised routees begin: those that were added are counted from zero.
const SUPERVISED: u64 = 1 << 63;

#[derive(Debug)]
pub(super) struct Routee<R> {
    id: u64,
    pub(super) actor: R,
    pub(super) erased: AnyRef,
}

/// The routees of a router, in the order in which they came.
#[derive(Debug)]
pub(super) struct Routees<R> {
    list: Arc<Vec<Routee<R>>>,
    places: HashMap<u64, usize>,
    /// Made when it is first asked for.
    ring: Option<Ring>,
    next: u64,
}

impl<R: Reference> Routees<R> {
    pub(super) fn new() -> Self {
        Routees {
            list: Arc::default(),
            places: HashMap::new(),
            ring: None,
            next: 0,
        }
    }

    pub(super) fn list(&self) -> &Arc<Vec<Routee<R>>> {
        &self.list
    }

    pub(super) fn add(&mut self, actors: impl IntoIterator<Item = R>) {
        let first = self.next;
        let added: Vec<_> = (first..).zip(actors).collect();
        self.next += added.len() as u64;
        self.insert(added);
    }

    /// Puts the workers of team `team` in the place of those it had: the ones that follow have the
    /// same keys as those they follow.
    pub(super) fn replace_team(&mut self, team: u32, workers: impl IntoIterator<Item = R>) {
        let first = SUPERVISED | u64::from(team) << 32;
        self.retain(|routee| routee.id & (u64::MAX << 32) != first);
        self.insert((first..).zip(workers).collect());
    }

    fn insert(&mut self, added: Vec<(u64, R)>) {
        if let Some(ring) = &mut self.ring {
            ring.extend(added.iter().map(|(id, _)| *id));
        }
        let former = self.list.iter().map(Routee::copy);
        let added = added.into_iter().map(|(id, actor)| Routee {
            id,
            erased: AnyRef::from(&actor),
            actor,
        });
        self.list = Arc::new(former.chain(added).collect());
        self.find_places();
    }

    /// True when any left.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&Routee<R>) -> bool) -> bool {
        let staying: Vec<_> = self.list.iter().filter(|routee| stays(routee)).collect();
        if staying.len() == self.list.len() {
            return false;
        }
        self.list = Arc::new(staying.into_iter().map(Routee::copy).collect());
        self.find_places();
        let places = &self.places;
        if let Some(ring) = &mut self.ring {
            ring.retain(|id| places.contains_key(&id));
        }
        true
    }

    fn find_places(&mut self) {
        let ids = self.list.iter().map(|routee| routee.id);
        self.places = ids.enumerate().map(|(place, id)| (id, place)).collect();
    }

    pub(super) fn has_ring(&self) -> bool {
        self.ring.is_some()
    }

    pub(super) fn make_ring(&mut self) {
        let ids = self.list.iter().map(|routee| routee.id);
        self.ring.get_or_insert_default().extend(ids);
    }

    pub(super) fn by_key<K: Hash + ?Sized>(&self, key: &K) -> Option<&Routee<R>> {
        let id = self.ring.as_ref()?.find(key)?;
        self.list.get(*self.places.get(&id)?)
    }
}

impl<R: Reference> Routee<R> {
    fn copy(&self) -> Self {
        Routee {
            id: self.id,
            actor: self.actor.clone(),
            erased: self.erased.clone(),
        }
    }
}
