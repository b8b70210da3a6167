//! What waits to be written: bounded by number and by bytes, and in order for each entity.
//!
//! Claims and appends wait for one of several connections, so that one batch is written while
//! another is synced. Those of one entity are never under way twice: the next one is let go when
//! the one before has ended, so they are written in the order in which they came. Everything else
//! waits for the one connection of transactions, and keeps its order there.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::transactions::Work;
use crate::{Answering, Append, Appended, Claimed, EntityId, Fault, WriteError, size};

/// How much of a batch of appends is payload at most, unless a single one is larger.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// A claim or an append, with who waits for it.
pub(super) enum Entry {
    Claim(EntityId, Answering<Claimed, WriteError>),
    Append(Append, Answering<Appended, WriteError>),
}

impl Entry {
    pub(super) fn entity(&self) -> &EntityId {
        match self {
            Self::Claim(entity, _) => entity,
            Self::Append(append, _) => &append.entity,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Claim(entity, _) => entity.as_str().len(),
            Self::Append(append, _) => size::append(append),
        }
    }

    pub(super) fn refuse(self, error: WriteError) {
        match self {
            Self::Claim(_, answering) => answering.send(Err(error)),
            Self::Append(_, answering) => answering.send(Err(error)),
        }
    }
}

/// What is counted; see [`StoreCounters`](crate::StoreCounters).
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) writes: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) commits_failed: AtomicU64,
    pub(super) overloaded: AtomicU64,
    pub(super) reads_overloaded: AtomicU64,
    pub(super) connects: AtomicU64,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Entry>,
    /// The entities of what is ready or under way, with what waits behind it.
    busy: HashMap<EntityId, VecDeque<Entry>>,
    transactions: VecDeque<(Box<dyn Work>, usize)>,
    number: usize,
    bytes: usize,
    is_closed: bool,
}

/// The bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) number: usize,
    pub(super) bytes: usize,
    pub(super) batch: usize,
}

pub(super) struct Queue {
    state: Mutex<State>,
    bounds: Bounds,
    /// Somebody has entries to take, or the queue was closed.
    pub(super) journal: Notify,
    pub(super) transactions: Notify,
    pub(super) counts: Counts,
    /// How many of the connections that write are up.
    pub(super) connected: AtomicUsize,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Queue {
            state: Mutex::default(),
            bounds,
            journal: Notify::new(),
            transactions: Notify::new(),
            counts: Counts::default(),
            connected: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, state: &mut State, bytes: usize) -> Result<(), WriteError> {
        self.counts.writes.fetch_add(1, Relaxed);
        // One that is larger than the bound is let in alone.
        let is_heavy = state.number > 0 && state.bytes + bytes > self.bounds.bytes;
        if is_heavy || state.number >= self.bounds.number {
            self.counts.overloaded.fetch_add(1, Relaxed);
            let queued = state.number;
            return Err(WriteError::Overloaded { queued });
        }
        state.number += 1;
        state.bytes += bytes;
        Ok(())
    }

    /// Queues a claim or an append. Never blocks.
    pub(super) fn push(&self, entry: Entry) {
        let mut state = self.lock();
        if let Err(error) = self.admit(&mut state, entry.bytes()) {
            drop(state);
            return entry.refuse(error);
        }
        if let Some(behind) = state.busy.get_mut(entry.entity()) {
            return behind.push_back(entry);
        }
        state.busy.insert(entry.entity().clone(), VecDeque::new());
        state.ready.push_back(entry);
        drop(state);
        self.journal.notify_one();
    }

    /// Queues a transaction. Never blocks.
    pub(super) fn push_work(&self, work: Box<dyn Work>, bytes: usize) {
        let mut state = self.lock();
        if let Err(error) = self.admit(&mut state, bytes) {
            drop(state);
            return work.settle(&Err(error));
        }
        state.transactions.push_back((work, bytes));
        drop(state);
        self.transactions.notify_one();
    }

    /// Claims and appends of different entities, in the order in which they came.
    pub(super) fn take(&self) -> Vec<Entry> {
        let mut state = self.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(next) = state.ready.front() {
            let size = next.bytes();
            let is_full = batch.len() == self.bounds.batch || bytes + size > BATCH_BYTES;
            if is_full && !batch.is_empty() {
                // For whoever else is idle.
                self.journal.notify_one();
                break;
            }
            bytes += size;
            batch.extend(state.ready.pop_front());
        }
        state.number -= batch.len();
        state.bytes -= bytes;
        batch
    }

    /// Lets go what waits behind entries that have ended.
    pub(super) fn done<'a>(&self, entities: impl Iterator<Item = &'a EntityId>) {
        let mut state = self.lock();
        let mut is_ready = false;
        for entity in entities {
            let next = state.busy.get_mut(entity).and_then(VecDeque::pop_front);
            match next {
                None => _ = state.busy.remove(entity),
                Some(next) => {
                    state.ready.push_back(next);
                    is_ready = true;
                }
            }
        }
        drop(state);
        if is_ready {
            self.journal.notify_one();
        }
    }

    /// Transactions that may share a commit, in the order in which they came.
    pub(super) fn take_works(&self, at_most: usize) -> Vec<Box<dyn Work>> {
        let mut state = self.lock();
        let mut group: Vec<Box<dyn Work>> = Vec::new();
        while let Some((next, _)) = state.transactions.front() {
            let ends_here = group.len() == at_most || (next.is_alone() && !group.is_empty());
            if ends_here {
                break;
            }
            let is_alone = next.is_alone();
            if let Some((work, bytes)) = state.transactions.pop_front() {
                state.number -= 1;
                state.bytes -= bytes;
                group.push(work);
            }
            if is_alone {
                break;
            }
        }
        group
    }

    /// Whether nothing more will come.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.journal.notify_waiters();
        self.journal.notify_one();
        self.transactions.notify_waiters();
        self.transactions.notify_one();
    }

    /// Refuses everything that waits: there is no server, and nothing of it was sent.
    pub(super) fn refuse_all(&self, why: &Fault) {
        let error = || WriteError::NotWritten {
            source: why.clone(),
        };
        let (entries, works) = {
            let mut state = self.lock();
            let mut entries: Vec<_> = state.ready.drain(..).collect();
            let busy = &mut state.busy;
            let behind = entries
                .iter()
                .filter_map(|entry| busy.remove(entry.entity()));
            let behind: Vec<_> = behind.flatten().collect();
            entries.extend(behind);
            let works: Vec<_> = state.transactions.drain(..).collect();
            let entered = entries.iter().map(Entry::bytes).sum::<usize>();
            let worked = works.iter().map(|(_, bytes)| bytes).sum::<usize>();
            state.number -= entries.len() + works.len();
            state.bytes -= entered + worked;
            (entries, works)
        };
        entries.into_iter().for_each(|entry| entry.refuse(error()));
        works
            .into_iter()
            .for_each(|(work, _)| work.settle(&Err(error())));
    }
}
