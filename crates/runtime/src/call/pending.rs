//! Calls that have just begun to wait: a worker's notes for the sweeper.
//!
//! Nearly every call between actors is answered within a microsecond, so it must not pay for a
//! timer. A caller that waits on a worker leaves a note in that worker's table instead, one store,
//! and takes it back when it is answered, one compare-and-swap. The watchdog sweeps the tables
//! every [`SWEEP`] while any worker is awake, and once more before it sleeps: whoever is still
//! there is nudged, and starts a timer (see [`slot`](super::slot)).
//!
//! # Protocol
//! 1. Only the worker of a seat turns an entry from empty to a call.
//! 2. The caller empties its entry before it lets go of its node. If the entry is claimed it waits:
//!    the sweeper is inside for a few instructions.
//! 3. The sweeper claims an entry, touches the call, and then empties the entry or gives it back.

use super::CallHead;
use super::slot::Nudged;
use crate::sync::{AtomicPtr, fault, spin_loop};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut, without_provenance_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::task::Waker;
use std::time::Duration;

/// How often calls that wait are looked at.
pub(crate) const SWEEP: Duration = Duration::from_millis(5);

/// Calls a worker takes notes of; one that finds no room near the last one starts its timer at
/// once.
const ENTRIES: usize = if cfg!(loom) { 2 } else { 128 };
const PROBES: usize = if cfg!(loom) { 2 } else { 4 };

pub(crate) type Entry<C> = AtomicPtr<C>;

fn claimed<C>() -> *mut C {
    without_provenance_mut(1)
}

/// What the sweeper needs of a call.
pub(crate) trait Sweepable {
    /// Takes a pointer: a worker may be writing to other parts of the call.
    ///
    /// # Safety
    /// The call lives.
    unsafe fn nudge(call: NonNull<Self>) -> Nudged;
}

pub(crate) struct Pending<C = CallHead>([Entry<C>; ENTRIES]);

impl<C: Sweepable> Pending<C> {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Entry::new(null_mut())))
    }

    /// Takes a note. Only by the worker of this seat. `None`: no room.
    #[inline]
    pub(crate) fn note(&self, cursor: &Cell<usize>, call: NonNull<C>) -> Option<&Entry<C>> {
        let first = cursor.get();
        for offset in 0..PROBES {
            let index = (first + offset) % ENTRIES;
            let entry = &self.0[index];
            if entry.load(Relaxed).is_null() {
                entry.store(call.as_ptr(), Release);
                cursor.set(index);
                return Some(entry);
            }
        }
        cursor.set((first + PROBES) % ENTRIES);
        None
    }

    /// Nudges everybody who waits. By one thread at a time. False: there was nobody.
    pub(crate) fn sweep(&self, woken: &mut Vec<Waker>) -> bool {
        let mut any = false;
        for entry in &self.0 {
            let Some(call) = NonNull::new(entry.load(Acquire)) else {
                continue;
            };
            any = true;
            if !fault::planted("the sweeper does not claim")
                && entry
                    .compare_exchange(call.as_ptr(), claimed(), AcqRel, Relaxed)
                    .is_err()
            {
                continue;
            }
            // SAFETY: rule 2: while the entry is claimed the caller does not let go of its node,
            // and the replier frees it only after the caller has.
            let nudged = unsafe { C::nudge(call) };
            let left = if matches!(nudged, Nudged::Busy) {
                call.as_ptr()
            } else {
                null_mut()
            };
            entry.store(left, Release);
            if let Nudged::Wake(waker) = nudged {
                woken.push(waker);
            }
        }
        any
    }
}

/// Takes a note back.
#[inline]
pub(crate) fn withdraw<C>(entry: &Entry<C>, call: NonNull<C>) {
    let call = call.as_ptr();
    while let Err(seen) = entry.compare_exchange(call, null_mut(), AcqRel, Acquire) {
        if seen != claimed() {
            // Swept earlier, and perhaps somebody else's by now.
            return;
        }
        // The sweeper's thread may have been descheduled inside.
        spin_loop();
        #[cfg(not(loom))]
        std::thread::yield_now();
        #[cfg(loom)]
        loom::thread::yield_now();
    }
}
