//! Pids: names for incarnations.
//!
//! A pid is what links, monitors, logs and other nodes may hold: it keeps nothing alive, and once
//! its incarnation is over it never means anybody else, because each use of a slot has a generation
//! of its own.

mod look;
mod stripe;

use crate::cell::{Counted, Header, VACANT};
use crate::sync::{Mutex, MutexGuard};
use std::fmt;
use std::ptr::NonNull;
use std::sync::PoisonError;
use std::sync::atomic::{
    Ordering::{Relaxed, SeqCst},
    fence,
};
use stripe::Stripe;

/// One incarnation of one actor: node, slot, generation.
///
/// Written `<node.slot.generation>`. A restarted child has a new one at the same address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    node: u32,
    slot: u32,
    generation: u32,
}

impl Pid {
    /// The pid of nobody: what an actor that has already ended is given.
    pub const NONE: Self = Self {
        node: 0,
        slot: 0,
        generation: 0,
    };

    /// The node it lives on; zero is this one.
    pub const fn node(self) -> u32 {
        self.node
    }

    /// Slot and generation of a pid of this node.
    pub(crate) const fn parts(self) -> (u32, u32) {
        (self.slot, self.generation)
    }

    /// The pid of this node with these [`parts`](Self::parts).
    pub(crate) const fn of_parts((slot, generation): (u32, u32)) -> Self {
        Self {
            node: 0,
            slot,
            generation,
        }
    }

    /// Whether this is [`Pid::NONE`].
    pub const fn is_none(self) -> bool {
        self.slot == 0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}.{}.{}>", self.node, self.slot, self.generation)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A power of two.
const STRIPES: usize = 16;

/// The table of pids of one system, in stripes so that spawning scales.
pub(crate) struct Pids {
    stripes: [Mutex<Stripe>; STRIPES],
    /// Which bits of a cell's address choose its stripe.
    spread: usize,
}

impl Pids {
    pub(crate) fn new() -> Self {
        Self {
            stripes: std::array::from_fn(|_| Mutex::default()),
            spread: STRIPES - 1,
        }
    }

    /// A table in which pids do not depend on addresses: the same run gives the same pids.
    pub(crate) fn in_order() -> Self {
        Self {
            spread: 0,
            ..Self::new()
        }
    }

    fn stripe(&self, index: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[index % STRIPES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The stripe that a cell without a slot would get one from. Fixed by its address, so that two
    /// threads that ask for the pid of one actor meet at one lock.
    fn home(&self, cell: NonNull<Header>) -> usize {
        ((cell.as_ptr().addr() >> 6) ^ (cell.as_ptr().addr() >> 12)) & self.spread
    }

    /// The pid of this incarnation, given at first need. [`Pid::NONE`] when the incarnation is
    /// over.
    pub(crate) fn ensure(&self, cell: NonNull<Header>) -> Pid {
        // SAFETY: the caller holds a reference or owns the cell (S1).
        let header = unsafe { cell.as_ref() };
        let home = self.home(cell);
        let mut stripe = self.stripe(home);
        let known = header.slot.load(Relaxed);
        if known != 0 {
            return Self::read(&stripe, known);
        }
        let is_over = || header.word.is_dead() || header.signals.load(Relaxed) & VACANT != 0;
        if is_over() {
            return Pid::NONE;
        }
        let (index, generation) = stripe.insert(cell);
        // Slot zero is nobody's.
        let slot = index * STRIPES as u32 + home as u32 + 1;
        header.slot.store(slot, Relaxed);
        // Pairs with the end of an incarnation, which closes the word or marks the cell as vacant,
        // fences, and then looks for a slot: either it finds the slot, or the end is seen here.
        fence(SeqCst);
        if is_over() && header.slot.swap(0, Relaxed) != 0 {
            stripe.release(index);
            return Pid::NONE;
        }
        Pid {
            node: 0,
            slot,
            generation,
        }
    }

    fn read(stripe: &Stripe, slot: u32) -> Pid {
        let entry = stripe.entry((slot - 1) / STRIPES as u32);
        entry.map_or(Pid::NONE, |(_, generation)| Pid {
            node: 0,
            slot,
            generation,
        })
    }

    /// The pid of this incarnation if it has one.
    pub(crate) fn of(&self, cell: NonNull<Header>) -> Option<Pid> {
        // SAFETY: S1, as in `ensure`.
        let header = unsafe { cell.as_ref() };
        if header.slot.load(Relaxed) == 0 {
            return None;
        }
        let stripe = self.stripe(self.home(cell));
        let slot = header.slot.load(Relaxed);
        (slot != 0).then(|| Self::read(&stripe, slot))
    }

    /// The incarnation is over: its pid means nobody from now on. Owner only; who has closed the
    /// word has fenced since. An actor that never had a pid does not come to the lock.
    pub(crate) fn retire(&self, cell: NonNull<Header>) -> Option<Pid> {
        // SAFETY: S2, we own the cell.
        let header = unsafe { cell.as_ref() };
        if header.slot.load(SeqCst) == 0 {
            return None;
        }
        let mut stripe = self.stripe(self.home(cell));
        let slot = header.slot.swap(0, Relaxed);
        if slot == 0 {
            return None;
        }
        let pid = Self::read(&stripe, slot);
        stripe.release((slot - 1) / STRIPES as u32);
        Some(pid)
    }

    /// Who that is, if it lives and anybody holds a reference.
    pub(crate) fn find(&self, pid: Pid) -> Option<Counted> {
        if pid.is_none() || pid.node != 0 {
            return None;
        }
        let stripe = self.stripe(pid.slot as usize - 1);
        let (cell, generation) = stripe.entry((pid.slot - 1) / STRIPES as u32)?;
        if generation != pid.generation {
            return None;
        }
        // SAFETY: an entry is released under this lock before its cell can be freed.
        let counted = unsafe { cell.as_ref() }.references.add_unless_zero();
        // SAFETY: S1, the reference has just been counted.
        counted.then(|| unsafe { Counted::adopt(cell) })
    }

    pub(crate) fn count(&self) -> usize {
        (0..STRIPES).map(|index| self.stripe(index).used()).sum()
    }
}
