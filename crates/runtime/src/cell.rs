//! The cell: one heap allocation that is an actor.
//!
//! A header of 48 bytes and the user's state. The header holds the state word (mailbox head, run
//! state, length: see [`word`]), the number of references, the slot of its pid, signals, the type
//! table, the list of messages a worker has taken but not handled, and a side structure that exists
//! only for those who need it (a suspended handler, monitors, supervision).
//!
//! # Safety
//! All `unsafe` in this folder rests on these sentences.
//! - **S1.** A `NonNull<Header>` is live while its holder has a counted reference or owns `SCHED`.
//! - **S2.** `phase`, `flags`, `local`, `side` and the state are touched by the owner of `SCHED`
//!   alone; ownership moves through the state word and the run queues, which order memory.
//! - **S3.** The state is initialised exactly in the phases `Running` and `Stopping`.
//! - **S4.** A node taken from the word belongs to who took it: the owner, or who declares the
//!   actor dead. It is consumed by exactly one of its operations `run` and `drop`.
//! - **S5.** A future block never moves from its first poll to its drop, and is polled and dropped
//!   by the owner alone. It borrows the state and its own context, both of which outlive it: it is
//!   dropped before the state is.
//! - **S6.** The side structure of a child is the beginning of its supervision block, made before
//!   the cell is shared, never replaced, and freed with the cell. Of that block, `tag` and
//!   `started` may be read by whoever holds a reference; the rest is the owner's (S2).

pub(crate) mod end;
pub(crate) mod future;
pub(crate) mod node;
pub(crate) mod out_of_turn;
pub(crate) mod relations;
pub(crate) mod side;
pub(crate) mod signal;
pub(crate) mod supervision;
pub(crate) mod turn;
pub(crate) mod word;

use crate::inspect::Children;
use crate::sync::AtomicU16;
use crate::types::{Count, TypeTable};
use crate::worker::{self, Worker};
use crate::{Actor, ExitReason};
use node::Node;
use side::Side;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering::AcqRel};
use std::task::{RawWaker, RawWakerVTable};
use word::{LastReference, Pushed, References, StateWord};

/// Asked to stop: after the current message.
pub(crate) const SHUTDOWN: u16 = 1;
/// Killed: at once, also a suspended handler.
pub(crate) const KILL: u16 = 1 << 1;
/// A vacant cell gets a new incarnation.
pub(crate) const RESTART: u16 = 1 << 2;
/// A vacant cell ends; a live one stops and then ends.
pub(crate) const CLOSE: u16 = 1 << 3;
/// The registry knows this cell. Not a request: it stays set.
pub(crate) const NAMED: u16 = 1 << 4;
/// There is a signal in the mail that does not wait for its turn; see [`signal`].
pub(crate) const LOOK: u16 = 1 << 5;
/// Declared dead from outside; the reference that was leaked for it goes with the bit.
pub(crate) const ABANDONED: u16 = 1 << 6;
/// The mail of a vacant cell fails.
pub(crate) const FAIL_MAIL: u16 = 1 << 7;
/// This incarnation traps exits. Not a request: it stays set.
pub(crate) const TRAPS: u16 = 1 << 8;
/// The incarnation is over and no other has been asked for. Not a request: it stays set.
pub(crate) const VACANT: u16 = 1 << 9;
/// Suspended from outside: begins no message. Not a request: it stays set.
pub(crate) const PAUSED: u16 = 1 << 10;
/// The messages of this incarnation are traced. Not a request: it stays set.
pub(crate) const TRACED: u16 = 1 << 11;

/// Owner's flag: stop after the current message, `terminate` first.
pub(crate) const STOP: u8 = 1;
/// Owner's flag: end now, `terminate` has run or must not.
pub(crate) const FINISH: u8 = 1 << 1;
/// Owner's flag: mail has been put in front of the mail that waits.
pub(crate) const INSERTED: u8 = 1 << 2;

/// Where an incarnation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `init` has not finished; there is no state.
    Starting,
    Running,
    /// `terminate` runs.
    Stopping,
    /// The incarnation is over, there is no state, and the supervisor decides; mail waits.
    Vacant,
}

