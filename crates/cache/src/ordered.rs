//! Tables with one value for each key, in the order of the keys.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::owner::Owned;
use crate::table::{ROWS_MAX, TableError};

/// A table in the manner of ETS's `ordered_set`; otherwise as [`Table`](crate::Table), with one
/// lock.
#[derive(Debug)]
pub struct OrderedTable<K, V>(Arc<RwLock<Rows<K, V>>>);

#[derive(Debug)]
struct Rows<K, V> {
    rows: BTreeMap<K, V>,
    rows_max: usize,
    is_deleted: bool,
}

fn cloned<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

impl<K, V> Clone for OrderedTable<K, V> {
    fn clone(&self) -> Self {
        OrderedTable(self.0.clone())
    }
}

impl<K: Ord + Clone, V: Clone> Default for OrderedTable<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone, V: Clone> OrderedTable<K, V> {
    /// How many rows a table holds unless told otherwise.
    pub const ROWS_MAX: usize = ROWS_MAX;

    /// An empty table that lives as long as its clones.
    pub fn new() -> Self {
        Self::bounded(Self::ROWS_MAX)
    }

    /// As [`new`](Self::new), for at most so many rows.
    pub fn bounded(rows_max: usize) -> Self {
        OrderedTable(Arc::new(RwLock::new(Rows {
            rows: BTreeMap::new(),
            rows_max,
            is_deleted: false,
        })))
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows<K, V>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows<K, V>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a row; the value that was there before.
    ///
    /// # Errors
    /// When the key is new and the table full, or the table was deleted.
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>, TableError<V>> {
        let mut table = self.write();
        if table.is_deleted {
            return Err(TableError::Deleted(value));
        }
        if table.rows.len() >= table.rows_max && !table.rows.contains_key(&key) {
            return Err(TableError::Full(value));
        }
        Ok(table.rows.insert(key, value))
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.read().rows.get(key).cloned()
    }

    /// Deletes a row, and answers its value.
    pub fn remove<Q: Ord + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.write().rows.remove(key)
    }

    /// Changes a value in place; what `change` answers. `None` when there is no such row.
    pub fn update<Q: Ord + ?Sized, R>(&self, key: &Q, change: impl FnOnce(&mut V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
    {
        self.write().rows.get_mut(key).map(change)
    }

    /// Up to `limit` rows of a range, in order.
    pub fn range(&self, range: impl RangeBounds<K>, limit: usize) -> Vec<(K, V)> {
        let table = self.read();
        table.rows.range(range).take(limit).map(cloned).collect()
    }

    /// The first row after a key: a walk that goes on from there while others write.
    pub fn next(&self, after: &K) -> Option<(K, V)> {
        let table = self.read();
        let mut rows = table.rows.range((Bound::Excluded(after), Bound::Unbounded));
        rows.next().map(cloned)
    }

    /// The first row.
    pub fn first(&self) -> Option<(K, V)> {
        self.read().rows.first_key_value().map(cloned)
    }

    /// The last row.
    pub fn last(&self) -> Option<(K, V)> {
        self.read().rows.last_key_value().map(cloned)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.read().rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> Owned for OrderedTable<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn delete(&self) {
        let mut table = self.write();
        table.is_deleted = true;
        let rows = std::mem::take(&mut table.rows);
        drop(table);
        drop(rows);
    }
}
