//! Those who wait for room: messages outside of a full mailbox, first come, first served.
//!
//! A message that may wait is kept here while the gate of the state word is shut
//! (see [`word`](crate::cell::word)). The owner of the cell lets in as many as the mailbox holds
//! each time it has taken a batch out, and opens the gate when nobody is left.
//!
//! The messages belong to calls and sends that are awaited. Who gives up takes its message back, so
//! there are never more of them than futures that wait.

use crate::ExitReason;
use crate::cell::node::Node;
use crate::cell::word::{Gate, Pushed};
use crate::cell::{self, Counted, Header};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

const STRIPES: usize = 16;

/// One place in the queue; greater ones came later.
pub(crate) type Ticket = NonZeroU64;

#[derive(Default)]
pub(crate) struct Room([Mutex<Stripe>; STRIPES]);

#[derive(Default)]
struct Stripe {
    queues: HashMap<usize, BTreeMap<Ticket, Waiter>>,
    /// Messages of sends whose actor has ended, until their futures look.
    returned: HashMap<Ticket, NonNull<Node>>,
    last: u64,
}

// SAFETY: nodes are looked at under the lock only, and messages are Send.
unsafe impl Send for Stripe {}

struct Waiter {
    node: NonNull<Node>,
    /// Of a send: it wants to know, and to have its message back. A call is told by its reply.
    send: Option<Option<Waker>>,
}

/// What became of an attempt to wait.
pub(crate) enum Entered {
    Waits(Ticket),
    /// There is room meanwhile.
    Room,
    Dead,
}

/// How a send stands.
pub(crate) enum Standing {
    Waits,
    Sent,
    /// The actor has ended; here is the message.
    Returned(NonNull<Node>),
}

fn address(cell: NonNull<Header>) -> usize {
    cell.as_ptr().addr()
}

impl Room {
    fn stripe(&self, cell: NonNull<Header>) -> MutexGuard<'_, Stripe> {
        let address = address(cell);
        self.0[((address >> 6) ^ (address >> 12)) % STRIPES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room. The node stays the caller's unless it waits.
    pub(crate) fn enter(&self, to: &Counted, node: NonNull<Node>, is_send: bool) -> Entered {
        let table = to.header().table();
        let mut stripe = self.stripe(to.cell());
        // Under the lock, so that the owner cannot look for us before we are there.
        match to.header().word.gate(table.capacity) {
            Gate::Room => return Entered::Room,
            Gate::Dead => return Entered::Dead,
            Gate::Shut => {}
        }
        stripe.last += 1;
        let ticket = Ticket::MIN.saturating_add(stripe.last);
        let send = is_send.then_some(None);
        let queue = stripe.queues.entry(address(to.cell())).or_default();
        queue.insert(ticket, Waiter { node, send });
        table.outcomes.waited.fetch_add(1, Relaxed);
        Entered::Waits(ticket)
    }

    /// How many wait.
    pub(crate) fn waiting(&self, of: &Header) -> usize {
        let cell = NonNull::from(of);
        let stripe = self.stripe(cell);
        let queue = stripe.queues.get(&address(cell));
        queue.map_or(0, BTreeMap::len)
    }

    /// How a send stands; it wakes the waker when that changes.
    pub(crate) fn look(&self, to: &Counted, ticket: Ticket, waker: &Waker) -> Standing {
        let mut stripe = self.stripe(to.cell());
        if let Some(node) = stripe.returned.remove(&ticket) {
            return Standing::Returned(node);
        }
        let queue = stripe.queues.get_mut(&address(to.cell()));
        let Some(waiter) = queue.and_then(|queue| queue.get_mut(&ticket)) else {
            return Standing::Sent;
        };
        let before = waiter.send.replace(Some(waker.clone()));
        drop(stripe);
        drop(before);
        Standing::Waits
    }

    /// Gives up a place. `None`: the message has been let in.
    pub(crate) fn withdraw(&self, to: &Counted, ticket: Ticket) -> Option<NonNull<Node>> {
        let mut stripe = self.stripe(to.cell());
        if let Some(node) = stripe.returned.remove(&ticket) {
            return Some(node);
        }
        let queue = stripe.queues.get_mut(&address(to.cell()))?;
        let waiter = queue.remove(&ticket)?;
        if queue.is_empty() {
            // The gate stays shut until the owner comes, which it will: mail waits.
            stripe.queues.remove(&address(to.cell()));
        }
        drop(stripe);
        Some(waiter.node)
    }

    /// Lets in as many as the mailbox holds. Owner only, the mail has just been taken.
    #[cold]
    pub(crate) fn admit(&self, cell: NonNull<Header>) {
        // SAFETY: S2, the caller owns the cell.
        let header = unsafe { cell.as_ref() };
        let capacity = header.table().capacity;
        let mut told = Vec::new();
        let mut stripe = self.stripe(cell);
        let mut admitted = 0;
        let mut queue = stripe.queues.remove(&address(cell)).unwrap_or_default();
        while admitted < capacity
            && let Some((_, waiter)) = queue.pop_first()
        {
            // SAFETY: S1, and the node is the queue's.
            if unsafe { cell::push(cell, waiter.node, None) } == Pushed::Dead {
                // Whoever declared it dead has failed the others, or will.
                queue.insert(Ticket::MIN, waiter);
                break;
            }
            admitted += 1;
            told.extend(waiter.send.flatten());
        }
        if queue.is_empty() {
            header.word.open(admitted);
        } else {
            stripe.queues.insert(address(cell), queue);
        }
        drop(stripe);
        told.into_iter().for_each(Waker::wake);
        if header.word.is_dead() {
            self.fail(cell, &ExitReason::Killed);
        }
    }

    /// The actor has ended, or its mail is not for the next incarnation: calls fail with the
    /// reason, sends have their messages back.
    #[cold]
    pub(crate) fn fail(&self, cell: NonNull<Header>, reason: &ExitReason) {
        let mut stripe = self.stripe(cell);
        let queue = stripe.queues.remove(&address(cell)).unwrap_or_default();
        let mut told = Vec::new();
        let mut failed = Vec::new();
        for (ticket, waiter) in queue {
            match waiter.send {
                Some(waker) => {
                    stripe.returned.insert(ticket, waiter.node);
                    told.extend(waker);
                }
                None => failed.push(waiter.node),
            }
        }
        drop(stripe);
        told.into_iter().for_each(Waker::wake);
        for node in failed {
            // SAFETY: S4: the node was the queue's, and is now ours.
            crate::panic::contain(|| unsafe { (node.as_ref().operations.drop)(node, reason) });
        }
    }
}
