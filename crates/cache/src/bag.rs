//! Tables with several values for each key.

use std::borrow::Borrow;
use std::hash::Hash;

use crate::owner::Owned;
use crate::table::{Table, TableError};

/// A table in the manner of ETS's `bag`: each value of a key is there once.
///
/// Values of a key keep the order in which they came. Otherwise as [`Table`].
///
/// # Bounds
/// As many keys as a [`Table`] has rows, and [`Bag::VALUES_MAX`] values of each.
#[derive(Debug)]
pub struct Bag<K, V>(Table<K, Vec<V>>);

impl<K, V> Clone for Bag<K, V> {
    fn clone(&self) -> Self {
        Bag(self.0.clone())
    }
}

impl<K: Hash + Eq, V: Clone + PartialEq> Default for Bag<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq, V: Clone + PartialEq> Bag<K, V> {
    /// How many values a key has at most.
    pub const VALUES_MAX: usize = 10_000;

    /// An empty table that lives as long as its clones.
    pub fn new() -> Self {
        Bag(Table::new())
    }

    /// Adds a value to a key. False when it is there already.
    ///
    /// # Errors
    /// When there are too many keys or values of this key, or the table was deleted.
    pub fn insert(&self, key: K, value: V) -> Result<bool, TableError<V>> {
        let mut value = Some(value);
        let added = self.0.upsert(key, Vec::new(), |values| {
            let Some(new) = value.take_if(|new| !values.contains(new)) else {
                return true;
            };
            let has_room = values.len() < Self::VALUES_MAX;
            if has_room {
                values.push(new);
            } else {
                value = Some(new);
            }
            has_room
        });
        match (added, value) {
            (Ok(true), left) => Ok(left.is_none()),
            (Ok(false) | Err(TableError::Full(_)), Some(value)) => Err(TableError::Full(value)),
            (Err(_), Some(value)) => Err(TableError::Deleted(value)),
            (_, None) => unreachable!("only a value that was added is gone"),
        }
    }

    /// The values of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Vec<V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).unwrap_or_default()
    }

    /// Deletes a key, and answers its values.
    pub fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Vec<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key).unwrap_or_default()
    }

    /// Deletes one value of a key. False when it is not there.
    pub fn remove_value<Q: Hash + Eq + ?Sized>(&self, key: &Q, value: &V) -> bool
    where
        K: Borrow<Q>,
    {
        let removed = self.0.update(key, |values| {
            let before = values.len();
            values.retain(|other| other != value);
            before != values.len()
        });
        removed.unwrap_or(false)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K, V> Owned for Bag<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    fn delete(&self) {
        self.0.delete();
    }
}
