//! The state word: mailbox head, run state and length of one cell in 64 bits.
//!
//! ```text
//! 63    62..48   47..4          3       2      1     0
//! DEAD  length   node pointer   NOREFS  WOKEN  SUSP  SCHED
//! ```
//!
//! Every change of a cell's run state is one atomic operation on this word, so there is no moment
//! in which a message is in the mailbox and nobody is responsible for it.
//!
//! # Invariants
//! 1. `SCHED` is set exactly while one party owns the cell: an entry in a run queue, a worker, or
//!    the suspension of its handler. Whoever moves it from clear to set must enqueue the cell.
//! 2. `SUSP` with `SCHED` is a suspended handler. Only [`wake`](StateWord::wake),
//!    [`poke`](StateWord::poke) and [`last_reference`](StateWord::last_reference) turn it into a
//!    queue entry. A wake during a poll is kept in `WOKEN` and consumed before the next poll.
//!    `SUSP` without `SCHED` is a handler that receives: a push makes it a queue entry too. Who
//!    makes a queue entry sets `SCHED` and clears `SUSP` in one step.
//! 3. `NOREFS` means that the count is zero *and* that the dropper will not touch the cell again.
//!    Who takes a reference from zero waits for that flag and clears it
//!    ([`consume_no_references`](StateWord::consume_no_references)).
//! 4. Whoever gives up `SCHED` never touches the cell afterwards.
//! 5. A message node belongs to the mailbox from a successful push until
//!    [`take`](StateWord::take), then to the worker.
//!
//! # The gate
//! Senders may wait for room outside of the word. While anybody does, the length is held at its
//! greatest value, beyond every bound, so that nobody overtakes them; taking the mail leaves it so.
//! It is shut only while the owner still has messages to take or to handle, and the owner looks for
//! it before it gives the cell up, lets in those who wait, and opens it.
//!
//! The Loom models at the end of this file drive these very functions; each step that carries an
//! invariant can be left out by name, and its model then fails.

use crate::sync::{AtomicU64, fault, spin_loop};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

const SCHED: u64 = 1;
const SUSP: u64 = 1 << 1;
const WOKEN: u64 = 1 << 2;
const NOREFS: u64 = 1 << 3;
const LOW_FLAGS: u64 = 0xf;
const POINTER: u64 = 0x0000_ffff_ffff_fff0;
const LENGTH_SHIFT: u32 = 48;
const LENGTH: u64 = 0x7fff << LENGTH_SHIFT;
const DEAD: u64 = 1 << 63;

/// The longest mailbox that the word can count. One more is the *gate*: see
/// [`gate`](StateWord::gate).
pub(crate) const LENGTH_MAX: u32 = 0x7ffe;

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Queued; the caller must enqueue the cell.
    Schedule,
    /// Queued; somebody already owns the cell.
    Queued,
    /// Refused: the bound is reached.
    Full,
    /// Refused: the actor is gone.
    Dead,
}

/// What became of an attempt to shut the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It is shut: the owner looks after those who wait before it gives the cell up.
    Shut,
    /// There is room meanwhile.
    Room,
    /// The actor is gone.
    Dead,
}

/// What became of an attempt to give the cell up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    /// Given up; the cell must not be touched any more.
    Idle,
    /// Something came in between: mail, a signal, or the last reference went.
    Again,
}

/// What the dropper of the last reference must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastReference {
    /// The actor is over and nobody owns the cell: free it.
    Free,
    /// Enqueue the cell, a worker ends it.
    Schedule,
    /// The owner sees the flag.
    Owned,
}

pub(crate) struct StateWord(AtomicU64);

impl StateWord {
    #[cfg(all(test, not(shuttle)))]
    pub(crate) fn idle() -> Self {
        Self(AtomicU64::new(0))
    }

    /// A cell born owned by whoever creates it.
    pub(crate) fn owned() -> Self {
        Self(AtomicU64::new(SCHED))
    }

