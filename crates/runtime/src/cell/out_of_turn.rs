//! Mail that does not wait its turn: inserted in front, put aside, or looked for.
//!
//! All three are lists of nodes that the owner of the cell rearranges (S2, S4). What a handler
//! inserts is gathered here and put in front of the waiting mail when the handler is done, which
//! the flag [`INSERTED`] asks for: a turn without it pays nothing.

use super::node::Node;
use super::{Header, INSERTED};
use std::ptr::{NonNull, null_mut};

/// Nodes in order. Owner only (S2).
pub(crate) struct List {
    first: *mut Node,
    last: *mut Node,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: null_mut(),
            last: null_mut(),
        }
    }
}

impl List {
    /// Appends a node that is the caller's.
    fn push(&mut self, node: NonNull<Node>) {
        // SAFETY: S4, both nodes are the owner's.
        unsafe {
            (*node.as_ptr()).next = null_mut();
            match self.last.as_mut() {
                Some(last) => last.next = node.as_ptr(),
                None => self.first = node.as_ptr(),
            }
        }
        self.last = node.as_ptr();
    }

    /// Appends all of another list.
    fn append(&mut self, other: Self) {
        if other.first.is_null() {
            return;
        }
        // SAFETY: S4, both lists are the owner's.
        match unsafe { self.last.as_mut() } {
            Some(last) => last.next = other.first,
            None => self.first = other.first,
        }
        self.last = other.last;
    }

    /// Puts the list in front of what waits in the cell.
    fn put_in_front(self, header: &Header) {
        // SAFETY: S4, the list and the waiting mail are the owner's.
        if let Some(last) = unsafe { self.last.as_mut() } {
            last.next = header.local.get();
            header.local.set(self.first);
        }
    }
}

/// What only actors need that insert, stash or receive.
#[derive(Default)]
pub(crate) struct OutOfTurn {
    inserted: List,
    stash: List,
    stash_len: usize,
    /// The handler awaits mail.
    receiving: bool,
}

fn of(header: &Header) -> &mut OutOfTurn {
    let relations = header.side_or_new().relations();
    relations.out_of_turn.get_or_insert_default()
}

fn existing(header: &Header) -> Option<&mut OutOfTurn> {
    let relations = header.side()?.relations.as_deref_mut()?;
    relations.out_of_turn.as_deref_mut()
}

/// The node is handled after the current message and before what waits. Owner only.
pub(crate) fn insert(header: &Header, node: NonNull<Node>) {
    of(header).inserted.push(node);
    header.flags.set(header.flags.get() | INSERTED);
}

/// Puts the node aside. Owner only.
pub(crate) fn stash(header: &Header, node: NonNull<Node>) {
    let out = of(header);
    out.stash.push(node);
    out.stash_len += 1;
}

pub(crate) fn stash_len(header: &Header) -> usize {
    existing(header).map_or(0, |out| out.stash_len)
}

/// What was put aside is handled after the current message and before what waits. Owner only.
pub(crate) fn unstash(header: &Header) -> usize {
    let Some(out) = existing(header) else {
        return 0;
    };
    let count = std::mem::take(&mut out.stash_len);
    if count > 0 {
        out.inserted.append(std::mem::take(&mut out.stash));
        header.flags.set(header.flags.get() | INSERTED);
    }
    count
}

/// Puts what was inserted in front, and takes the flag back. Owner only.
#[cold]
pub(crate) fn splice(header: &Header) {
    if header.flags.get() & INSERTED == 0 {
        return;
    }
    header.flags.set(header.flags.get() & !INSERTED);
    if let Some(out) = existing(header) {
        std::mem::take(&mut out.inserted).put_in_front(header);
    }
}

/// The incarnation is over: everything goes back to the mail, the oldest first. Owner only.
pub(crate) fn give_back(header: &Header) {
    let relations = header.side().and_then(|side| side.relations.as_deref_mut());
    if let Some(out) = relations.and_then(|relations| relations.out_of_turn.take()) {
        let OutOfTurn {
            mut stash,
            inserted,
            ..
        } = *out;
        stash.append(inserted);
        stash.put_in_front(header);
    }
}

pub(crate) fn set_receiving(header: &Header, receiving: bool) {
    if receiving {
        of(header).receiving = true;
    } else if let Some(out) = existing(header) {
        out.receiving = false;
    }
}

/// Whether the suspended handler waits for mail. Owner only.
pub(crate) fn is_receiving(header: &Header) -> bool {
    existing(header).is_some_and(|out| out.receiving)
}

/// Whether the handler that receives has got mail. Owner only.
pub(crate) fn has_received(header: &Header) -> bool {
    is_receiving(header) && header.word.has_mail()
}
