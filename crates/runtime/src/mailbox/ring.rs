//! Mailboxes from which senders may take messages out: behind a lock.
//!
//! A sender cannot take a message out of the state word, for what is there belongs to the owner. So
//! where older messages give way to newer ones they wait here, and a *token* stands for them in the
//! word. When the owner gets to a token, it takes the messages that belong to it, in order, and
//! goes on with them as with any others. There are as many tokens as are needed to keep the order
//! of each sender's messages and signals: a message joins the newest token if that is still the
//! newest node in the word, so nothing that its sender has sent can be behind the token.

use super::{NO_ROOM, OnFull};
use crate::ExitReason;
use crate::cell::future::Ran;
use crate::cell::node::{Node, Operations};
use crate::cell::word::Pushed;
use crate::cell::{self, Counted, Header};
use crate::worker::Worker;
use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

const STRIPES: usize = 16;

#[derive(Default)]
pub(crate) struct Rings([Mutex<HashMap<usize, Ring>>; STRIPES]);

/// The mail of one cell; exists while a token does.
struct Ring {
    /// By arrival.
    held: BTreeMap<u64, Held>,
    /// The newest of each key.
    newest: HashMap<u64, u64>,
    /// Those that a newer one of the same key supersedes.
    stale: BTreeSet<u64>,
    /// The token that messages may join, null if there is none.
    open: *mut Node,
    tokens: usize,
    arrivals: u64,
}

// SAFETY: nodes are looked at under the lock only, and messages are Send.
unsafe impl Send for Ring {}

struct Held {
    node: NonNull<Node>,
    key: Option<u64>,
    token: NonNull<Node>,
}

#[repr(C)]
pub(crate) struct Token {
    node: Node,
    cell: NonNull<Header>,
}

fn address(cell: NonNull<Header>) -> usize {
    cell.as_ptr().addr()
}