    /// Pushes a node. `link` stores the former head in the node before it becomes visible.
    ///
    /// `limit` is the number of waiting messages at which the push is refused; `None` exempts the
    /// node from the bound and from the count.
    #[inline]
    pub(crate) fn push(&self, node: u64, limit: Option<u32>, mut link: impl FnMut(u64)) -> Pushed {
        debug_assert_eq!(node & !POINTER, 0, "a node is 16-aligned and below 2^48");
        let mut current = self.0.load(Relaxed);
        loop {
            if current & DEAD != 0 {
                return Pushed::Dead;
            }
            let mut length = current & LENGTH;
            if let Some(limit) = limit {
                let waiting = (length >> LENGTH_SHIFT) as u32;
                if waiting >= limit {
                    return Pushed::Full;
                }
                if waiting < LENGTH_MAX {
                    length += 1 << LENGTH_SHIFT;
                }
            }
            link(current & POINTER);
            // A handler that receives gives up its suspension: SUSP stays only beside SCHED.
            let kept = !SUSP | (current & SCHED) << 1;
            let next = node | length | (current & LOW_FLAGS & kept) | SCHED;
            match self.0.compare_exchange_weak(current, next, AcqRel, Relaxed) {
                Ok(_) if current & SCHED == 0 => return Pushed::Schedule,
                Ok(_) => return Pushed::Queued,
                Err(seen) => current = seen,
            }
        }
    }

    /// Takes everything waiting, newest first. Owner only. Zero when there is nothing.
    #[inline]
    pub(crate) fn take(&self) -> u64 {
        let mut current = self.0.load(Relaxed);
        loop {
            if current & POINTER == 0 {
                return 0;
            }
            let mut next = current & (LOW_FLAGS | DEAD);
            if current & LENGTH == LENGTH && !fault::planted("taking the mail opens the gate") {
                next |= LENGTH;
            }
            match self.0.compare_exchange_weak(current, next, AcqRel, Relaxed) {
                Ok(_) => return current & POINTER,
                Err(seen) => current = seen,
            }
        }
    }

    /// As [`take`](Self::take), but what is taken stays counted against the bound until the next
    /// take or release.
    pub(crate) fn take_counted(&self) -> u64 {
        self.0.fetch_and(!POINTER, AcqRel) & POINTER
    }

    /// Shuts the gate if `limit` messages wait or it is shut already.
    pub(crate) fn gate(&self, limit: u32) -> Gate {
        let mut current = self.0.load(Relaxed);
        loop {
            if current & DEAD != 0 {
                return Gate::Dead;
            }
            let waiting = ((current & LENGTH) >> LENGTH_SHIFT) as u32;
            if waiting < limit && !fault::planted("the gate is shut without mail") {
                return Gate::Room;
            }
            let next = current | LENGTH;
            match self.0.compare_exchange_weak(current, next, AcqRel, Relaxed) {
                Ok(_) => return Gate::Shut,
                Err(seen) => current = seen,
            }
        }
    }

    /// Whether somebody may wait for room.
    #[inline]
    pub(crate) fn is_gated(&self) -> bool {
        self.0.load(Relaxed) & LENGTH == LENGTH
    }

    /// Opens the gate; `length` messages have been let in. Owner only.
    pub(crate) fn open(&self, length: u32) {
        let mut current = self.0.load(Relaxed);
        while current & DEAD == 0 {
            let next = (current & !LENGTH) | u64::from(length) << LENGTH_SHIFT;
            match self.0.compare_exchange_weak(current, next, AcqRel, Relaxed) {
                Ok(_) => return,
                Err(seen) => current = seen,
            }
        }
    }

    /// The newest node that waits.
    pub(crate) fn newest(&self) -> u64 {
        self.0.load(Acquire) & POINTER
    }

