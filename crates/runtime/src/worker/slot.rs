//! The slot: the next cell of one worker, which others may take when the worker is replaced.
//!
//! # Protocol
//! A worker is replaced when its handler seems stuck, and may go on at that very moment. One word
//! holds the entry and, in its lowest bit, the mark of who is replaced.
//! 1. Who replaces it marks the slot, and then lets others look into it: workers that start or are
//!    woken then, and those that look once more before they sleep.
//! 2. The worker fills the slot by one swap, which shows it the mark. If that was there, the worker
//!    takes back what it has put in, for all, and leaves the mark.
//!
//! One of the two comes first in the order of the word's values, so nothing stays in a slot at
//! which nobody looks, for as long as the handler may take to return. Between its two swaps the
//! worker hides the mark; it is the one who takes the entry then.

use crate::sync::{AtomicPtr, fault};
use std::ptr::{NonNull, null_mut, without_provenance_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

const MARK: usize = 1;

/// An entry, or null, and the mark.
pub(crate) struct Slot<T>(AtomicPtr<T>);

fn is_marked<T>(word: *mut T) -> bool {
    word.addr() & MARK != 0
}

fn entry<T>(word: *mut T) -> Option<NonNull<T>> {
    NonNull::new(word.map_addr(|address| address & !MARK))
}

impl<T> Slot<T> {
    const EMPTY_MARKED: *mut T = without_provenance_mut(MARK);

    pub(crate) fn new() -> Self {
        const { assert!(align_of::<T>() > MARK, "the mark needs a bit") };
        Self(AtomicPtr::new(null_mut()))
    }

    /// Puts an entry in, in place of the one that is returned. `Err`: the worker has been replaced,
    /// and these are for all. Owner only.
    #[inline]
    pub(crate) fn put(&self, next: NonNull<T>) -> Result<*mut T, [Option<NonNull<T>>; 2]> {
        let before = self.0.swap(next.as_ptr(), AcqRel);
        if is_marked(before) && !fault::planted("the mark is overlooked") {
            return Err([entry(before), self.take_back()]);
        }
        Ok(before)
    }

    /// Empties the slot of who has been replaced. Owner only.
    #[cold]
    fn take_back(&self) -> Option<NonNull<T>> {
        entry(self.0.swap(Self::EMPTY_MARKED, AcqRel))
    }

    /// Takes what is in. Owner only.
    #[inline]
    pub(crate) fn take(&self) -> Option<NonNull<T>> {
        if self.0.load(Acquire).is_null() {
            return None;
        }
        let word = self.0.swap(null_mut(), AcqRel);
        if is_marked(word) && !fault::planted("the mark is taken along") {
            let hidden = self.take_back();
            debug_assert!(hidden.is_none(), "only the owner fills the slot");
        }
        entry(word)
    }

    /// Takes what the owner has left if it has been replaced.
    pub(crate) fn take_left(&self) -> Option<NonNull<T>> {
        let mut word = self.0.load(Acquire);
        while is_marked(word) && !fault::planted("the slot of who is replaced is left alone") {
            let left = entry(word)?;
            match self
                .0
                .compare_exchange(word, Self::EMPTY_MARKED, AcqRel, Acquire)
            {
                Ok(_) => return Some(left),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Whether there is something in for others.
    pub(crate) fn has_left(&self) -> bool {
        let word = self.0.load(Relaxed);
        is_marked(word) && entry(word).is_some()
    }

    /// Gives up waiting for the owner. Others must be made to look afterwards.
    pub(crate) fn replace(&self) {
        let mark = |word: *mut T| Some(word.map_addr(|address| address | MARK));
        let _ = self.0.fetch_update(AcqRel, Relaxed, mark);
    }

    /// For the owner, and for who replaces it: it may seem not to be replaced for the moment in
    /// which it takes an entry back.
    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        is_marked(self.0.load(Relaxed))
    }

    /// The owner is gone, and has left nothing.
    pub(crate) fn vacate(&self) {
        self.0.store(null_mut(), Release);
    }
}

#[cfg(all(test, shuttle))]
mod schedules {
    use super::*;
    use crate::explore::holds_but_with;
    use shuttle::thread;
    use std::sync::Arc;

    const ENTRIES: usize = 3;

    /// An owner that goes on while it is replaced, and then looks no more.
    fn every_entry_is_found() {
        let slot = Arc::new(Slot::<u64>::new());
        let owned = slot.clone();
        let owner = thread::spawn(move || {
            let mut found = Vec::new();
            for number in 1..=ENTRIES {
                let entry = without_provenance_mut(number * align_of::<u64>());
                match owned.put(NonNull::new(entry).unwrap()) {
                    Ok(before) => found.extend(NonNull::new(before)),
                    Err(left) => found.extend(left.into_iter().flatten()),
                }
                if number == 2 {
                    found.extend(owned.take());
                }
            }
            found.len()
        });
        slot.replace();
        let others = thread::spawn(move || {
            let taken = usize::from(slot.take_left().is_some());
            (slot, taken)
        });
        let (slot, taken) = others.join().unwrap();
        // Whoever looks once more before it sleeps.
        let taken = taken + usize::from(slot.take_left().is_some());
        assert_eq!(owner.join().unwrap() + taken, ENTRIES, "an entry is left");
        assert!(slot.is_replaced(), "the mark is lost");
    }

    #[test]
    fn nothing_is_left_in_the_slot_of_who_is_replaced() {
        let faults = [
            "the mark is overlooked",
            "the mark is taken along",
            "the slot of who is replaced is left alone",
        ];
        holds_but_with(&faults, every_entry_is_found);
    }
}
