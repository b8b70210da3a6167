//! The queue through which other threads bring work: locked, taken from in batches.
//!
//! A lock and not a lock-free queue, because both sides work in batches: a shard brings 64 cells
//! under one lock, a worker takes up to half a ring under one lock. It cannot outgrow the number of
//! cells, since a cell is queued at most once.

use crate::cell::Header;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy)]
struct Entry(*mut Header);

// SAFETY: an entry is the ownership of a cell on its way to a worker.
unsafe impl Send for Entry {}

#[repr(align(128))]
pub(crate) struct Injector {
    queue: Mutex<VecDeque<Entry>>,
    /// Read without the lock by workers that look for work.
    length: AtomicUsize,
}

impl Injector {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::new(VecDeque::new()),
            length: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push_many(&self, cells: &[*mut Header]) {
        let mut queue = self.lock();
        queue.extend(cells.iter().map(|&cell| Entry(cell)));
        self.length.store(queue.len(), Release);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<Header>> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.lock();
        let cell = queue.pop_front();
        self.length.store(queue.len(), Release);
        cell.and_then(|entry| NonNull::new(entry.0))
    }

    /// Takes one worker's share of what waits, at most `max`, into `out`.
    pub(crate) fn pop_many(&self, share: usize, max: usize, out: &mut Vec<*mut Header>) -> usize {
        if self.is_empty() {
            return 0;
        }
        let mut queue = self.lock();
        let count = queue.len().div_ceil(share).min(max);
        out.extend(queue.drain(..count).map(|entry| entry.0));
        self.length.store(queue.len(), Release);
        if queue.is_empty() && queue.capacity() > 16_384 {
            // After a burst the memory goes back.
            queue.shrink_to(1024);
        }
        count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length.load(Relaxed) == 0
    }
}