    /// Gives the cell up if nothing waits. Owner only.
    #[inline]
    pub(crate) fn release(&self) -> Released {
        let current = self.0.load(Relaxed);
        let gated = current & LENGTH == LENGTH && !fault::planted("release ignores the gate");
        if current & (POINTER | NOREFS) != 0 || gated {
            return Released::Again;
        }
        if current & WOKEN != 0 && !fault::planted("release ignores a signal") {
            self.0.fetch_and(!WOKEN, AcqRel);
            return Released::Again;
        }
        match self.0.compare_exchange(current, 0, AcqRel, Relaxed) {
            Ok(_) => Released::Idle,
            Err(_) => Released::Again,
        }
    }

    /// Forgets earlier wakes, just before a poll. True when there was one. Owner only.
    #[inline]
    pub(crate) fn begin_poll(&self) -> bool {
        self.0.fetch_and(!(WOKEN | SUSP), AcqRel) & WOKEN != 0
    }

    /// Suspends the cell after a poll that is pending. Owner only. `Again` when it was woken
    /// meanwhile or when nobody is left who could wake it: then it must be enqueued.
    #[inline]
    pub(crate) fn suspend(&self) -> Released {
        let mut current = self.0.load(Acquire);
        loop {
            if current & (WOKEN | NOREFS) != 0 {
                return Released::Again;
            }
            match self
                .0
                .compare_exchange_weak(current, current | SUSP, AcqRel, Acquire)
            {
                Ok(_) => return Released::Idle,
                Err(seen) => current = seen,
            }
        }
    }

    /// As [`suspend`](Self::suspend), for a handler that mail wakes too. `Again` also when mail has
    /// come in meanwhile.
    pub(crate) fn suspend_receiving(&self) -> Released {
        let mut current = self.0.load(Acquire);
        loop {
            let mail = if fault::planted("mail before a receive is overlooked") {
                0
            } else {
                POINTER
            };
            let gated = current & LENGTH == LENGTH;
            if current & (WOKEN | NOREFS | mail) != 0 || gated {
                return Released::Again;
            }
            // Without mail nothing is counted any more.
            let next = (current & !(SCHED | LENGTH)) | SUSP;
            match self.0.compare_exchange_weak(current, next, AcqRel, Acquire) {
                Ok(_) => return Released::Idle,
                Err(seen) => current = seen,
            }
        }
    }

