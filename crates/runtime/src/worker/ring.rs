//! The run queue of one worker: a bounded ring, one producer, many consumers, first in first out.
//!
//! The owner pushes at the tail. Owner and thieves take from the head by compare-and-swap: an entry
//! is read first and belongs to the reader only if the head has not moved meanwhile. Indices grow
//! for ever in 64 bits, so a head that has not moved is a head that nobody has taken from, and an
//! entry is overwritten only after the head has passed it.
//!
//! A queue of our own because it needs no epochs and no garbage: Miri and Loom can run it, and a
//! full ring hands half of its entries to the injector under one lock instead of growing.

use crate::sync::{AtomicPtr, AtomicU64, fault};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Entries of one ring. Small under Loom and Shuttle so that models reach the wrap-around.
pub(crate) const CAPACITY: usize = if cfg!(any(loom, shuttle)) { 4 } else { 256 };

/// The most that one theft takes.
pub(crate) const STEAL_MAX: usize = CAPACITY / 2;

pub(crate) struct Ring<T> {
    head: AtomicU64,
    tail: AtomicU64,
    entries: Box<[AtomicPtr<T>]>,
}

/// Brings what is there into the cache, if there is anything. Any address will do.
#[inline]
fn prefetch<T>(address: *mut T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint that reads nothing and cannot fault, also where memory has been given back.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast_const().cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            entries: (0..CAPACITY).map(|_| AtomicPtr::new(null_mut())).collect(),
        }
    }

    fn entry(&self, index: u64) -> &AtomicPtr<T> {
        &self.entries[index as usize % CAPACITY]
    }

    /// Appends an entry. Owner only. Gives it back when the ring is full.
    #[inline]
    pub(crate) fn push(&self, value: *mut T) -> Result<(), *mut T> {
        let tail = self.tail.load(Relaxed);
        let head = self.head.load(Acquire);
        let room = if fault::planted("ring overwrites") {
            CAPACITY + 1
        } else {
            CAPACITY
        };
        if tail.wrapping_sub(head) >= room as u64 {
            return Err(value);
        }
        self.entry(tail).store(value, Relaxed);
        self.tail.store(tail + 1, Release);
        Ok(())
    }

    /// Takes the oldest entry. Any thread.
    #[inline]
    pub(crate) fn pop(&self) -> Option<*mut T> {
        let mut head = self.head.load(Acquire);
        loop {
            if head >= self.tail.load(Acquire) {
                return None;
            }
            let value = self.entry(head).load(Relaxed);
            match self
                .head
                .compare_exchange_weak(head, head + 1, AcqRel, Acquire)
            {
                Ok(_) => {
                    // A wave of many actors finds each of them out of the cache; while one runs,
                    // the next one comes.
                    prefetch(self.entry(head + 1).load(Relaxed));
                    return Some(value);
                }
                Err(seen) => head = seen,
            }
        }
    }

    /// Takes the older half, at most [`STEAL_MAX`] and at least one, into `out`. Any thread.
    pub(crate) fn steal(&self, out: &mut Vec<*mut T>) -> usize {
        let mut head = self.head.load(Acquire);
        loop {
            let tail = self.tail.load(Acquire);
            if head >= tail {
                return 0;
            }
            // The tail may be newer than the head we hold; the compare-and-swap finds that out.
            let count = ((tail - head).div_ceil(2) as usize).min(STEAL_MAX);
            out.clear();
            out.extend((0..count as u64).map(|offset| self.entry(head + offset).load(Relaxed)));
            if fault::planted("thief does not check") {
                self.head.store(head + count as u64, Release);
                return count;
            }
            match self
                .head
                .compare_exchange(head, head + count as u64, AcqRel, Acquire)
            {
                Ok(_) => return count,
                Err(seen) => head = seen,
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        let head = self.head.load(Acquire);
        (self.tail.load(Acquire).saturating_sub(head)) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    #[test]
    fn keeps_order_and_tells_when_full() {
        let ring = Ring::<u8>::new();
        for value in 1..=CAPACITY {
            ring.push(value as *mut u8).unwrap();
        }
        assert_eq!(ring.push(9999 as *mut u8), Err(9999 as *mut u8));
        let mut stolen = Vec::new();
        assert_eq!(ring.steal(&mut stolen), STEAL_MAX);
        assert_eq!(stolen[0] as usize, 1);
        assert_eq!(ring.pop().map(|p| p as usize), Some(STEAL_MAX + 1));
        assert_eq!(ring.len(), CAPACITY - STEAL_MAX - 1);
    }

    #[test]
    fn every_entry_is_taken_once_by_many_thieves() {
        const TOTAL: usize = if cfg!(miri) { 500 } else { 200_000 };
        let ring = Ring::<u8>::new();
        let (sum, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut out = Vec::new();
                    while !done.load(Acquire) || !ring.is_empty() {
                        let count = ring.steal(&mut out);
                        let part: usize = out[..count].iter().map(|&p| p as usize).sum();
                        sum.fetch_add(part, Relaxed);
                        std::hint::spin_loop();
                    }
                });
            }
            for value in 1..=TOTAL {
                while ring.push(value as *mut u8).is_err() {
                    if let Some(own) = ring.pop() {
                        sum.fetch_add(own as usize, Relaxed);
                    }
                }
            }
            done.store(true, Release);
        });
        assert_eq!(sum.load(Relaxed), TOTAL * (TOTAL + 1) / 2);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    fn every_entry_once() {
        let ring = Arc::new(Ring::<u8>::new());
        let thief = ring.clone();
        for value in 1..=2usize {
            ring.push(value as *mut u8).unwrap();
        }
        let thread = loom::thread::spawn(move || {
            let mut out = Vec::new();
            let count = thief.steal(&mut out);
            out[..count].iter().map(|&p| p as usize).collect::<Vec<_>>()
        });
        let mut seen = Vec::new();
        for value in 3..=6usize {
            while ring.push(value as *mut u8).is_err() {
                seen.extend(ring.pop().map(|p| p as usize));
            }
        }
        seen.extend(ring.pop().map(|p| p as usize));
        seen.extend(thread.join().unwrap());
        while let Some(value) = ring.pop() {
            seen.push(value as usize);
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6], "an entry was lost or taken twice");
    }

    fn model(fault: Option<&'static str>) {
        fault::with(fault, || {
            let mut builder = loom::model::Builder::new();
            builder.preemption_bound = fault::preemptions();
            builder.check(every_entry_once);
        });
    }

    #[test]
    fn an_entry_is_taken_exactly_once() {
        model(None);
        for fault in ["thief does not check", "ring overwrites"] {
            assert!(
                std::panic::catch_unwind(|| model(Some(fault))).is_err(),
                "unnoticed: {fault}"
            );
        }
    }
}

