//! Which actors hold which keys: what registries and process groups are made of.
//!
//! Keys are spread over partitions, each a map behind a lock of its own; a look-up takes the lock
//! for reading, and what it finds is shared, not copied. What each incarnation holds is on record
//! by its pid, so that its end takes everything away without a search.
//!
//! # Locks
//! The record of an incarnation is locked before a partition, never the other way round. Under a
//! partition's lock observers are told, so what they see has the order in which it happened.
//! References are dropped outside: one may be the last.

mod slot;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::{Entry as MapEntry, RandomState};
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use vaxel_runtime::{AnyRef, Pid};

use self::slot::Slot;
pub use self::slot::{Entries, Entry};
use crate::incarnation::when_over;
use crate::reference::Reference;

/// What may be a key.
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}
impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// What may be a value.
pub trait Value: Clone + Send + Sync + 'static {}
impl<V: Clone + Send + Sync + 'static> Value for V {}

/// Is told of every change, under the lock of the key's partition.
pub(crate) trait Observer<K, R, V>: Send + Sync + 'static {
    /// Whether there is anybody to tell.
    fn is_watched(&self) -> bool;
    fn added(&self, key: &K, entry: &Entry<R, V>);
    fn removed(&self, key: &K, entries: &[Entry<R, V>]);
}

type Slots<K, R, V> = HashMap<K, Slot<R, V>>;
type Records<K> = HashMap<Pid, Record<K>>;

/// Keys with the entries of each.
pub(crate) type Listed<K, R, V> = Vec<(K, Entries<R, V>)>;

pub(crate) struct Table<K, R, V, O> {
    hasher: RandomState,
    partitions: Box<[RwLock<Slots<K, R, V>>]>,
    records: Box<[Mutex<Records<K>>]>,
    count: AtomicUsize,
    pub(crate) observer: O,
}

/// What one incarnation holds: how many entries under each key. Stays, once made, until the
/// incarnation ends, so that an actor that comes and goes is watched once.
struct Record<K>(HashMap<K, u32>);

/// Why an entry was not added.
pub(crate) enum Refused<R> {
    Held { owner: R },
    Over,
}

/// Which of an incarnation's entries under a key go.
pub(crate) enum Which<'a, V> {
    All,
    Newest,
    Matching(&'a mut dyn FnMut(&V) -> bool),
}

impl<K: Key, R: Reference, V: Value, O: Observer<K, R, V>> Table<K, R, V, O> {
    pub(crate) fn new(partitions: usize, observer: O) -> Arc<Self> {
        let partitions = partitions.max(1);
        Arc::new(Table {
            hasher: RandomState::new(),
            partitions: (0..partitions).map(|_| RwLock::default()).collect(),
            records: (0..partitions).map(|_| Mutex::default()).collect(),
            count: AtomicUsize::new(0),
            observer,
        })
    }

    fn partition<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<Slots<K, R, V>> {
        // The maps hash for themselves with seeds of their own: these are the bits of another hash.
        let hash = self.hasher.hash_one(key) as usize;
        &self.partitions[hash % self.partitions.len()]
    }

