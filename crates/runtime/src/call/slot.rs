//! The reply slot: how a call and its answer let go of one node without a second allocation.
//!
//! The node of a call carries the message in and the reply out. Two parties touch it after it has
//! been taken from the mailbox: the *replier* (a handler, or whoever drops the message) and the
//! *caller* (the future that waits). Neither knows when the other is done, so:
//!
//! 1. The replier writes the outcome, publishes it with [`publish`](SlotState::publish), reads the
//!    waker slot if the caller left one, and only then lets go with
//!    [`replier_done`](SlotState::replier_done).
//! 2. The caller lets go with [`caller_gone`](SlotState::caller_gone).
//! 3. Who lets go second frees the node, and drops the outcome unless it was taken.
//!
//! The waker slot belongs to the caller while `WAITING` is clear and is only read by the replier
//! while it is set. The caller clears `WAITING` before it replaces the waker; if the outcome has
//! been published by then it leaves the waker alone, since the replier may be reading it.

use crate::sync::{AtomicU32, fault};
use std::sync::atomic::Ordering::{AcqRel, Acquire};

const WAITING: u32 = 1;
const OUTCOME: u32 = 1 << 1;
const CALLER_GONE: u32 = 1 << 2;
const TAKEN: u32 = 1 << 3;
const REPLIER_DONE: u32 = 1 << 4;

/// Who has to free the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Let {
    /// The other side still needs it.
    Go,
    /// This side frees it, and drops an outcome that nobody took.
    FreeWithOutcome,
    /// This side frees it; the outcome was taken or never written.
    Free,
}

pub(crate) struct SlotState(AtomicU32);

impl SlotState {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The outcome has been written. True when the caller's waker must be woken.
    pub(crate) fn publish(&self) -> bool {
        self.0.fetch_or(OUTCOME, AcqRel) & (CALLER_GONE | WAITING) == WAITING
    }

    /// The replier will not touch the node again, unless it is told to free it.
    pub(crate) fn replier_done(&self) -> Let {
        let old = self.0.fetch_or(REPLIER_DONE, AcqRel);
        Self::verdict(old, old & CALLER_GONE != 0)
    }

    /// The caller will not touch the node again, unless it is told to free it.
    pub(crate) fn caller_gone(&self) -> Let {
        let old = self.0.fetch_or(CALLER_GONE, AcqRel);
        let done = if fault::planted("caller frees after the outcome") {
            old & OUTCOME != 0
        } else {
            old & REPLIER_DONE != 0
        };
        Self::verdict(old, done)
    }

    fn verdict(old: u32, other_is_gone: bool) -> Let {
        match (other_is_gone, old & OUTCOME != 0 && old & TAKEN == 0) {
            (false, _) => Let::Go,
            (true, true) => Let::FreeWithOutcome,
            (true, false) => Let::Free,
        }
    }

    pub(crate) fn has_outcome(&self) -> bool {
        self.0.load(Acquire) & OUTCOME != 0
    }

    /// The caller takes the outcome. Call once, after [`has_outcome`](Self::has_outcome).
    pub(crate) fn take(&self) {
        self.0.fetch_or(TAKEN, AcqRel);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.0.load(Acquire) & WAITING != 0
    }

    /// The caller wants its waker slot back to replace the waker. False: the outcome is there.
    pub(crate) fn stop_waiting(&self) -> bool {
        let old = self.0.fetch_and(!WAITING, AcqRel);
        old & OUTCOME == 0 || fault::planted("waker replaced under the replier")
    }

    /// The waker is in its slot. False: the outcome came first.
    pub(crate) fn wait(&self) -> bool {
        self.0.fetch_or(WAITING, AcqRel) & OUTCOME == 0
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use std::sync::Arc as StdArc;
    use std::sync::atomic::{AtomicUsize as StdUsize, Ordering::Relaxed as Lax};

    struct Node {
        state: SlotState,
        waker: UnsafeCell<u32>,
        outcome: UnsafeCell<u32>,
        woken: StdUsize,
        freed: StdUsize,
        dropped: StdUsize,
    }

    type Shared = StdArc<Node>;

    fn node() -> Shared {
        StdArc::new(Node {
            state: SlotState::new(),
            waker: UnsafeCell::new(0),
            outcome: UnsafeCell::new(0),
            woken: StdUsize::new(0),
            freed: StdUsize::new(0),
            dropped: StdUsize::new(0),
        })
    }

    fn let_go(node: &Shared, verdict: Let) {
        if verdict == Let::Go {
            return;
        }
        // Freeing needs the whole node: Loom sees a concurrent reader as a race.
        node.waker.with_mut(|_| ());
        node.outcome.with_mut(|_| ());
        if verdict == Let::FreeWithOutcome {
            node.dropped.fetch_add(1, Lax);
        }
        assert_eq!(node.freed.fetch_add(1, Lax), 0, "double free");
    }

    fn reply(node: &Shared) {
        // SAFETY: Loom has just checked that nobody else is inside.
        node.outcome.with_mut(|outcome| unsafe { *outcome = 7 });
        if node.state.publish() {
            // SAFETY: Loom has just checked that nobody else is inside.
            let waker = node.waker.with(|waker| unsafe { *waker });
            assert_ne!(waker, 0, "woke an empty slot");
            node.woken.store(waker as usize, Lax);
        }
        let_go(node, node.state.replier_done());
    }

    /// One poll of the caller's future; true when the outcome was taken.
    fn poll(node: &Shared, waker: u32) -> bool {
        let state = &node.state;
        if !state.has_outcome() {
            let free = !state.is_waiting() || state.stop_waiting();
            if free {
                // SAFETY: Loom has just checked that nobody else is inside.
                node.waker.with_mut(|slot| unsafe { *slot = waker });
                if state.wait() {
                    return false;
                }
            }
        }
        // SAFETY: Loom has just checked that nobody else is inside.
        assert_eq!(node.outcome.with(|outcome| unsafe { *outcome }), 7);
        state.take();
        true
    }

    fn run(polls: u32) {
        let node = node();
        let other = node.clone();
        let replier = loom::thread::spawn(move || reply(&other));
        let mut taken = false;
        for waker in 1..=polls {
            taken = poll(&node, waker);
            if taken {
                break;
            }
        }
        let_go(&node, node.state.caller_gone());
        replier.join().unwrap();
        assert_eq!(node.freed.load(Lax), 1, "leaked");
        assert_eq!(
            node.dropped.load(Lax),
            usize::from(!taken),
            "the outcome is dropped once"
        );
    }

    fn model(fault: Option<&'static str>) {
        fault::with(fault, || {
            for polls in 0..=2 {
                loom::model(move || run(polls));
            }
        });
    }

    #[test]
    fn the_node_is_freed_once_after_both_have_let_go() {
        model(None);
        for fault in [
            "caller frees after the outcome",
            "waker replaced under the replier",
        ] {
            assert!(
                std::panic::catch_unwind(|| model(Some(fault))).is_err(),
                "unnoticed: {fault}"
            );
        }
    }

    #[test]
    fn a_caller_that_waits_is_woken() {
        loom::model(|| {
            let node = node();
            let other = node.clone();
            let replier = loom::thread::spawn(move || reply(&other));
            let taken = poll(&node, 1);
            replier.join().unwrap();
            assert!(taken || node.woken.load(Lax) == 1, "lost wake-up");
            if !taken {
                assert!(poll(&node, 2));
            }
            let_go(&node, node.state.caller_gone());
        });
    }
}
