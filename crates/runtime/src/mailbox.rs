//! Mailboxes: how many messages may wait, and what happens when they are so many.
//!
//! # Bounds
//! The bound counts messages that wait; the batch that a worker has already taken out, at most as
//! many again, is not counted. Replies, downs, timers and the runtime's own messages are exempt.
//!
//! # At the bound
//! A cast never waits; what becomes of it is the [policy](OnFull) of the type. A call waits for
//! room until its time limit, whatever the policy, in one queue with the sends that wait; a type
//! that drops older messages has room for it at once. While anybody waits, nobody overtakes them:
//! casts are refused. So the messages of one sender keep their order.
//!
//! Under [`Refuse`](OnFull::Refuse), [`Wait`](OnFull::Wait) and [`DropNewest`](OnFull::DropNewest)
//! a message that finds room takes no lock. The two policies that drop older messages keep them
//! behind a lock, for a sender must be able to take one out.
//!
//! # Counting
//! Every outcome has a counter, per type and system: see [`TypeStats`](crate::TypeStats) and
//! [`Counters`](crate::Counters).

pub(crate) mod ring;
pub(crate) mod room;
pub(crate) mod send;

use crate::ExitReason;
use crate::cell::node::Node;
use crate::cell::word::LENGTH_MAX;
use crate::cell::{Counted, Header};
use crate::types::Count;
use crate::worker::with_current;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// How many messages may wait for one actor, and what happens to one too many.
///
/// ```
/// use vaxel_runtime::{Mailbox, OnFull};
///
/// const MAILBOX: Mailbox = Mailbox::bounded(64).on_full(OnFull::DropOldest);
/// assert_eq!(MAILBOX.capacity(), Some(64));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox {
    capacity: u32,
    on_full: OnFull,
}

/// What happens to a message that finds a mailbox at its bound.
///
/// ```
/// use vaxel_runtime::{Actor, Context, ExitReason, Handler, Mailbox, Message, OnFull, System};
///
/// /// Shows prices; of a symbol only the newest matters.
/// struct Screen;
/// impl Actor for Screen {
///     type Args = ();
///     const MAILBOX: Mailbox = Mailbox::bounded(100).on_full(OnFull::KeepNewest);
///     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
///         Ok(Screen)
///     }
/// }
///
/// struct Price {
///     symbol: u32,
///     cents: u64,
/// }
/// impl Message for Price {
///     type Reply = ();
///     fn key(&self) -> Option<u64> {
///         Some(self.symbol.into())
///     }
/// }
/// impl Handler<Price> for Screen {
///     async fn handle(&mut self, price: Price, _: &mut Context<Self>) { /* … */ }
/// }
///
/// let system = System::builder().workers(1).build();
/// let screen = system.spawn::<Screen>(());
/// for cents in 0..10_000 {
///     // Never refused: older prices of the symbol give way.
///     screen.cast(Price { symbol: 7, cents }).expect("it lives");
/// }
/// assert!(screen.mailbox_len() <= 100);
/// # system.shutdown();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// The sender is told: [`cast`](crate::ActorRef::cast) and [`send`](crate::ActorRef::send)
    /// give the message back.
    #[default]
    Refuse,
    /// As `Refuse`, but [`send`](crate::ActorRef::send) waits for room, first come, first served.
    Wait,
    /// It is dropped, and the sender is not told.
    DropNewest,
    /// The message that has waited longest is dropped, and the sender is not told. A call that is
    /// dropped so ends with [`CallError::Full`](crate::CallError::Full).
    DropOldest,
    /// The oldest message that a newer one with the same [key](crate::Message::key) supersedes is
    /// dropped; if there is none, the oldest of all. So no key loses its newest message while
    /// there are fewer keys than places.
    KeepNewest,
}

impl Mailbox {
    /// The bound of an actor type that does not say otherwise.
    pub const DEFAULT_CAPACITY: u32 = 1024;

    /// The greatest bound there is.
    pub const CAPACITY_MAX: u32 = LENGTH_MAX;

