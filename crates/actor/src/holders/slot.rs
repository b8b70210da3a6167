//! The entries of one key.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use vaxel_runtime::Pid;

/// An actor under a key, with the value it was registered with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Entry<R, V> {
    /// The actor.
    pub actor: R,
    /// Its value.
    pub value: V,
    pub(super) pid: Pid,
    /// Which of this incarnation's entries under this key: they are numbered from zero, without
    /// gaps.
    pub(super) copy: u32,
}

impl<R, V> Entry<R, V> {
    /// The incarnation whose entry it is.
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

/// The entries of a key at one moment, in no order. Later changes do not show.
///
/// It dereferences to a slice, is made in constant time whatever the number of entries, and is
/// cheap to clone.
#[derive(Debug, Clone)]
pub struct Entries<R, V>(Shape<R, V>);

#[derive(Debug, Clone)]
enum Shape<R, V> {
    None,
    One(Entry<R, V>),
    Many(Arc<Vec<Entry<R, V>>>),
}

impl<R, V> Entries<R, V> {
    pub(super) const fn none() -> Self {
        Entries(Shape::None)
    }
}

impl<R, V> Deref for Entries<R, V> {
    type Target = [Entry<R, V>];

    fn deref(&self) -> &[Entry<R, V>] {
        match &self.0 {
            Shape::None => &[],
            Shape::One(entry) => std::slice::from_ref(entry),
            Shape::Many(list) => list,
        }
    }
}

impl<'a, R, V> IntoIterator for &'a Entries<R, V> {
    type Item = &'a Entry<R, V>;
    type IntoIter = std::slice::Iter<'a, Entry<R, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Who holds one key. Most keys have one holder, and cost no allocation of their own.
#[derive(Debug)]
pub(super) enum Slot<R, V> {
    One(Entry<R, V>),
    Many(Crowd<R, V>),
}

/// Several entries. The list is shared with the snapshots that are out, and copied by the first
/// change while one is.
#[derive(Debug)]
pub(super) struct Crowd<R, V> {
    list: Arc<Vec<Entry<R, V>>>,
    /// Where each entry is, so that leaving takes constant time in a crowd of any size.
    places: HashMap<(Pid, u32), u32>,
}

impl<R: Clone, V: Clone> Slot<R, V> {
    pub(super) fn entries(&self) -> Entries<R, V> {
        Entries(match self {
            Slot::One(entry) => Shape::One(entry.clone()),
            Slot::Many(crowd) => Shape::Many(crowd.list.clone()),
        })
    }

    pub(super) fn first(&self) -> &Entry<R, V> {
        match self {
            Slot::One(entry) => entry,
            Slot::Many(crowd) => &crowd.list[0],
        }
    }

    pub(super) fn add(&mut self, entry: Entry<R, V>) {
        let crowd = match self {
            Slot::Many(crowd) => crowd,
            Slot::One(first) => {
                let mut crowd = Crowd {
                    list: Arc::new(Vec::with_capacity(4)),
                    places: HashMap::with_capacity(4),
                };
                crowd.add(first.clone());
                *self = Slot::Many(crowd);
                let Slot::Many(crowd) = self else { return };
                crowd
            }
        };
        crowd.add(entry);
    }

    /// Takes one entry out. None: there is no such entry, or it is the only one of the slot, which
    /// then goes as a whole.
    pub(super) fn take(&mut self, pid: Pid, copy: u32, copies: u32) -> Option<Entry<R, V>> {
        match self {
            Slot::Many(crowd) if crowd.list.len() > 1 => crowd.take(pid, copy, copies),
            _ => None,
        }
    }

    /// Whether the slot holds nothing but an entry of this incarnation.
    pub(super) fn is_only(&self, pid: Pid) -> bool {
        match self {
            Slot::One(entry) => entry.pid == pid,
            Slot::Many(crowd) => crowd.list.len() == 1 && crowd.list[0].pid == pid,
        }
    }

    pub(super) fn get(&self, pid: Pid, copy: u32) -> Option<&Entry<R, V>> {
        match self {
            Slot::One(entry) => (entry.pid == pid && copy == 0).then_some(entry),
            Slot::Many(crowd) => {
                let place = crowd.places.get(&(pid, copy))?;
                crowd.list.get(*place as usize)
            }
        }
    }

    pub(super) fn get_mut(&mut self, pid: Pid, copy: u32) -> Option<&mut Entry<R, V>> {
        match self {
            Slot::One(entry) => (entry.pid == pid && copy == 0).then_some(entry),
            Slot::Many(crowd) => {
                let place = crowd.places.get(&(pid, copy))?;
                Arc::make_mut(&mut crowd.list).get_mut(*place as usize)
            }
        }
    }
}

impl<R: Clone, V: Clone> Crowd<R, V> {
    fn add(&mut self, entry: Entry<R, V>) {
        let place = self.list.len() as u32;
        self.places.insert((entry.pid, entry.copy), place);
        Arc::make_mut(&mut self.list).push(entry);
    }

    /// The last entry takes the place of the one that leaves, and the incarnation's highest copy
    /// its number.
    fn take(&mut self, pid: Pid, copy: u32, copies: u32) -> Option<Entry<R, V>> {
        let place = self.places.remove(&(pid, copy))?;
        let list = Arc::make_mut(&mut self.list);
        let highest = copies - 1;
        if highest != copy
            && let Some(renamed) = self.places.remove(&(pid, highest))
        {
            list[renamed as usize].copy = copy;
            self.places.insert((pid, copy), renamed);
        }
        let gone = list.swap_remove(place as usize);
        if let Some(moved) = list.get(place as usize) {
            self.places.insert((moved.pid, moved.copy), place);
        }
        if list.capacity() > 64.max(4 * list.len()) {
            list.shrink_to(2 * list.len());
            self.places.shrink_to(2 * list.len());
        }
        Some(gone)
    }
}
