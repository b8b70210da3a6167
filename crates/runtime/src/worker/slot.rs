//! The slot: the next cell of one worker, which others may take when the worker is replaced.
//!
//! # Protocol
//! A worker is replaced when its handler seems stuck, and may go on at that very moment.
//! 1. Who replaces it marks the slot, and then lets others look into it: workers that start or are
//!    woken then, and those that look once more before they sleep.
//! 2. The worker fills the slot, and then looks at the mark. If it is there, the worker takes back
//!    what others have not taken, for all.
//!
//! One of the two comes first in the total order of both, so nothing stays in a slot at which
//! nobody looks, for as long as the handler may take to return.

use crate::sync::{AtomicBool, AtomicPtr, fault};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

pub(crate) struct Slot<T> {
    next: AtomicPtr<T>,
    replaced: AtomicBool,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicPtr::new(null_mut()),
            replaced: AtomicBool::new(false),
        }
    }

    /// Puts an entry in, in place of the one that is returned. `Err`: the worker has been replaced,
    /// and these are for all. Owner only.
    #[inline]
    pub(crate) fn put(&self, entry: NonNull<T>) -> Result<*mut T, [Option<NonNull<T>>; 2]> {
        let looks_first = fault::planted("the slot is filled after the look at its mark");
        let marked_before = looks_first && self.replaced.load(SeqCst);
        let before = self.next.swap(entry.as_ptr(), SeqCst);
        let marked = if looks_first {
            marked_before
        } else {
            self.replaced.load(SeqCst)
        };
        if marked {
            return Err([NonNull::new(before), self.take()]);
        }
        Ok(before)
    }

    /// Takes what is in. The owner, and others when it has been replaced.
    #[inline]
    pub(crate) fn take(&self) -> Option<NonNull<T>> {
        if self.next.load(Acquire).is_null() {
            return None;
        }
        NonNull::new(self.next.swap(null_mut(), AcqRel))
    }

    /// Takes what the owner has left if it has been replaced.
    pub(crate) fn take_left(&self) -> Option<NonNull<T>> {
        let left =
            self.is_replaced() && !fault::planted("the slot of who is replaced is left alone");
        if left { self.take() } else { None }
    }

    /// Whether there is something in for others.
    pub(crate) fn has_left(&self) -> bool {
        self.is_replaced() && !self.next.load(Relaxed).is_null()
    }

    /// Gives up waiting for the owner. Others must be made to look afterwards.
    pub(crate) fn replace(&self) {
        self.replaced.store(true, SeqCst);
    }

    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Relaxed)
    }

    /// The owner is gone, and has left nothing.
    pub(crate) fn vacate(&self) {
        self.replaced.store(false, Release);
    }
}

#[cfg(all(test, shuttle))]
mod schedules {
    use super::*;
    use crate::explore::holds_but_with;
    use shuttle::thread;
    use std::sync::Arc;

    /// An owner that goes on while it is replaced, and then looks no more.
    fn every_entry_is_found() {
        let slot = Arc::new(Slot::<u8>::new());
        let owned = slot.clone();
        let owner = thread::spawn(move || {
            let mut for_all = Vec::new();
            for value in 1..=2usize {
                match owned.put(NonNull::new(value as *mut u8).unwrap()) {
                    Ok(before) => for_all.extend(NonNull::new(before)),
                    Err(left) => for_all.extend(left.into_iter().flatten()),
                }
            }
            for_all.len()
        });
        slot.replace();
        let others = thread::spawn(move || {
            let taken = usize::from(slot.take_left().is_some());
            (slot, taken)
        });
        let (slot, taken) = others.join().unwrap();
        // Whoever looks once more before it sleeps.
        let taken = taken + usize::from(slot.take_left().is_some());
        assert_eq!(owner.join().unwrap() + taken, 2, "an entry is left");
    }

    #[test]
    fn nothing_is_left_in_the_slot_of_who_is_replaced() {
        let faults = [
            "the slot is filled after the look at its mark",
            "the slot of who is replaced is left alone",
        ];
        holds_but_with(&faults, every_entry_is_found);
    }
}
