//! What a worker handles, as others see it: the watchdog, which reports it, and inspection.
//!
//! A worker writes these with plain stores to its own cache line: one a turn, and one for each
//! handler that is polled again. When a message has begun nobody asks the clock: the watchdog notes
//! when it first sees it.

use super::Seat;
use crate::cell::Header;
use crate::cell::future::BlockOperations;
use crate::clock::Time;
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

#[derive(Debug)]
pub(crate) struct Handled {
    /// Whose turn it is. Compared and never followed: that actor may be over.
    cell: AtomicPtr<Header>,
    /// The handler that is polled again; null at a start.
    resumed: AtomicPtr<BlockOperations>,
    /// The tick that the watchdog has seen, and when it first did.
    tick: AtomicU64,
    since_nanos: AtomicU64,
}

impl Handled {
    pub(crate) fn new() -> Self {
        Self {
            cell: AtomicPtr::new(null_mut()),
            resumed: AtomicPtr::new(null_mut()),
            tick: AtomicU64::new(0),
            since_nanos: AtomicU64::new(0),
        }
    }

    /// The worker begins a turn of this actor.
    #[inline]
    pub(super) fn begin_turn(&self, header: &Header) {
        self.cell.store(from_ref(header).cast_mut(), Relaxed);
    }

    pub(super) fn resume(&self, block: Option<&'static BlockOperations>) {
        let resumed = block.map_or(null_mut(), |block| from_ref(block).cast_mut());
        self.resumed.store(resumed, Relaxed);
    }

    /// Whether the turn is this actor's.
    pub(super) fn is_of(&self, header: &Header) -> bool {
        std::ptr::eq(self.cell.load(Relaxed), header)
    }

    /// What the handler handles that is polled again.
    pub(super) fn resumed_message(&self) -> &'static str {
        // SAFETY: operations are statics.
        let resumed = unsafe { self.resumed.load(Relaxed).cast_const().as_ref() };
        resumed.map_or("init", BlockOperations::message)
    }

    /// The watchdog sees this tick for the first time.
    pub(crate) fn note(&self, tick: u64, now: Time) {
        self.since_nanos.store(now.0, Relaxed);
        self.tick.store(tick, Release);
    }

    /// Since when this tick lasts, if the watchdog has seen it.
    pub(super) fn since(&self, tick: u64) -> Option<Time> {
        let known = self.tick.load(Acquire) == tick;
        known.then(|| Time(self.since_nanos.load(Relaxed)))
    }
}

impl Seat {
    /// What is being handled: the Rust path of the message's type, or of the runtime's own.
    pub(crate) fn message(&self) -> &'static str {
        // SAFETY: operations are statics.
        let begun = unsafe { self.operations.load(Relaxed).cast_const().as_ref() };
        begun.map_or_else(|| self.handled.resumed_message(), |begun| (begun.name)())
    }

    /// What this actor handles here and since when, if it does. Seen from outside, as it goes on.
    pub(crate) fn handles(&self, header: &Header, now: Time) -> Option<(&'static str, Time)> {
        let tick = self.ticks.load(Acquire);
        if tick & 1 == 0 || !self.handled.is_of(header) {
            return None;
        }
        let message = self.message();
        let since = self.handled.since(tick).unwrap_or(now);
        // What was read belongs to this message only if it is still the same one.
        fence(Acquire);
        (self.ticks.load(Relaxed) == tick).then_some((message, since))
    }
}