    /// A waker fired. True when the caller must enqueue the cell.
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        let mut current = self.0.load(Acquire);
        loop {
            if current & (DEAD | WOKEN) != 0 || current & (SCHED | SUSP) == 0 {
                return false;
            }
            if current & SUSP == 0 && fault::planted("wake before suspension is lost") {
                return false;
            }
            let next = (current & !SUSP) | WOKEN | SCHED;
            match self.0.compare_exchange_weak(current, next, AcqRel, Acquire) {
                Ok(_) => return current & SUSP != 0,
                Err(seen) => current = seen,
            }
        }
    }

    /// Whether the owner has been told to look: by a waker, or by a signal.
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Acquire) & (WOKEN | DEAD) != 0
    }

    /// A signal was set: makes sure that a worker looks at it. True when the caller must enqueue
    /// the cell.
    pub(crate) fn poke(&self) -> bool {
        let mut current = self.0.load(Acquire);
        loop {
            if current & DEAD != 0 {
                return false;
            }
            let next = (current & !SUSP) | WOKEN | SCHED;
            match self.0.compare_exchange_weak(current, next, AcqRel, Acquire) {
                Ok(_) => return current & SCHED == 0 || current & SUSP != 0,
                Err(seen) => current = seen,
            }
        }
    }

    /// The count went to zero; called once by the dropper that saw it.
    pub(crate) fn last_reference(&self) -> LastReference {
        let old = self.0.fetch_or(NOREFS | SCHED, AcqRel);
        if old & DEAD != 0 {
            LastReference::Free
        } else if old & SUSP != 0 && !fault::planted("last reference leaves a suspended cell") {
            // Nobody can wake it any more: it becomes a queue entry so that a worker ends it.
            self.0.fetch_and(!SUSP, AcqRel);
            LastReference::Schedule
        } else if old & SCHED == 0 {
            LastReference::Schedule
        } else {
            LastReference::Owned
        }
    }

    /// A reference was taken from zero by the owner: waits until the dropper has let go.
    #[cold]
    pub(crate) fn consume_no_references(&self) {
        if fault::planted("resurrection does not wait") {
            return;
        }
        while self.0.load(Acquire) & NOREFS == 0 {
            spin_loop();
            #[cfg(loom)]
            loom::thread::yield_now();
        }
        self.0.fetch_and(!NOREFS, AcqRel);
    }

    /// No reference is left. Owner only.
    #[inline]
    pub(crate) fn no_references(&self) -> bool {
        self.0.load(Acquire) & NOREFS != 0
    }

    /// No reference is left and nothing waits: nothing will come any more. Both in one look, for
    /// who drops the last reference may have sent something just before. Owner only.
    #[inline]
    pub(crate) fn is_forsaken(&self) -> bool {
        let word = self.0.load(Acquire);
        let waits = word & POINTER != 0 && !fault::planted("the last mail is overlooked");
        word & NOREFS != 0 && !waits
    }

    /// Closes the mailbox for good and returns what was waiting, newest first, and whether somebody
    /// may wait for room. Owner only.
    pub(crate) fn close(&self) -> (u64, bool) {
        let mut current = self.0.load(Relaxed);
        loop {
            let next = DEAD | SCHED | (current & NOREFS);
            match self.0.compare_exchange_weak(current, next, AcqRel, Relaxed) {
                Ok(_) => return (current & POINTER, current & LENGTH == LENGTH),
                Err(seen) => current = seen,
            }
        }
    }

    /// Closes the mailbox while somebody else may own the cell. Returns what was waiting, newest
    /// first, and whether somebody may wait for room, or `None` if it was closed before. The caller
    /// has set a signal that ends the actor, and [poked](Self::poke): so the owner looks at the
    /// signal before it gives the cell up, and never gives up a word that is dead.
    pub(crate) fn declare_dead(&self) -> Option<(u64, bool)> {
        let mut current = self.0.load(Relaxed);
        loop {
            if current & DEAD != 0 {
                return None;
            }
            let next = DEAD | (current & LOW_FLAGS);
            match self.0.compare_exchange_weak(current, next, AcqRel, Relaxed) {
                Ok(_) => return Some((current & POINTER, current & LENGTH == LENGTH)),
                Err(seen) => current = seen,
            }
        }
    }

    /// For a look from outside: whether somebody owns the cell, and whether that is its suspension.
    pub(crate) fn activity(&self) -> (bool, bool) {
        let word = self.0.load(Relaxed);
        (word & SCHED != 0, word & SUSP != 0)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.load(Acquire) & DEAD != 0
    }

    /// Something waits in the word.
    pub(crate) fn has_mail(&self) -> bool {
        self.0.load(Acquire) & POINTER != 0
    }

    /// Whether somebody owns the cell: a queue, a worker, or its own suspended handler.
    pub(crate) fn is_owned(&self) -> bool {
        self.0.load(Relaxed) & SCHED != 0
    }

    /// Messages that wait in the word, the batch a worker has already taken not included. The gate
    /// hides them when it is shut.
    pub(crate) fn length(&self) -> u32 {
        ((self.0.load(Relaxed) & LENGTH) >> LENGTH_SHIFT) as u32
    }
}

/// The number of references to a cell.
pub(crate) struct References(crate::sync::AtomicU32);

impl References {
    pub(crate) fn one() -> Self {
        Self(crate::sync::AtomicU32::new(1))
    }

    /// One more. True when there was none: the caller owns the cell and must call
    /// [`StateWord::consume_no_references`].
    #[inline]
    pub(crate) fn add(&self) -> bool {
        let old = self.0.fetch_add(1, Relaxed);
        if old > u32::MAX / 2 {
            // Two thousand million references are leaked ones; going on would free a live cell.
            std::process::abort();
        }
        old == 0
    }

