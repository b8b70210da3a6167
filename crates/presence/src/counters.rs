//! The figures of a presence.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) entries: AtomicU64,
    pub(crate) tracked: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) diffs: AtomicU64,
    pub(crate) states: AtomicU64,
    pub(crate) fetch_failures: AtomicU64,
}

/// The figures of a presence. All but `entries` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceCounters {
    /// Entries that are tracked now.
    pub entries: u64,
    /// Entries tracked or updated.
    pub tracked: u64,
    /// Entries refused because of a bound or their shape.
    pub refused: u64,
    /// `presence_diff` broadcasts.
    pub diffs: u64,
    /// `presence_state` pushes.
    pub states: u64,
    /// Times the hook panicked or took too long.
    pub fetch_failures: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> PresenceCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PresenceCounters {
            entries: load(&self.entries),
            tracked: load(&self.tracked),
            refused: load(&self.refused),
            diffs: load(&self.diffs),
            states: load(&self.states),
            fetch_failures: load(&self.fetch_failures),
        }
    }
}

impl PresenceCounters {
    /// The figures by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("entries", self.entries),
            ("tracked", self.tracked),
            ("refused", self.refused),
            ("diffs", self.diffs),
            ("states", self.states),
            ("fetch_failures", self.fetch_failures),
        ]
        .into_iter()
    }
}
