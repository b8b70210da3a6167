//! Who sleeps: the protocol that excludes lost wake-ups between workers and those who bring work.
//!
//! 1. Who brings work publishes it in a queue, then a SeqCst fence, then reads `parked`.
//! 2. Who goes to sleep sets its bit in `parked`, then a SeqCst fence, then looks at all queues
//!    once more, and only then sleeps.
//!
//! One of the two fences comes first in the total order, so either the sleeper sees the work or the
//! bringer sees the sleeper. Clearing a bit is how one bringer claims one sleeper: only who cleared
//! it wakes the thread, and a worker sleeps exactly as long as its bit is set.
//!
//! While one worker is searching nobody else is woken: it will find the work. A searcher that finds
//! something and was the last one wakes the next, so a burst spreads in a chain.

use crate::sync::{AtomicU64, AtomicUsize, fault, fence};
use std::sync::atomic::Ordering::{AcqRel, Relaxed, SeqCst};

/// Away from what workers read at every turn.
#[repr(align(128))]
pub(crate) struct Idle {
    parked: AtomicU64,
    searching: AtomicUsize,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Self {
            parked: AtomicU64::new(0),
            searching: AtomicUsize::new(0),
        }
    }

    /// Work has been published: the seat to wake, claimed for the caller.
    #[inline]
    pub(crate) fn claim(&self) -> Option<usize> {
        if !fault::planted("no fence after publishing") {
            fence(SeqCst);
        }
        if fault::planted("nobody looks for sleepers") {
            return None;
        }
        if self.parked.load(Relaxed) == 0 || self.searching.load(Relaxed) != 0 {
            return None;
        }
        self.claim_any()
    }

    /// As [`claim`](Self::claim), whether or not somebody is searching.
    #[cold]
    pub(crate) fn claim_any(&self) -> Option<usize> {
        let mut parked = self.parked.load(SeqCst);
        while parked != 0 {
            let seat = parked.trailing_zeros() as usize;
            let bit = 1 << seat;
            parked = self.parked.fetch_and(!bit, AcqRel);
            if parked & bit != 0 {
                return Some(seat);
            }
            parked &= !bit;
        }
        None
    }

    /// True when nobody else is searching.
    pub(crate) fn start_search(&self) -> bool {
        self.searching.fetch_add(1, SeqCst) == 0
    }

    /// True when this was the last searcher: if it found work it must wake another.
    pub(crate) fn end_search(&self) -> bool {
        self.searching.fetch_sub(1, SeqCst) == 1
    }

    /// Announces that a seat is about to sleep. The caller then looks at all queues once more.
    pub(crate) fn prepare_park(&self, seat: usize) {
        self.parked.fetch_or(1 << seat, SeqCst);
        fence(SeqCst);
    }

    /// The second look found something.
    pub(crate) fn cancel_park(&self, seat: usize) {
        self.parked.fetch_and(!(1 << seat), SeqCst);
    }

    pub(crate) fn is_parked(&self, seat: usize) -> bool {
        self.parked.load(SeqCst) & (1 << seat) != 0
    }

    pub(crate) fn parked_count(&self) -> usize {
        self.parked.load(Relaxed).count_ones() as usize
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;

    /// One bringer, one worker that looks, announces, looks again and sleeps.
    fn bring_and_sleep() {
        let idle = Arc::new(Idle::new());
        let work = Arc::new(AtomicBool::new(false));
        let (their_idle, their_work) = (idle.clone(), work.clone());
        let worker = loom::thread::spawn(move || {
            their_idle.start_search();
            let found = their_work.load(Relaxed);
            their_idle.end_search();
            if found {
                return false;
            }
            their_idle.prepare_park(3);
            if !fault::planted("no second look") && their_work.load(Relaxed) {
                their_idle.cancel_park(3);
                return false;
            }
            true
        });
        work.store(true, Relaxed);
        let woken = idle.claim();
        let slept = worker.join().unwrap();
        assert!(
            !slept || woken == Some(3),
            "work waits and the worker sleeps"
        );
    }

    fn model(fault: Option<&'static str>) {
        fault::with(fault, || loom::model(bring_and_sleep));
    }

    #[test]
    fn no_wake_up_is_lost() {
        model(None);
        for fault in ["no second look", "no fence after publishing"] {
            assert!(
                std::panic::catch_unwind(|| model(Some(fault))).is_err(),
                "unnoticed: {fault}"
            );
        }
    }
}