impl Rings {
    fn stripe(&self, cell: NonNull<Header>) -> MutexGuard<'_, HashMap<usize, Ring>> {
        let address = address(cell);
        self.0[((address >> 6) ^ (address >> 12)) % STRIPES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn length(&self, of: &Header) -> usize {
        let cell = NonNull::from(of);
        let stripe = self.stripe(cell);
        let ring = stripe.get(&address(cell));
        ring.map_or(0, |ring| ring.held.len())
    }

    /// Adds a message, and drops another one if there are too many. False: the actor is gone, and
    /// the node stays the caller's.
    pub(crate) fn push(&self, to: &Counted, node: NonNull<Node>, key: Option<u64>) -> bool {
        let table = to.header().table();
        let mut stripe = self.stripe(to.cell());
        let ring = stripe.entry(address(to.cell())).or_insert_with(Ring::new);
        let Some(token) = ring.token(to) else {
            if ring.is_over() {
                stripe.remove(&address(to.cell()));
            }
            return false;
        };
        let capacity = table.mailbox.capacity().unwrap_or(u32::MAX) as usize;
        let conflates = table.mailbox.policy() == OnFull::KeepNewest;
        ring.arrivals += 1;
        let arrival = ring.arrivals;
        ring.held.insert(arrival, Held { node, key, token });
        if let Some(key) = key
            && let Some(before) = ring.newest.insert(key, arrival)
        {
            ring.stale.insert(before);
        }
        let victim = (ring.held.len() > capacity).then(|| ring.give_up(conflates));
        drop(stripe);
        if let Some((node, superseded)) = victim.flatten() {
            let outcome = if superseded {
                &table.outcomes.superseded
            } else {
                &table.outcomes.dropped_oldest
            };
            outcome.fetch_add(1, Relaxed);
            // SAFETY: S4: the node was the ring's, and is now ours.
            crate::panic::contain(|| unsafe { (node.as_ref().operations.drop)(node, &NO_ROOM) });
        }
        true
    }

    /// The messages of a token, linked in order.
    fn take(&self, cell: NonNull<Header>, token: NonNull<Node>) -> (*mut Node, *mut Node) {
        let (mut first, mut last): (*mut Node, *mut Node) = (null_mut(), null_mut());
        let mut stripe = self.stripe(cell);
        let Some(ring) = stripe.get_mut(&address(cell)) else {
            return (first, last);
        };
        while let Some((&arrival, held)) = ring.held.first_key_value()
            && held.token == token
        {
            let Some(held) = ring.remove(arrival) else {
                break;
            };
            let node = held.node.as_ptr();
            if last.is_null() {
                first = node;
            } else {
                // SAFETY: the nodes of a ring are its own.
                unsafe { (*last).next = node };
            }
            last = node;
        }
        ring.tokens -= 1;
        if ring.open == token.as_ptr() {
            ring.open = null_mut();
        }
        if ring.is_over() {
            stripe.remove(&address(cell));
        }
        if !last.is_null() {
            // SAFETY: the nodes of a ring are its own (S4).
            unsafe { (*last).next = null_mut() };
        }
        (first, last)
    }
}

impl Ring {
    fn new() -> Self {
        Self {
            held: BTreeMap::new(),
            newest: HashMap::new(),
            stale: BTreeSet::new(),
            open: null_mut(),
            tokens: 0,
            arrivals: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.tokens == 0
    }

    /// The token that a message may join now. `None`: the actor is gone.
    fn token(&mut self, to: &Counted) -> Option<NonNull<Node>> {
        let newest = to.header().word.newest();
        if let Some(open) = NonNull::new(self.open)
            && open.as_ptr().expose_provenance() as u64 == newest
        {
            return Some(open);
        }
        let token = NonNull::from(Box::leak(Box::new(Token {
            node: Node::new(&TOKEN),
            cell: to.cell(),
        })));
        // SAFETY: we hold a reference, and the node is ours.
        if unsafe { cell::push(to.cell(), token.cast(), None) } == Pushed::Dead {
            // SAFETY: a refused node stays ours.
            drop(unsafe { Box::from_raw(token.as_ptr()) });
            return None;
        }
        self.tokens += 1;
        self.open = token.cast().as_ptr();
        Some(token.cast())
    }

    fn remove(&mut self, arrival: u64) -> Option<Held> {
        let held = self.held.remove(&arrival)?;
        self.stale.remove(&arrival);
        if let Some(key) = held.key
            && self.newest.get(&key) == Some(&arrival)
        {
            self.newest.remove(&key);
        }
        Some(held)
    }

    /// Whoever must go, and whether a newer one stands for it.
    fn give_up(&mut self, conflates: bool) -> Option<(NonNull<Node>, bool)> {
        let stale = self.stale.first().copied().filter(|_| conflates);
        let arrival = stale.or_else(|| self.held.first_key_value().map(|(&first, _)| first))?;
        let held = self.remove(arrival)?;
        Some((held.node, stale.is_some()))
    }
}

static TOKEN: Operations = Operations {
    run: run_token,
    drop: drop_token,
    name: || "mail",
    of_incarnation: false,
    node_type: TypeId::of::<Token>,
};

/// Whether a node with these operations stands for others.
pub(crate) fn is_token(operations: &'static Operations) -> bool {
    std::ptr::eq(operations, &raw const TOKEN)
}

unsafe fn run_token(cell: NonNull<Header>, node: NonNull<Node>, _worker: &Worker) -> Ran {
    // SAFETY: S2, we own the cell, and its list; the token is ours (S4).
    unsafe {
        let header = cell.as_ref();
        header.local.set(expand(header, node, header.local.get()));
    }
    Ran::Ready
}

/// What a token stands for, in front of the rest; the token is gone then.
///
/// # Safety
/// Owner only; token and rest are the owner's (S4).
pub(crate) unsafe fn expand(header: &Header, token: NonNull<Node>, rest: *mut Node) -> *mut Node {
    let cell = NonNull::from(header);
    let (first, last) = header.table().core().rings.take(cell, token);
    // SAFETY: by the caller's word, and what was taken is the owner's.
    unsafe {
        drop(Box::from_raw(token.cast::<Token>().as_ptr()));
        match last.as_mut() {
            Some(last) => {
                last.next = rest;
                first
            }
            None => rest,
        }
    }
}

unsafe fn drop_token(node: NonNull<Node>, reason: &ExitReason) {
    // SAFETY: S4; a cell outlives its mail, and the core its cells.
    let mut next = unsafe {
        let token = Box::from_raw(node.cast::<Token>().as_ptr());
        let header = token.cell.as_ref();
        header.table().core().rings.take(token.cell, node).0
    };
    while let Some(node) = NonNull::new(next) {
        // SAFETY: S4: ours, and consumed by `drop`.
        unsafe {
            next = node.as_ref().next;
            crate::panic::contain(|| (node.as_ref().operations.drop)(node, reason));
        }
    }
}