#[repr(C)]
pub(crate) struct Header {
    pub(crate) word: StateWord,
    pub(crate) references: References,
    /// The slot of the pid plus one; zero while there is none. Written under the table's lock.
    pub(crate) slot: AtomicU32,
    pub(crate) signals: AtomicU16,
    pub(crate) phase: Cell<Phase>,
    pub(crate) flags: Cell<u8>,
    /// Messages handled, all incarnations together. Written by the owner, once a turn.
    pub(crate) handled: AtomicU32,
    table: NonNull<TypeTable>,
    /// Messages taken from the word and not yet handled, in order.
    pub(crate) local: Cell<*mut Node>,
    pub(crate) side: Cell<*mut Side>,
}

#[repr(C)]
pub(crate) struct ActorCell<A> {
    pub(crate) header: Header,
    pub(crate) state: UnsafeCell<MaybeUninit<A>>,
}

impl Header {
    pub(crate) fn table(&self) -> &TypeTable {
        // SAFETY: tables live as long as the core, which outlives its cells.
        unsafe { self.table.as_ref() }
    }

    /// The side structure, made at first need. Owner only (S2).
    #[expect(
        clippy::mut_from_ref,
        reason = "S2: the owner is alone with the side structure"
    )]
    pub(crate) fn side_or_new(&self) -> &mut Side {
        if self.side.get().is_null() {
            self.side.set(Box::into_raw(Box::new(Side::new(None))));
        }
        // SAFETY: just made or made earlier by an owner; S2 makes us alone with it.
        unsafe { &mut *self.side.get() }
    }

    /// The side structure if there is one. Owner only (S2).
    #[expect(
        clippy::mut_from_ref,
        reason = "S2: the owner is alone with the side structure"
    )]
    pub(crate) fn side(&self) -> Option<&mut Side> {
        // SAFETY: null or made by an owner; S2 makes us alone with it.
        unsafe { self.side.get().as_mut() }
    }

    pub(crate) fn request_stop(&self, reason: ExitReason) {
        if self.flags.get() & (STOP | FINISH) != 0 {
            return;
        }
        self.flags.set(self.flags.get() | STOP);
        if reason != ExitReason::Normal {
            self.side_or_new().exit = Some(Box::new(reason));
        }
    }

    /// Ends this incarnation after the current message, without `terminate`. Owner only (S2).
    pub(crate) fn end_now(&self, reason: ExitReason) {
        self.flags.set(self.flags.get() | FINISH);
        self.side_or_new().exit = (reason != ExitReason::Normal).then(|| Box::new(reason));
    }
}

/// Makes a cell owned by the caller, with one reference.
pub(crate) fn allocate<A: Actor>(
    table: NonNull<TypeTable>,
    worker: Option<&Worker>,
    phase: Phase,
) -> NonNull<Header> {
    let layout = std::alloc::Layout::new::<ActorCell<A>>();
    // SAFETY: the layout has a size, the header's at least.
    let memory = unsafe { alloc(layout) }.cast::<ActorCell<A>>();
    let Some(cell) = NonNull::new(memory) else {
        handle_alloc_error(layout)
    };
    let header = Header {
        word: StateWord::owned(),
        references: References::one(),
        slot: AtomicU32::new(0),
        signals: AtomicU16::new(0),
        phase: Cell::new(phase),
        flags: Cell::new(0),
        handled: AtomicU32::new(0),
        table,
        local: Cell::new(null_mut()),
        side: Cell::new(null_mut()),
    };
    // SAFETY: fresh memory of the right layout; the state stays uninitialised (S3).
    unsafe { (&raw mut (*cell.as_ptr()).header).write(header) };
    // SAFETY: the table outlives its cells.
    unsafe { table.as_ref() }.count(worker, Count::Spawned, 1);
    cell.cast()
}

/// Drops the state in place.
///
/// # Safety
/// Owner only, the state is initialised (S3) and the cell is one of `A`'s.
pub(crate) unsafe fn drop_state<A>(cell: NonNull<Header>) {
    let cell = cell.cast::<ActorCell<A>>();
    // SAFETY: what this needs is what the caller has promised.
    unsafe { (*(*cell.as_ptr()).state.get()).assume_init_drop() };
}

