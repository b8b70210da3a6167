//! The reply slot: how a call and its answer let go of one node without a second allocation.
//!
//! The node of a call carries the message in and the reply out. Three parties touch its slot: the
//! *caller* (the future that waits), the *replier* (a handler, or whoever drops the message), and
//! the *sweeper*, which tells callers that have waited for a while to start a timer. Everything is
//! one atomic operation on the state:
//!
//! 1. The waker belongs to the caller while `WAITING` is clear, and to the slot while it is set.
//!    Whoever clears `WAITING` with a compare-and-swap owns the waker from then on: the caller, who
//!    replaces it; the replier, who wakes it; the sweeper, who wakes it and leaves `LATE` behind.
//!    Its two words are read before that swap. `ROUND` grows each time they are written, so a swap
//!    that succeeds proves that the words read are those of this round.
//! 2. The replier writes the outcome and then sets `DONE`, after which it never touches the node
//!    again: the node is the caller's, who takes the outcome and frees it without another atomic
//!    operation.
//! 3. A caller that gives up sets `GONE`, after which it never touches the node again: the replier
//!    finds `GONE` instead of publishing, and frees the node with its outcome. A caller that finds
//!    `DONE` when it gives up frees the node itself.
//! 4. The sweeper touches a slot only while it has claimed the call's entry (see
//!    [`pending`](super::pending)), and a caller withdraws its entry before it lets go.

use crate::sync::{AtomicPtr, AtomicU32, fault};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::task::{RawWakerVTable, Waker};

const WAITING: u32 = 1;
const DONE: u32 = 1 << 1;
const GONE: u32 = 1 << 2;
const LATE: u32 = 1 << 3;
const CANCELLED: u32 = 1 << 4;
const DEFERRED: u32 = 1 << 5;
const ROUND: u32 = 1 << 6;

/// What a caller that wants to wait finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It waits; its waker is in the slot, `fresh` if it was not there before.
    Waits { late: bool, fresh: bool },
    /// The outcome is there, and the node is the caller's.
    Done,
}

/// What a replier finds that has written the outcome.
#[derive(Debug)]
pub(crate) enum Published {
    /// The node is the caller's from now on, who is to be woken.
    Wake(Waker),
    /// The node is the caller's from now on, who does not wait.
    Quiet,
    /// Nobody wants the outcome: it and the node are the replier's to drop.
    Gone,
}

/// What a caller finds that gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The replier frees the node.
    ToReplier,
    /// The outcome came first: it and the node are the caller's to drop.
    Outcome,
}

/// What the sweeper finds.
#[derive(Debug)]
pub(crate) enum Nudged {
    /// The caller waits; it is told by its waker.
    Wake(Waker),
    /// The caller is just replacing its waker: look again later.
    Busy,
    /// There is nobody to tell.
    Over,
}

pub(crate) struct Slot {
    state: AtomicU32,
    /// The two words of a waker.
    data: AtomicPtr<()>,
    vtable: AtomicPtr<()>,
}

