//! One table per actor type and system: what a cell needs to know about its type, and statistics.
//!
//! Statistics are kept per worker and added up by the reader, so that counting costs two plain
//! stores a turn and never a shared cache line.

use crate::cell::{ActorCell, Counted, Header, future::Ran};
use crate::system::core::Core;
use crate::worker::{SEATS_MAX, Worker};
use crate::{Actor, ChildExit, ExitReason};
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
    /// `u32::MAX`: no bound.
    pub(crate) capacity: u32,
    /// Drops the user's state in place.
    pub(crate) drop_state: unsafe fn(NonNull<Header>),
    /// Begins the user's `terminate`.
    pub(crate) terminate: unsafe fn(NonNull<Header>, &Worker, ExitReason) -> Ran,
    /// Shows the user's state as text.
    pub(crate) inspect: unsafe fn(NonNull<Header>) -> Option<String>,
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
}

/// What is counted per type.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Spawned,
    Ended,
    Freed,
    Messages,
    Crashes,
}

impl TypeTable {
    pub(crate) fn new<A: Actor>(core: NonNull<Core>) -> Self {
        Self {
            core,
            type_id: TypeId::of::<A>(),
            name: std::any::type_name::<A>(),
            layout: Layout::new::<ActorCell<A>>(),
            capacity: A::MAILBOX.capacity().unwrap_or(u32::MAX),
            drop_state: crate::cell::drop_state::<A>,
            terminate: crate::cell::end::begin_terminate::<A>,
            inspect: crate::cell::inspect_state::<A>,
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
    /// Bytes of one cell, state included, before the allocator rounds up.
    pub cell_bytes: usize,
}
