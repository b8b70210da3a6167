//! What makes a cell a child: whom to ask, and how to start it again.
//!
//! One block holds everything: the side structure in front (S6 of [`cell`](super)), then the
//! parent, the tag, how the newest start went, and what makes the arguments of an incarnation.
//! With arguments of eight bytes it is 64 bytes, which is what a supervised actor costs beyond its
//! cell, its pid and its supervisor's entry.

use super::Header;
use super::end::begin_init;
use super::future::Ran;
use super::side::Side;
use crate::child::StartSlot;
use crate::worker::Worker;
use crate::{Actor, Pid};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

#[repr(C)]
pub(crate) struct Supervision {
    side: Side,
    /// Slot and generation; [`OVER`] once the actor is over and the arguments are gone. The
    /// owner's.
    parent: (u32, u32),
    tag: u64,
    started: StartSlot,
}

/// Nobody's parts.
const OVER: (u32, u32) = (0, u32::MAX);

#[repr(C)]
struct ChildBlock<F> {
    supervision: Supervision,
    args: ManuallyDrop<F>,
}

/// What can be done with a supervision, by the type of the actor and of its arguments.
pub(crate) struct ChildOperations {
    start: unsafe fn(NonNull<Header>, NonNull<Supervision>, &Worker) -> Ran,
    drop_args: unsafe fn(NonNull<Supervision>),
    pub(super) free: unsafe fn(NonNull<Supervision>),
}

struct Typed<A, F>(PhantomData<(A, F)>);

impl<A: Actor, F: Fn() -> A::Args> Typed<A, F> {
    const OPERATIONS: &'static ChildOperations = &ChildOperations {
        start: start::<A, F>,
        drop_args: drop_args::<F>,
        free: free::<F>,
    };
}

/// Makes a fresh cell a child.
///
/// # Safety
/// The cell is one of `A`'s, owned by the caller, and nobody else knows it.
pub(crate) unsafe fn supervise<A, F>(cell: NonNull<Header>, args: F, parent: Pid, tag: u64)
where
    A: Actor,
    F: Fn() -> A::Args + Send,
{
    let block = Box::new(ChildBlock {
        supervision: Supervision {
            side: Side::new(Some(Typed::<A, F>::OPERATIONS)),
            parent: parent.parts(),
            tag,
            started: StartSlot::new(),
        },
        args: ManuallyDrop::new(args),
    });
    // SAFETY: S2, the caller owns the cell.
    let header = unsafe { cell.as_ref() };
    header.side.set(Box::into_raw(block).cast());
}

unsafe fn start<A: Actor, F: Fn() -> A::Args>(
    cell: NonNull<Header>,
    child: NonNull<Supervision>,
    worker: &Worker,
) -> Ran {
    let block = child.cast::<ChildBlock<F>>().as_ptr();
    // SAFETY: S6; the arguments are the owner's and there until the actor is over.
    unsafe { begin_init::<A>(cell, worker, ((*block).args)()) }
}

unsafe fn drop_args<F>(child: NonNull<Supervision>) {
    let block = child.cast::<ChildBlock<F>>().as_ptr();
    // SAFETY: S6; called once, by `close`.
    unsafe { ManuallyDrop::drop(&mut (*block).args) };
}

unsafe fn free<F>(child: NonNull<Supervision>) {
    // SAFETY: made from a box of this type in `supervise`; the arguments are gone.
    drop(unsafe { Box::from_raw(child.cast::<ChildBlock<F>>().as_ptr()) });
}

/// The supervision of a cell.
#[derive(Clone, Copy)]
pub(crate) struct OfCell<'a>(NonNull<Supervision>, PhantomData<&'a Header>);

impl<'a> OfCell<'a> {
    /// Of a cell that is known to be a child.
    ///
    /// # Safety
    /// The cell was made a child by [`supervise`]. The caller holds a reference.
    pub(crate) unsafe fn child(header: &'a Header) -> Self {
        // SAFETY: S6: set before the cell was shared, never replaced.
        let side = unsafe { NonNull::new_unchecked(header.side.get()) };
        Self(side.cast(), PhantomData)
    }

    /// Of a cell that may be a child. Owner only.
    pub(crate) fn of(header: &'a Header) -> Option<Self> {
        let side = NonNull::new(header.side.get())?;
        // SAFETY: S2, the owner may look at the side structure.
        unsafe { side.as_ref() }.child?;
        Some(Self(side.cast(), PhantomData))
    }

    fn operations(self) -> &'static ChildOperations {
        // SAFETY: S6: a supervision has operations.
        unsafe { (*self.0.as_ptr()).side.child.unwrap_unchecked() }
    }

    /// How the newest start went. Anybody with a reference.
    pub(crate) fn started(self) -> &'a StartSlot {
        // SAFETY: S6: it lives as long as the cell and is synchronised by itself.
        unsafe { &(*self.0.as_ptr()).started }
    }

    /// What the parent called the child. Anybody with a reference.
    pub(crate) fn tag(self) -> u64 {
        // SAFETY: S6: never written after the cell is shared.
        unsafe { (*self.0.as_ptr()).tag }
    }

    /// The parent. Owner only.
    pub(crate) fn parent(self) -> Pid {
        // SAFETY: S2.
        Pid::of_parts(unsafe { (*self.0.as_ptr()).parent })
    }

    /// Begins a new incarnation.
    ///
    /// # Safety
    /// Owner only; this is the supervision of the cell, which has no state and is not over.
    pub(crate) unsafe fn start(self, cell: NonNull<Header>, worker: &Worker) -> Ran {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { (self.operations().start)(cell, self.0, worker) }
    }

    /// The actor is over: drops what made its arguments. Owner only.
    pub(crate) fn close(self) {
        // SAFETY: S2; the arguments are dropped once, when the parent becomes nobody.
        unsafe {
            if (*self.0.as_ptr()).parent != OVER {
                (*self.0.as_ptr()).parent = OVER;
                (self.operations().drop_args)(self.0);
            }
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_child_costs_64_bytes_beyond_its_cell() {
        assert_eq!(size_of::<ChildBlock<u64>>(), 64);
    }
}