    fn write<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockWriteGuard<'_, Slots<K, R, V>> {
        let lock = self.partition(key);
        lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockReadGuard<'_, Slots<K, R, V>> {
        let lock = self.partition(key);
        lock.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self, pid: Pid) -> MutexGuard<'_, Records<K>> {
        let hash = self.hasher.hash_one(pid) as usize;
        let lock = &self.records[hash % self.records.len()];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry for the incarnation of `actor` that lives now.
    ///
    /// A unique key that is held by an incarnation that is over is free, also when its end has not
    /// been told yet: a restarted actor does not collide with its former self.
    pub(crate) fn add(
        self: &Arc<Self>,
        key: K,
        actor: R,
        value: V,
        is_unique: bool,
    ) -> Result<(), Refused<R>> {
        let erased = AnyRef::from(&actor);
        let pid = erased.pid();
        if pid.is_none() {
            return Err(Refused::Over);
        }
        let mut records = self.records(pid);
        let known = records.get(&pid);
        let is_watched = known.is_some();
        let copy = known
            .and_then(|record| record.0.get(&key))
            .map_or(0, |count| *count);
        let entry = Entry {
            actor,
            value,
            pid,
            copy,
        };
        let former = self.add_entry(&key, entry, is_unique)?;
        let record = records.entry(pid).or_insert_with(|| Record(HashMap::new()));
        *record.0.entry(key).or_default() += 1;
        drop(records);
        drop(former);
        if !is_watched {
            let table = Arc::downgrade(self);
            when_over(&erased, pid, move || forget(&table, pid));
        }
        Ok(())
    }

    /// The entry that had to make room is returned, for who holds locks must not drop it.
    fn add_entry(
        &self,
        key: &K,
        entry: Entry<R, V>,
        is_unique: bool,
    ) -> Result<Option<Entry<R, V>>, Refused<R>> {
        let mut partition = self.write(key);
        let mut former = None;
        let entry = match partition.entry(key.clone()) {
            MapEntry::Vacant(vacant) => vacant.insert(Slot::One(entry)).first(),
            MapEntry::Occupied(occupied) => {
                let slot = occupied.into_mut();
                let (pid, copy) = (entry.pid, entry.copy);
                if is_unique {
                    let holder = slot.first();
                    if holder.pid == pid || AnyRef::from(&holder.actor).pid() == holder.pid {
                        let owner = holder.actor.clone();
                        return Err(Refused::Held { owner });
                    }
                    if self.observer.is_watched() {
                        self.observer.removed(key, std::slice::from_ref(holder));
                    }
                    let before = std::mem::replace(slot, Slot::One(entry));
                    former = Some(before.first().clone());
                    self.count.fetch_sub(1, Relaxed);
                } else {
                    slot.add(entry);
                }
                slot.get(pid, copy).expect("it has just been added")
            }
        };
        self.count.fetch_add(1, Relaxed);
        if self.observer.is_watched() {
            self.observer.added(key, entry);
        }
        Ok(former)
    }

    /// Takes entries of one incarnation away; what is returned left.
    pub(crate) fn remove<Q>(&self, key: &Q, pid: Pid, which: Which<'_, V>) -> Vec<Entry<R, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut records = self.records(pid);
        let Some(record) = records.get_mut(&pid) else {
            return Vec::new();
        };
        let Some(copies) = record.0.get_mut(key) else {
            return Vec::new();
        };
        let gone = self.remove_entries(key, pid, *copies, which);
        *copies -= gone.len() as u32;
        if *copies == 0 {
            record.0.remove(key);
        }
        gone
    }

    fn remove_entries<Q>(
        &self,
        key: &Q,
        pid: Pid,
        mut copies: u32,
        mut which: Which<'_, V>,
    ) -> Vec<Entry<R, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut gone = Vec::new();
        let mut partition = self.write(key);
        let watched = self.observer.is_watched();
        let owned = partition.get_key_value(key).filter(|_| watched);
        let owned = owned.map(|(key, _)| key.clone());
        let Some(slot) = partition.get_mut(key) else {
            return gone;
        };
        let mut is_empty = false;
        // From the highest number down: what takes the place of one that leaves has been seen.
        for copy in (0..copies).rev() {
            let goes = slot.get(pid, copy).is_some_and(|entry| match &mut which {
                Which::All => true,
                Which::Newest => gone.is_empty(),
                Which::Matching(matches) => matches(&entry.value),
            });
            if !goes {
                continue;
            }
            is_empty = slot.is_only(pid);
            if is_empty {
                gone.push(slot.first().clone());
                break;
            }
            gone.extend(slot.take(pid, copy, copies));
            copies -= 1;
        }
        if is_empty {
            partition.remove(key);
            if partition.capacity() > 64.max(4 * partition.len()) {
                let room = 2 * partition.len();
                partition.shrink_to(room);
            }
        }
        self.count.fetch_sub(gone.len(), Relaxed);
        if let Some(owned) = owned.filter(|_| !gone.is_empty()) {
            self.observer.removed(&owned, &gone);
        }
        gone
    }

    /// The incarnation is over: everything it held goes.
    fn forget(&self, pid: Pid) {
        let mut gone = Vec::new();
        let mut records = self.records(pid);
        let Some(Record(held)) = records.remove(&pid) else {
            return;
        };
        for (key, copies) in held {
            gone.extend(self.remove_entries(&key, pid, copies, Which::All));
        }
        drop(records);
        drop(gone);
    }

    pub(crate) fn entries<Q>(&self, key: &Q) -> Entries<R, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let partition = self.read(key);
        partition.get(key).map_or(Entries::none(), Slot::entries)
    }

    /// The entries, and what `then` makes of them while no change can happen to the key.
    pub(crate) fn entries_then<T>(&self, key: &K, then: impl FnOnce() -> T) -> (Entries<R, V>, T) {
        let partition = self.write(key);
        let entries = partition.get(key).map_or(Entries::none(), Slot::entries);
        (entries, then())
    }

    /// All keys with their entries, and what `then` makes of them while no change can happen.
    pub(crate) fn all_then<T>(&self, then: impl FnOnce() -> T) -> (Listed<K, R, V>, T) {
        let locked: Vec<_> = self
            .partitions
            .iter()
            .map(|lock| lock.read().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let all = locked.iter().flat_map(|partition| partition.iter());
        let all = all.map(|(key, slot)| (key.clone(), slot.entries()));
        (all.collect(), then())
    }

    /// All keys, one partition after another.
    pub(crate) fn keys(&self) -> Vec<K> {
        let mut keys = Vec::new();
        for lock in &self.partitions {
            let partition = lock.read().unwrap_or_else(PoisonError::into_inner);
            keys.extend(partition.keys().cloned());
        }
        keys
    }

    /// Calls `visit` for every key and its entries, outside of all locks.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&K, &Entries<R, V>)) {
        for lock in &self.partitions {
            let partition = lock.read().unwrap_or_else(PoisonError::into_inner);
            let copied: Vec<_> = partition
                .iter()
                .map(|(key, slot)| (key.clone(), slot.entries()))
                .collect();
            drop(partition);
            for (key, entries) in &copied {
                visit(key, entries);
            }
        }
    }

    /// The reference of one entry, without the others.
    pub(crate) fn first<Q>(&self, key: &Q) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let partition = self.read(key);
        partition.get(key).map(|slot| slot.first().actor.clone())
    }

    /// The keys that an incarnation holds, each as often as it does.
    pub(crate) fn keys_of(&self, pid: Pid) -> Vec<K> {
        let records = self.records(pid);
        let held = records.get(&pid).into_iter().flat_map(|record| &record.0);
        held.flat_map(|(key, count)| (0..*count).map(|_| key.clone()))
            .collect()
    }

    /// Changes the values of an incarnation under a key, and says how many there were.
    pub(crate) fn update(&self, key: &K, pid: Pid, mut change: impl FnMut(&mut V)) -> usize {
        let records = self.records(pid);
        let held = records.get(&pid).and_then(|record| record.0.get(key));
        let copies = held.copied().unwrap_or(0);
        let mut partition = self.write(key);
        let Some(slot) = partition.get_mut(key) else {
            return 0;
        };
        let mut changed = 0;
        for copy in 0..copies {
            if let Some(entry) = slot.get_mut(pid, copy) {
                change(&mut entry.value);
                changed += 1;
            }
        }
        changed
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

fn forget<K: Key, R: Reference, V: Value, O: Observer<K, R, V>>(
    table: &Weak<Table<K, R, V, O>>,
    pid: Pid,
) {
    if let Some(table) = table.upgrade() {
        table.forget(pid);
    }
}