#[cfg(all(test, shuttle))]
mod schedules {
    use super::*;
    use shuttle::sync::Arc;
    use shuttle::thread;

    /// One owner that pushes and pops, two thieves: the ring wraps around several times.
    fn every_entry_once() {
        const TOTAL: usize = 12;
        let ring = Arc::new(Ring::<u8>::new());
        let thieves = [(); 2].map(|()| {
            let ring = ring.clone();
            thread::spawn(move || {
                let (mut out, mut seen) = (Vec::new(), Vec::new());
                for _ in 0..3 {
                    let count = ring.steal(&mut out);
                    seen.extend(out[..count].iter().map(|&entry| entry as usize));
                }
                seen
            })
        });
        let mut seen = Vec::new();
        for value in 1..=TOTAL {
            while ring.push(value as *mut u8).is_err() {
                seen.extend(ring.pop().map(|entry| entry as usize));
            }
        }
        for thief in thieves {
            seen.extend(thief.join().unwrap());
        }
        while let Some(entry) = ring.pop() {
            seen.push(entry as usize);
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=TOTAL).collect::<Vec<_>>(), "lost or taken twice");
    }

    fn explore(planted: Option<&'static str>) {
        fault::with(planted, || {
            shuttle::check_random(every_entry_once, 3_000);
            shuttle::check_pct(every_entry_once, 3_000, 3);
        });
    }

    #[test]
    fn an_entry_is_taken_exactly_once_by_two_thieves() {
        explore(None);
        for fault in ["thief does not check", "ring overwrites"] {
            let caught = std::panic::catch_unwind(|| explore(Some(fault)));
            assert!(caught.is_err(), "unnoticed: {fault}");
        }
    }
}