/// Shows the state as text.
///
/// # Safety
/// As for [`drop_state`], and nobody has borrowed the state.
pub(crate) unsafe fn inspect_state<A: Actor>(cell: NonNull<Header>) -> Option<String> {
    let cell = cell.cast::<ActorCell<A>>();
    // SAFETY: what this needs is what the caller has promised.
    unsafe { (*(*cell.as_ptr()).state.get()).assume_init_ref() }.inspect()
}

/// Whom the state has as children.
///
/// # Safety
/// As for [`inspect_state`].
pub(crate) unsafe fn children_of_state<A: Actor>(cell: NonNull<Header>) -> Children {
    let cell = cell.cast::<ActorCell<A>>();
    // SAFETY: what this needs is what the caller has promised.
    unsafe { (*(*cell.as_ptr()).state.get()).assume_init_ref() }.children()
}

/// Gives the memory of a cell back.
///
/// # Safety
/// The actor is over, no reference is left, and the caller is the last to touch the cell.
pub(crate) unsafe fn free(cell: NonNull<Header>) {
    // SAFETY: by the caller's word the cell is live and ours alone.
    let header = unsafe { cell.as_ref() };
    let table = header.table;
    if let Some(side) = NonNull::new(header.side.get()) {
        // SAFETY: the cell's own, which is freed here.
        unsafe { side::free(side) };
    }
    // SAFETY: tables outlive cells.
    let table = unsafe { table.as_ref() };
    let layout = table.layout;
    worker::with_current(table.core, |worker| table.count(worker, Count::Freed, 1));
    // SAFETY: allocated with this layout in `allocate`.
    unsafe { dealloc(cell.as_ptr().cast(), layout) };
}

/// A counted reference to a cell of any type.
pub(crate) struct Counted(NonNull<Header>);

// SAFETY: what other threads may do with a counted reference (push, signal, count) is atomic; the
// rest is reserved to the owner (S2), and states and messages are `Send`.
unsafe impl Send for Counted {}
// SAFETY: S2, as above.
unsafe impl Sync for Counted {}

impl Counted {
    /// Takes over a reference that has already been counted.
    ///
    /// # Safety
    /// The count includes this reference.
    pub(crate) unsafe fn adopt(cell: NonNull<Header>) -> Self {
        Self(cell)
    }

    /// A new reference taken by the owner of the cell, also when there is none left.
    ///
    /// # Safety
    /// The caller owns `SCHED` or is inside a poll of it, or a reference is counted.
    pub(crate) unsafe fn of_owner(cell: NonNull<Header>) -> Self {
        // SAFETY: S1.
        let header = unsafe { cell.as_ref() };
        if header.references.add() {
            header.word.consume_no_references();
        }
        Self(cell)
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: S1, we hold a counted reference.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn cell(&self) -> NonNull<Header> {
        self.0
    }

    pub(crate) fn into_cell(self) -> NonNull<Header> {
        let cell = self.0;
        std::mem::forget(self);
        cell
    }

    /// Sets a signal and makes sure that a worker looks at it.
    pub(crate) fn signal(&self, signal: u16) {
        self.header().signals.fetch_or(signal, AcqRel);
        if self.header().word.poke() {
            worker::schedule(self.0);
        }
    }

    /// Pushes a node that is exempt from the bound. False: the actor is gone, the node stays ours.
    pub(crate) fn push_exempt(&self, node: NonNull<Node>) -> bool {
        // SAFETY: we hold a reference, and the node is ours.
        let pushed = unsafe { push(self.0, node, None) };
        pushed != Pushed::Dead
    }
}

impl Clone for Counted {
    #[inline]
    fn clone(&self) -> Self {
        // Ours is counted, so the count is not zero and nothing needs to be consumed.
        let _ = self.header().references.add();
        Self(self.0)
    }
}

impl Drop for Counted {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this reference is counted and given up here.
        unsafe { drop_reference(self.0) };
    }
}

