//! What only some actors need: a suspended handler, monitors and links, supervision.

use super::future::Block;
use super::relations::Relations;
use super::supervision::{ChildOperations, Supervision};
use crate::ExitReason;
use std::ptr::{NonNull, null_mut};

/// Made at first need, owned by the cell's owner (S2). A child has it from the beginning, as the
/// first part of its [supervision](super::supervision) (S6).
#[repr(C)]
pub(crate) struct Side {
    /// The suspended handler, if any.
    pub(crate) future: *mut Block,
    /// Why the actor stops, when it is not `Normal`. Boxed: few actors ever need it.
    pub(crate) exit: Option<Box<ExitReason>>,
    pub(crate) relations: Option<Box<Relations>>,
    /// What can be done with the supervision that this is a part of.
    pub(super) child: Option<&'static ChildOperations>,
}

impl Side {
    pub(super) fn new(child: Option<&'static ChildOperations>) -> Self {
        Self {
            future: null_mut(),
            exit: None,
            relations: None,
            child,
        }
    }
}

/// Gives a side structure back.
///
/// # Safety
/// The side structure is a cell's, which is freed with it.
pub(super) unsafe fn free(side: NonNull<Side>) {
    // SAFETY: by the caller's word it lives.
    match unsafe { side.as_ref() }.child {
        // SAFETY: S6: it is the beginning of a supervision with these operations.
        Some(operations) => unsafe { (operations.free)(side.cast::<Supervision>()) },
        // SAFETY: made by `side_or_new` from a box.
        None => drop(unsafe { Box::from_raw(side.as_ptr()) }),
    }
}

impl Side {
    pub(crate) fn relations(&mut self) -> &mut Relations {
        self.relations.get_or_insert_default()
    }
}
