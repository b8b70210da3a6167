//! Tables with one value for each key, in no order.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::owner::Owned;

/// Locks that keys are spread over.
const SHARDS: usize = 32;

/// How many rows a table holds, of whatever kind, unless told otherwise.
pub(crate) const ROWS_MAX: usize = 1_000_000;

/// A row was not written; it comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError<V> {
    /// The table is at its bound.
    #[error("the table is full")]
    Full(V),
    /// The table was deleted, because its owner ended.
    #[error("the table was deleted")]
    Deleted(V),
}

/// A table in the manner of ETS's `set`: any actor reads and writes it without a message.
///
/// Each operation on one key is atomic. A walk over the table sees each row that is there all the
/// while once, and may or may not see those that come and go meanwhile. Values are cloned on
/// reading: large ones belong into an `Arc`. Closures run under a lock: they must be quick, and
/// must not use the same table.
///
/// # Bounds
/// [`Table::ROWS_MAX`] rows unless told otherwise; then a new key is refused.
#[derive(Debug)]
pub struct Table<K, V>(Arc<Inner<K, V>>);

#[derive(Debug)]
struct Inner<K, V> {
    shards: Vec<RwLock<HashMap<K, V>>>,
    hasher: RandomState,
    rows: AtomicUsize,
    rows_max: usize,
    is_deleted: AtomicBool,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Table(self.0.clone())
    }
}

impl<K: Hash + Eq, V: Clone> Default for Table<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq, V: Clone> Table<K, V> {
    /// How many rows a table holds unless told otherwise.
    pub const ROWS_MAX: usize = ROWS_MAX;

    /// An empty table that lives as long as its clones.
    pub fn new() -> Self {
        Self::bounded(Self::ROWS_MAX)
    }

    /// As [`new`](Self::new), for at most so many rows.
    pub fn bounded(rows_max: usize) -> Self {
        Table(Arc::new(Inner {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            rows: AtomicUsize::new(0),
            rows_max,
            is_deleted: AtomicBool::new(false),
        }))
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, V>> {
        &self.0.shards[self.0.hasher.hash_one(key) as usize % SHARDS]
    }

    fn read<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockReadGuard<'_, HashMap<K, V>> {
        self.shard(key)
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockWriteGuard<'_, HashMap<K, V>> {
        self.shard(key)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for a row. Under the lock of its shard.
    fn enter(&self, value: V) -> Result<V, TableError<V>> {
        if self.0.is_deleted.load(Ordering::Acquire) {
            return Err(TableError::Deleted(value));
        }
        let rows_max = self.0.rows_max;
        let enter = |rows| (rows < rows_max).then_some(rows + 1);
        match self
            .0
            .rows
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter)
        {
            Ok(_) => Ok(value),
            Err(_) => Err(TableError::Full(value)),
        }
    }

    /// Writes a row; the value that was there before.
    ///
    /// # Errors
    /// When the key is new and the table full, or the table was deleted.
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>, TableError<V>> {
        let mut shard = self.write(&key);
        match shard.entry(key) {
            Entry::Occupied(mut row) => Ok(Some(row.insert(value))),
            Entry::Vacant(row) => {
                row.insert(self.enter(value)?);
                Ok(None)
            }
        }
    }

    /// Writes a row unless there is one. True when it was written.
    ///
    /// # Errors
    /// When the key is new and the table full, or the table was deleted.
    pub fn insert_new(&self, key: K, value: V) -> Result<bool, TableError<V>> {
        let mut shard = self.write(&key);
        match shard.entry(key) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(row) => {
                row.insert(self.enter(value)?);
                Ok(true)
            }
        }
    }

    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.read(key).get(key).cloned()
    }

    /// Whether there is a row with this key.
    pub fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.read(key).contains_key(key)
    }

    /// Deletes a row, and answers its value.
    pub fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let removed = self.write(key).remove(key)?;
        self.0.rows.fetch_sub(1, Ordering::Relaxed);
        Some(removed)
    }

    /// Changes a value in place; what `change` answers. `None` when there is no such row.
    pub fn update<Q: Hash + Eq + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R>
    where
        K: Borrow<Q>,
    {
        self.write(key).get_mut(key).map(change)
    }

    /// Changes a value in place, beginning with `begin` where there is none.
    ///
    /// # Errors
    /// When the key is new and the table full, or the table was deleted.
    pub fn upsert<R>(
        &self,
        key: K,
        begin: V,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<R, TableError<V>> {
        let mut shard = self.write(&key);
        match shard.entry(key) {
            Entry::Occupied(row) => Ok(change(row.into_mut())),
            Entry::Vacant(row) => Ok(change(row.insert(self.enter(begin)?))),
        }
    }

    /// Shows every row. Holds one of the table's locks at a time.
    pub fn for_each(&self, mut show: impl FnMut(&K, &V)) {
        for shard in &self.0.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.iter().for_each(|(key, value)| show(key, value));
        }
    }

    /// Keeps the rows for which this holds.
    pub fn retain(&self, mut holds: impl FnMut(&K, &mut V) -> bool) {
        for shard in &self.0.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = shard.len();
            shard.retain(&mut holds);
            self.0
                .rows
                .fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq> Table<K, i64> {
    /// Adds to a counter, which begins at zero; its new value. In one step: of many who count
    /// nothing is lost.
    ///
    /// # Errors
    /// When the key is new and the table full, or the table was deleted.
    pub fn update_counter(&self, key: K, by: i64) -> Result<i64, TableError<i64>> {
        self.upsert(key, 0, |count| {
            *count = count.wrapping_add(by);
            *count
        })
    }
}

impl<K, V> Owned for Table<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn delete(&self) {
        self.0.is_deleted.store(true, Ordering::Release);
        self.retain(|_, _| false);
    }
}