#[inline]
unsafe fn drop_reference(cell: NonNull<Header>) {
    // SAFETY: S1, the caller's reference is still counted.
    if unsafe { cell.as_ref() }.references.remove() {
        // SAFETY: invariant 3 of the word: until NOREFS is set nobody frees the cell.
        unsafe { last_reference_gone(cell) };
    }
}

#[cold]
unsafe fn last_reference_gone(cell: NonNull<Header>) {
    // SAFETY: see `drop_reference`.
    match unsafe { cell.as_ref() }.word.last_reference() {
        // SAFETY: the actor is over and this was the last reference.
        LastReference::Free => unsafe { free(cell) },
        LastReference::Schedule => worker::schedule(cell),
        LastReference::Owned => {}
    }
}

/// Pushes a node and enqueues the cell if it was idle.
///
/// # Safety
/// The cell is live (S1); the node is the caller's, and stays so when refused.
#[inline]
pub(crate) unsafe fn push(
    cell: NonNull<Header>,
    node: NonNull<Node>,
    limit: Option<u32>,
) -> Pushed {
    let address = node.as_ptr().expose_provenance() as u64;
    // SAFETY: S1.
    let word = unsafe { &cell.as_ref().word };
    let pushed = word.push(address, limit, |head| {
        // SAFETY: the node is not visible to others before the push succeeds.
        unsafe { (*node.as_ptr()).next = std::ptr::with_exposed_provenance_mut(head as usize) };
    });
    if pushed == Pushed::Schedule {
        worker::schedule(cell);
    }
    pushed
}

/// The waker of an actor is a counted reference to its cell.
pub(crate) static WAKER: RawWakerVTable = RawWakerVTable::new(
    |cell| {
        // SAFETY: a waker's pointer is a live cell: borrowed during a poll, or counted.
        let counted = unsafe { Counted::of_owner(waker_cell(cell)) };
        RawWaker::new(counted.into_cell().as_ptr().cast_const().cast(), &WAKER)
    },
    |cell| {
        // SAFETY: an owned waker is a counted reference, given up here.
        let counted = unsafe { Counted::adopt(waker_cell(cell)) };
        wake(counted.cell());
    },
    |cell| {
        // SAFETY: as for `clone`.
        wake(unsafe { waker_cell(cell) });
    },
    |cell| {
        // SAFETY: an owned waker is a counted reference, given up here.
        drop(unsafe { Counted::adopt(waker_cell(cell)) });
    },
);

/// The waker of an actor that is being examined (see [`cycle`](crate::call::cycle)): clones are
/// counted on the worker that makes the examination.
pub(crate) static EXAMINING: RawWakerVTable = RawWakerVTable::new(
    |cell| {
        worker::with_exam(crate::call::cycle::Exam::cloned);
        // SAFETY: as for `WAKER`.
        let counted = unsafe { Counted::of_owner(waker_cell(cell)) };
        RawWaker::new(counted.into_cell().as_ptr().cast_const().cast(), &EXAMINING)
    },
    |cell| {
        // SAFETY: as for `WAKER`.
        let counted = unsafe { Counted::adopt(waker_cell(cell)) };
        wake(counted.cell());
    },
    |cell| {
        // SAFETY: as for `WAKER`.
        wake(unsafe { waker_cell(cell) });
    },
    |cell| {
        // SAFETY: as for `WAKER`.
        drop(unsafe { Counted::adopt(waker_cell(cell)) });
    },
);

unsafe fn waker_cell(pointer: *const ()) -> NonNull<Header> {
    // SAFETY: wakers are made from cells only, in this file and in `future`.
    unsafe { NonNull::new_unchecked(pointer.cast_mut().cast()) }
}

fn wake(cell: NonNull<Header>) {
    // SAFETY: S1, the waker's reference.
    if unsafe { cell.as_ref() }.word.wake() {
        worker::schedule(cell);
    }
}

#[cfg(all(test, not(any(loom, shuttle)), target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_48_bytes() {
        assert_eq!(size_of::<Header>(), 48);
        assert_eq!(size_of::<ActorCell<u64>>(), 56);
    }
}