    /// One more unless there is none, for who is neither owner nor holder of a reference.
    pub(crate) fn add_unless_zero(&self) -> bool {
        let mut current = self.0.load(Relaxed);
        while current != 0 {
            match self
                .0
                .compare_exchange_weak(current, current + 1, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(seen) => current = seen,
            }
        }
        false
    }

    /// One less. True when it was the last.
    #[inline]
    pub(crate) fn remove(&self) -> bool {
        // AcqRel rather than Release and a fence: the last dropper must see what all others wrote.
        self.0.fetch_sub(1, AcqRel) == 1
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_messages_and_spares_the_exempt() {
        let word = StateWord::idle();
        assert_eq!(word.push(0x10, Some(2), |_| ()), Pushed::Schedule);
        assert_eq!(word.push(0x20, None, |_| ()), Pushed::Queued);
        assert_eq!(word.push(0x30, Some(2), |_| ()), Pushed::Queued);
        assert_eq!(word.push(0x40, Some(2), |_| ()), Pushed::Full);
        assert_eq!(word.push(0x50, None, |_| ()), Pushed::Queued);
        assert_eq!(word.length(), 2);
        assert_eq!(word.take(), 0x50);
        assert_eq!(word.length(), 0);
        assert_eq!(word.release(), Released::Idle);
    }

    #[test]
    fn a_gate_keeps_everybody_out_until_the_owner_opens_it() {
        let word = StateWord::idle();
        assert_eq!(word.gate(1), Gate::Room);
        assert_eq!(word.push(0x10, Some(1), |_| ()), Pushed::Schedule);
        assert_eq!(word.gate(1), Gate::Shut);
        assert_eq!(word.take(), 0x10);
        assert!(word.is_gated());
        assert_eq!(word.push(0x20, Some(LENGTH_MAX), |_| ()), Pushed::Full);
        assert_eq!(word.gate(9), Gate::Shut);
        assert_eq!(word.release(), Released::Again);
        assert_eq!(word.push(0x20, None, |_| ()), Pushed::Queued);
        word.open(1);
        assert_eq!(word.length(), 1);
        assert_eq!(word.push(0x30, Some(1), |_| ()), Pushed::Full);
        assert_eq!(word.take(), 0x20);
        assert_eq!(word.release(), Released::Idle);
    }

    #[test]
    fn a_closed_word_refuses_everything() {
        let word = StateWord::owned();
        assert_eq!(word.push(0x10, None, |_| ()), Pushed::Queued);
        assert_eq!(word.close(), (0x10, false));
        assert!(word.is_dead());
        assert_eq!(word.push(0x10, None, |_| ()), Pushed::Dead);
        assert!(!word.wake() && !word.poke());
        assert_eq!(word.last_reference(), LastReference::Free);
    }

    #[test]
    fn a_word_that_is_declared_dead_is_not_given_up_by_its_owner() {
        let word = StateWord::owned();
        assert_eq!(word.push(0x10, None, |_| ()), Pushed::Queued);
        assert!(!word.poke());
        assert_eq!(word.declare_dead(), Some((0x10, false)));
        assert_eq!(word.declare_dead(), None);
        assert_eq!(word.push(0x20, None, |_| ()), Pushed::Dead);
        assert_eq!(word.take(), 0);
        assert_eq!(word.suspend(), Released::Again);
        assert_eq!(word.release(), Released::Again, "the signal comes first");
        assert_eq!(word.close(), (0, false));
    }

    #[test]
    fn a_signal_on_an_idle_cell_schedules_it_once() {
        let word = StateWord::idle();
        assert!(word.poke());
        assert!(!word.poke());
        assert_eq!(
            word.release(),
            Released::Again,
            "the signal must be looked at first"
        );
        assert_eq!(word.release(), Released::Idle);
        assert!(!word.wake(), "a stale waker does not schedule an idle cell");
    }
}

#[cfg(all(test, loom))]
#[path = "word_models.rs"]
mod models;

#[cfg(all(test, loom))]
#[path = "gate_models.rs"]
mod gate_models;
