//! Traces: the newest messages that one actor began.

use crate::cell::node::Node;
use crate::cell::{Header, TRACED, signal};
use crate::{System, Time};
use std::collections::VecDeque;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A message that a traced actor began to handle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// When, on the system's clock.
    pub at: Time,
    /// The Rust path of the message's type; `signal` and `stop` are the runtime's own.
    pub message: &'static str,
}

/// What is noted of one actor, the newest so many.
pub(crate) struct Trace {
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<TraceEvent>,
    dropped: u64,
}

impl Trace {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity.clamp(1, Tracer::CAPACITY_MAX),
            ring: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The actor begins to be traced. Owner only.
    pub(super) fn begin(self: &Arc<Self>, header: &Header) {
        header.side_or_new().relations().trace = Some(self.clone());
        header.signals.fetch_or(TRACED, AcqRel);
    }
}

/// A traced actor begins a message. Owner only.
#[cold]
pub(crate) fn note(header: &Header, node: NonNull<Node>) {
    if signal::is_spent(node) {
        return;
    }
    let relations = header.side_or_new().relations();
    // The actor holds one, the tracer the other.
    let Some(trace) = relations
        .trace
        .take()
        .filter(|it| Arc::strong_count(it) > 1)
    else {
        header.signals.fetch_and(!TRACED, AcqRel);
        return;
    };
    let event = TraceEvent {
        at: header.table().core().clock.now(),
        // SAFETY: S4: the node is the owner's, who is about to handle it.
        message: (unsafe { node.as_ref() }.operations.name)(),
    };
    {
        let mut ring = trace.lock();
        if ring.events.len() == trace.capacity {
            ring.events.pop_front();
            ring.dropped += 1;
        }
        ring.events.push_back(event);
    }
    relations.trace = Some(trace);
}

/// The trace of one actor; dropping it ends the tracing.
pub struct Tracer {
    trace: Arc<Trace>,
    system: System,
}

impl Tracer {
    /// No trace holds more events than this.
    pub const CAPACITY_MAX: usize = 65_536;

    pub(super) fn new(trace: Arc<Trace>, system: System) -> Self {
        Self { trace, system }
    }

    /// Takes what was noted since the last time, oldest first, and how many older events had to
    /// make room for newer ones.
    pub fn take(&self) -> (Vec<TraceEvent>, u64) {
        let mut ring = self.trace.lock();
        let events = std::mem::take(&mut ring.events);
        (events.into(), std::mem::take(&mut ring.dropped))
    }

    /// The system of the actor.
    pub fn system(&self) -> &System {
        &self.system
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer(..)")
    }
}
