//! Names of actors, unique within a system.
//!
//! A name keeps its actor alive: a named actor lives until it stops or crashes for good, whoever
//! holds references to it. A child keeps its name through a restart; the end of an actor gives its
//! names back.

use crate::cell::{Counted, Header, NAMED};
use crate::sync::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{Ordering::SeqCst, fence};
use std::sync::{Arc, PoisonError};

/// Why a name could not be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another actor has it.
    #[error("the name {0:?} is taken")]
    Taken(Arc<str>),
    /// The actor has ended.
    #[error("cannot name {0:?} an actor that has ended")]
    Closed(Arc<str>),
}

#[derive(Default)]
pub(crate) struct Names(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_name: HashMap<Arc<str>, Counted>,
    by_cell: HashMap<usize, Vec<Arc<str>>>,
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, name: &str, actor: &Counted) -> Result<(), RegisterError> {
        let name: Arc<str> = name.into();
        let mut table = self.lock();
        if let Some(holder) = table.by_name.get(&name) {
            let same = holder.cell() == actor.cell();
            return if same {
                Ok(())
            } else {
                Err(RegisterError::Taken(name))
            };
        }
        actor.header().signals.fetch_or(NAMED, SeqCst);
        // Pairs with the end of an actor, which closes the word and then looks at the flag.
        fence(SeqCst);
        if actor.header().word.is_dead() {
            return Err(RegisterError::Closed(name));
        }
        table
            .by_cell
            .entry(address(actor.cell()))
            .or_default()
            .push(name.clone());
        table.by_name.insert(name, actor.clone());
        Ok(())
    }

    pub(crate) fn find(&self, name: &str) -> Option<Counted> {
        self.lock().by_name.get(name).cloned()
    }

    /// Takes a name back; true when it was given.
    pub(crate) fn unregister(&self, name: &str) -> bool {
        let mut table = self.lock();
        let Some(actor) = table.by_name.remove(name) else {
            return false;
        };
        if let Some(names) = table.by_cell.get_mut(&address(actor.cell())) {
            names.retain(|known| &**known != name);
            if names.is_empty() {
                table.by_cell.remove(&address(actor.cell()));
            }
        }
        drop(table);
        // The reference goes outside the lock: it may be the last one.
        drop(actor);
        true
    }

    /// The actor is over. The owner of the cell keeps it alive meanwhile.
    pub(crate) fn forget(&self, cell: NonNull<Header>) {
        let mut table = self.lock();
        let names = table.by_cell.remove(&address(cell)).unwrap_or_default();
        let gone: Vec<_> = names
            .iter()
            .filter_map(|name| table.by_name.remove(name))
            .collect();
        drop(table);
        drop(gone);
    }

    /// Takes all names back.
    pub(crate) fn clear(&self) {
        let table = std::mem::take(&mut *self.lock());
        // Outside the lock: these may be last references.
        drop(table);
    }

    /// The names that contain this and who has them, at most `limit`, in no order.
    pub(crate) fn search(&self, part: &str, limit: usize) -> Vec<(Arc<str>, Counted)> {
        let table = self.lock();
        let found = table.by_name.iter().filter(|(name, _)| name.contains(part));
        let found = found.map(|(name, actor)| (name.clone(), actor.clone()));
        found.take(limit).collect()
    }

    /// The names of one actor.
    pub(crate) fn of(&self, cell: NonNull<Header>) -> Vec<Arc<str>> {
        self.lock()
            .by_cell
            .get(&address(cell))
            .cloned()
            .unwrap_or_default()
    }

    /// All names and who has them.
    pub(crate) fn list(&self) -> Vec<(Arc<str>, Counted)> {
        self.lock()
            .by_name
            .iter()
            .map(|(name, actor)| (name.clone(), actor.clone()))
            .collect()
    }
}

fn address(cell: NonNull<Header>) -> usize {
    cell.as_ptr().addr()
}