    /// At most `capacity` waiting messages, between 1 and [`Mailbox::CAPACITY_MAX`]; at the bound
    /// the sender is told.
    ///
    /// # Panics
    /// At compile time when used in a constant, if `capacity` is out of range.
    pub const fn bounded(capacity: u32) -> Self {
        assert!(
            capacity >= 1 && capacity <= Self::CAPACITY_MAX,
            "a mailbox holds between 1 and 32,766 messages"
        );
        Self {
            capacity,
            on_full: OnFull::Refuse,
        }
    }

    /// No bound: memory is then the only one. For actors whose senders are bounded otherwise.
    pub const fn unbounded() -> Self {
        Self {
            capacity: u32::MAX,
            on_full: OnFull::Refuse,
        }
    }

    /// What happens at the bound. Without one it never does.
    pub const fn on_full(self, policy: OnFull) -> Self {
        Self {
            on_full: policy,
            ..self
        }
    }

    /// The number of messages that may wait, if there is a bound.
    pub const fn capacity(self) -> Option<u32> {
        if self.capacity == u32::MAX {
            None
        } else {
            Some(self.capacity)
        }
    }

    /// What happens at the bound.
    pub const fn policy(self) -> OnFull {
        self.on_full
    }

    /// Whether messages wait behind a lock rather than in the state word.
    const fn has_ring(self) -> bool {
        matches!(self.on_full, OnFull::DropOldest | OnFull::KeepNewest) && self.capacity != u32::MAX
    }

    /// The bound of the state word: none of a ring's messages goes there directly.
    pub(crate) const fn word_limit(self) -> Option<u32> {
        if self.has_ring() {
            Some(0)
        } else {
            self.capacity()
        }
    }
}

/// How often what happened at the bounds of a type, where that takes a lock anyway. What does not
/// is counted per worker. Apart from what every push reads in the type's table.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Outcomes {
    pub(crate) waited: AtomicU64,
    pub(crate) dropped_oldest: AtomicU64,
    pub(crate) superseded: AtomicU64,
}

/// What became of a message that the state word had no room for.
pub(crate) enum AtBound {
    /// Another one may have been dropped for it.
    Sent,
    /// It is to be dropped.
    Dropped,
    Refused,
    Dead,
}

/// The reason with which messages are dropped to make room: known by its address.
pub(crate) static NO_ROOM: ExitReason = ExitReason::NoProcess;

/// A cast has found the state word at its limit. The node stays the caller's unless it is sent.
#[cold]
pub(crate) fn at_bound(
    to: &Counted,
    node: NonNull<Node>,
    key: impl FnOnce() -> Option<u64>,
) -> AtBound {
    let table = to.header().table();
    let mailbox = table.mailbox;
    if mailbox.has_ring() {
        let key = key().filter(|_| mailbox.on_full == OnFull::KeepNewest);
        return match table.core().rings.push(to, node, key) {
            true => AtBound::Sent,
            false => AtBound::Dead,
        };
    }
    let (count, outcome) = match mailbox.on_full {
        OnFull::DropNewest => (Count::DroppedNewest, AtBound::Dropped),
        _ => (Count::Refused, AtBound::Refused),
    };
    with_current(table.core, |worker| table.count(worker, count, 1));
    outcome
}

/// Messages that wait for an actor.
pub(crate) fn length(of: &Header) -> usize {
    let (word, table) = (&of.word, of.table());
    if table.mailbox.has_ring() {
        return table.core().rings.length(of);
    }
    // A shut gate hides the length: the mailbox was full when it was shut.
    let length = word.length();
    let shown = match table.mailbox.capacity() {
        Some(capacity) => length.min(capacity),
        None => length,
    };
    shown as usize
}

/// Calls and sends that wait for room.
pub(crate) fn senders_waiting(of: &Header) -> usize {
    match of.word.is_gated() {
        true => of.table().core().room.waiting(of),
        false => 0,
    }
}
