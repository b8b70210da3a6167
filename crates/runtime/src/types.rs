//! One table per actor type and system: what a cell needs to know about its type, and statistics.
//!
//! Statistics are kept per worker and added up by the reader, so that counting costs two plain
//! stores a turn and never a shared cache line.

use crate::cell::{ActorCell, Counted, Header, future::Ran};
use crate::inspect::Children;
use crate::mailbox::Outcomes;
use crate::system::core::Core;
use crate::worker::{SEATS_MAX, Worker};
use crate::{Actor, ChildExit, ExitReason, Mailbox};
use std::alloc::Layout;
use std::any::TypeId;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(crate) struct TypeTable {
    pub(crate) core: NonNull<Core>,
    pub(crate) type_id: TypeId,
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    /// At which the state word refuses; `u32::MAX`, which it never counts to: no bound.
    pub(crate) capacity: u32,
    pub(crate) mailbox: Mailbox,
    pub(crate) outcomes: Outcomes,
    /// Drops the user's state in place.
    pub(crate) drop_state: unsafe fn(NonNull<Header>),
    /// Begins the user's `terminate`.
    pub(crate) terminate: unsafe fn(NonNull<Header>, &Worker, ExitReason) -> Ran,
    /// Shows the user's state as text.
    pub(crate) inspect: unsafe fn(NonNull<Header>) -> Option<String>,
    /// Whom the user's state has as children.
    pub(crate) children: unsafe fn(NonNull<Header>) -> Children,
    /// How an actor of this type is told of a child's end; set with its first child.
    pub(crate) child_exit: OnceLock<TellChildExit>,
    shards: Box<[Shard]>,
}

pub(crate) type TellChildExit = fn(&Counted, ChildExit) -> bool;

#[repr(align(64))]
#[derive(Default)]
struct Shard {
    spawned: AtomicU64,
    ended: AtomicU64,
    freed: AtomicU64,
    messages: AtomicU64,
    crashes: AtomicU64,
    expired: AtomicU64,
    refused: AtomicU64,
    dropped_newest: AtomicU64,
}

/// What is counted per type.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Spawned,
    Ended,
    Freed,
    Messages,
    Crashes,
    Expired,
    Refused,
    DroppedNewest,
}

impl TypeTable {
    pub(crate) fn new<A: Actor>(core: NonNull<Core>) -> Self {
        Self {
            core,
            type_id: TypeId::of::<A>(),
            name: std::any::type_name::<A>(),
            layout: Layout::new::<ActorCell<A>>(),
            capacity: A::MAILBOX.word_limit().unwrap_or(u32::MAX),
            mailbox: A::MAILBOX,
            outcomes: Outcomes::default(),
            drop_state: crate::cell::drop_state::<A>,
            terminate: crate::cell::end::begin_terminate::<A>,
            inspect: crate::cell::inspect_state::<A>,
            children: crate::cell::children_of_state::<A>,
            child_exit: OnceLock::new(),
            shards: (0..=SEATS_MAX).map(|_| Shard::default()).collect(),
        }
    }

    /// The system this table belongs to.
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: a system's core outlives its tables and every cell (module doc of `system`).
        unsafe { self.core.as_ref() }
    }

    pub(crate) fn count(&self, worker: Option<&Worker>, what: Count, by: u64) {
        let seat = worker.map_or(SEATS_MAX, |worker| worker.seat);
        let shard = &self.shards[seat];
        let counter = match what {
            Count::Spawned => &shard.spawned,
            Count::Ended => &shard.ended,
            Count::Freed => &shard.freed,
            Count::Messages => &shard.messages,
            Count::Crashes => &shard.crashes,
            Count::Expired => &shard.expired,
            Count::Refused => &shard.refused,
            Count::DroppedNewest => &shard.dropped_newest,
        };
        if worker.is_some() {
            // Only the worker of this seat writes here: no read-modify-write needed.
            counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
        } else {
            counter.fetch_add(by, Relaxed);
        }
    }

    fn sum(&self, what: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards
            .iter()
            .map(|shard| what(shard).load(Relaxed))
            .fold(0, u64::wrapping_add)
    }

    /// Cells whose memory is not yet given back.
    pub(crate) fn cells(&self) -> u64 {
        self.sum(|shard| &shard.spawned)
            .wrapping_sub(self.sum(|shard| &shard.freed))
    }

    pub(crate) fn stats(&self) -> TypeStats {
        let ended = self.sum(|shard| &shard.ended);
        let spawned = self.sum(|shard| &shard.spawned);
        TypeStats {
            name: self.name,
            alive: spawned.saturating_sub(ended),
            spawned,
            messages: self.sum(|shard| &shard.messages),
            crashes: self.sum(|shard| &shard.crashes),
            calls_expired: self.sum(|shard| &shard.expired),
            mailbox_full: self.sum(|shard| &shard.refused),
            mailbox_waited: self.outcomes.waited.load(Relaxed),
            mailbox_dropped_newest: self.sum(|shard| &shard.dropped_newest),
            mailbox_dropped_oldest: self.outcomes.dropped_oldest.load(Relaxed),
            mailbox_superseded: self.outcomes.superseded.load(Relaxed),
            cell_bytes: self.layout.size(),
        }
    }
}

/// The figures of one actor type in one system. Each is exact, but they are read one after another
/// while workers go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TypeStats {
    /// The Rust path of the type.
    pub name: &'static str,
    /// Actors that have been spawned and have not ended.
    pub alive: u64,
    /// Actors ever spawned; restarts in place are not counted.
    pub spawned: u64,
    /// Messages handled.
    pub messages: u64,
    /// Incarnations that ended by a panic.
    pub crashes: u64,
    /// Calls that were not handled because nobody waited for the answer any more; see
    /// [`Actor::SKIP_EXPIRED`].
    pub calls_expired: u64,
    /// Messages given back because the mailbox was at its bound.
    pub mailbox_full: u64,
    /// Calls and sends that waited for room.
    pub mailbox_waited: u64,
    /// Messages dropped because the mailbox was at its bound; [`OnFull`](crate::OnFull) says which.
    pub mailbox_dropped_newest: u64,
    /// Messages dropped because newer ones needed the room.
    pub mailbox_dropped_oldest: u64,
    /// Messages dropped because newer ones of the same key needed the room.
    pub mailbox_superseded: u64,
    /// Bytes of one cell, state included, before the allocator rounds up.
    pub cell_bytes: usize,
}