impl Slot {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            data: AtomicPtr::new(null_mut()),
            vtable: AtomicPtr::new(null_mut()),
        }
    }

    // ---- the caller

    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Acquire) & DONE != 0
    }

    /// Waits with this waker.
    #[inline]
    pub(crate) fn wait(&self, waker: &Waker) -> Wait {
        let mut state = self.state.load(Acquire);
        loop {
            if state & DONE != 0 {
                return Wait::Done;
            }
            if state & WAITING != 0 {
                if self.holds(waker) {
                    return Wait::Waits {
                        late: state & LATE != 0,
                        fresh: false,
                    };
                }
                let free = state & !WAITING;
                match self.state.compare_exchange(state, free, AcqRel, Acquire) {
                    Ok(_) => state = free,
                    Err(seen) => {
                        state = seen;
                        if !fault::planted("a waker that was taken is dropped") {
                            continue;
                        }
                    }
                }
                // SAFETY: rule 1: this swap made the waker ours.
                drop(unsafe { self.take_waker() });
                continue;
            }
            let mine = std::mem::ManuallyDrop::new(waker.clone());
            self.data.store(mine.data().cast_mut(), Relaxed);
            let vtable = std::ptr::from_ref(mine.vtable()).cast_mut();
            self.vtable.store(vtable.cast(), Relaxed);
            let round = if fault::planted("rounds are not told apart") {
                0
            } else {
                ROUND
            };
            let next = state.wrapping_add(round) | WAITING;
            match self.state.compare_exchange(state, next, AcqRel, Acquire) {
                Ok(_) => {
                    return Wait::Waits {
                        late: state & LATE != 0,
                        fresh: true,
                    };
                }
                Err(seen) => {
                    drop(std::mem::ManuallyDrop::into_inner(mine));
                    state = seen;
                }
            }
        }
    }

    fn holds(&self, waker: &Waker) -> bool {
        // Only the caller writes these words, so it may compare them at any time.
        self.data.load(Relaxed).cast_const() == waker.data()
            && std::ptr::eq(
                self.vtable.load(Relaxed).cast_const().cast(),
                waker.vtable(),
            )
    }

    /// The caller gives up. It must not touch the node again unless it is told to.
    pub(crate) fn leave(&self) -> Left {
        self.leave_with(GONE)
    }

    /// As [`leave`](Self::leave), and the message need not be handled.
    pub(crate) fn cancel(&self) -> Left {
        self.leave_with(GONE | CANCELLED)
    }

    fn leave_with(&self, gone: u32) -> Left {
        // Read now, for afterwards the node may be gone; only the caller writes them.
        let words = self.words();
        let old = self.state.swap(gone, AcqRel);
        if old & DONE != 0 {
            return Left::Outcome;
        }
        if old & WAITING != 0 {
            // SAFETY: rule 1: this swap cleared WAITING.
            drop(unsafe { waker(words) });
        }
        Left::ToReplier
    }

    // ---- the replier

    /// Whether nobody waits for the outcome any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.state.load(Relaxed) & GONE != 0
    }

    /// The callee does not answer when its handler is done: anybody may.
    pub(crate) fn defer(&self) {
        self.state.fetch_or(DEFERRED, AcqRel);
    }

    /// Whether anybody may answer.
    pub(crate) fn is_deferred(&self) -> bool {
        self.state.load(Acquire) & DEFERRED != 0
    }

    /// Whether the caller has taken the message back.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.load(Relaxed) & CANCELLED != 0
    }

    /// The outcome has been written. After `Wake` and `Quiet` the node must not be touched.
    #[inline]
    pub(crate) fn publish(&self) -> Published {
        let mut state = self.state.load(Acquire);
        loop {
            if state & GONE != 0 {
                return Published::Gone;
            }
            let words = self.words();
            match self.state.compare_exchange(state, DONE, AcqRel, Acquire) {
                // SAFETY: rule 1: this swap cleared WAITING in the round whose words were read.
                Ok(_) if state & WAITING != 0 => return Published::Wake(unsafe { waker(words) }),
                Ok(_) => return Published::Quiet,
                Err(seen) => state = seen,
            }
        }
    }

    // ---- the sweeper

    /// Takes the waker, so that the caller looks at the time. Rule 4.
    pub(crate) fn nudge(&self) -> Nudged {
        let state = self.state.load(Acquire);
        if state & (DONE | GONE | LATE) != 0 {
            return Nudged::Over;
        }
        if state & WAITING == 0 {
            return Nudged::Busy;
        }
        let words = self.words();
        let late = (state & !WAITING) | LATE;
        match self.state.compare_exchange(state, late, AcqRel, Acquire) {
            // SAFETY: rule 1: this swap cleared WAITING in the round whose words were read.
            Ok(_) => Nudged::Wake(unsafe { waker(words) }),
            Err(_) => Nudged::Busy,
        }
    }

    #[inline]
    fn words(&self) -> (*mut (), *mut ()) {
        (self.data.load(Relaxed), self.vtable.load(Relaxed))
    }

    unsafe fn take_waker(&self) -> Waker {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { waker(self.words()) }
    }
}

/// A waker from its words.
///
/// # Safety
/// The words were a waker's, and nobody else makes one of them: rule 1.
#[inline]
unsafe fn waker((data, vtable): (*mut (), *mut ())) -> Waker {
    // SAFETY: the table was a static one, and the rest is the caller's word.
    unsafe { Waker::new(data, &*vtable.cast_const().cast::<RawWakerVTable>()) }
}

#[cfg(all(test, loom))]
#[path = "slot_models.rs"]
mod models;
