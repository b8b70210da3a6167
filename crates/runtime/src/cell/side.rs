//! What only some actors need: a suspended handler, monitors and links, supervision.

use super::future::{Block, Ran};
use super::relations::Relations;
use super::{Counted, Header};
use crate::child::{ChildExit, StartSlot};
use crate::worker::Worker;
use crate::{ExitReason, Pid};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

/// Made at first need, owned by the cell's owner (S2).
pub(crate) struct Side {
    /// The suspended handler, if any.
    pub(crate) future: *mut Block,
    /// Why the actor stops, when it is not `Normal`.
    pub(crate) exit: Option<ExitReason>,
    pub(crate) relations: Option<Box<Relations>>,
    pub(crate) supervision: Option<Box<Supervision>>,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            future: null_mut(),
            exit: None,
            relations: None,
            supervision: None,
        }
    }
}

impl Side {
    pub(crate) fn relations(&mut self) -> &mut Relations {
        self.relations.get_or_insert_default()
    }
}

/// What makes a cell a child: how to start it again, and whom to ask.
pub(crate) struct Supervision {
    pub(crate) parent: Pid,
    pub(crate) tell: fn(&Counted, ChildExit) -> bool,
    pub(crate) tag: u64,
    pub(crate) start: Box<dyn Start>,
    pub(crate) started: Arc<StartSlot>,
}

/// Begins a new incarnation.
pub(crate) trait Start: Send {
    /// # Safety
    /// Owner only, the cell is of the right type and has no state.
    unsafe fn start(&self, cell: NonNull<Header>, worker: &Worker) -> Ran;
}
