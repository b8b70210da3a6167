//! Spinning: when a worker that has run out of work looks on for a moment before it parks.
//!
//! To wake a parked thread takes some 5 µs of who wakes it, and 20 to 50 µs until it runs. A thread
//! outside that makes one call after another, as a task of tokio's does, would pay that for each.
//! Where work is rarer than that, or somebody else needs the core, spinning only costs. So a worker
//! does it where it has been worth it lately:
//! 1. It begins to spin when it has been woken within [`NAP_MAX`] of parking some times in a row,
//!    at first [`NAPS_MIN`] times. An idle worker never does, and one that is woken every
//!    millisecond does not either.
//! 2. It goes on to spin each time for as long as that finds work.
//! 3. A spin that finds none doubles how often it must be woken early until it tries again, up to
//!    [`NAPS_MAX`] times: in vain it spends 0.2 µs a park at the most.
//!
//! Only one worker spins at a time, and only on a machine with more than one core. While it does it
//! counts as a searcher, so nobody is woken for work that it will see.

use crate::clock::Time;
use std::cell::Cell;
use std::time::Duration;

/// How long a worker looks on. The next call of a thread that has to be woken for the answer comes
/// after some 25 µs.
pub(crate) const SPIN_MAX: Duration = Duration::from_micros(50);
/// Pauses between two looks: half a microsecond, or two.
pub(crate) const PAUSES: u32 = 16;
/// A park no longer than this might have been spared: the time until a woken thread runs is in it.
const NAP_MAX: Duration = Duration::from_micros(120);
const NAPS_MIN: u32 = 4;
const NAPS_MAX: u32 = 256;

/// What one worker remembers.
pub(crate) struct Spin {
    /// Short parks since the last long one.
    naps: Cell<u32>,
    naps_needed: Cell<u32>,
}

impl Spin {
    pub(crate) const fn new() -> Self {
        Self {
            naps: Cell::new(0),
            naps_needed: Cell::new(NAPS_MIN),
        }
    }

    pub(crate) fn is_worth_it(&self) -> bool {
        self.naps.get() >= self.naps_needed.get()
    }

    pub(crate) fn has_found(&self) {
        self.naps_needed.set(NAPS_MIN);
    }

    pub(crate) fn was_in_vain(&self) {
        self.naps.set(0);
        self.naps_needed
            .set((self.naps_needed.get() * 2).min(NAPS_MAX));
    }

    pub(crate) fn has_parked(&self, from: Time, until: Time) {
        let naps = match until.since(from) <= NAP_MAX {
            true => self.naps.get().saturating_add(1),
            false => 0,
        };
        self.naps.set(naps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn park(spin: &Spin, times: u32, length: Duration) {
        for _ in 0..times {
            spin.has_parked(Time::ZERO, Time::ZERO + length);
        }
    }

    #[test]
    fn it_begins_after_some_short_parks_in_a_row() {
        let spin = Spin::new();
        park(&spin, NAPS_MIN - 1, NAP_MAX);
        assert!(!spin.is_worth_it());
        park(&spin, 1, NAP_MAX * 2);
        park(&spin, NAPS_MIN - 1, NAP_MAX);
        assert!(!spin.is_worth_it(), "a long park ends the row");
        park(&spin, 1, NAP_MAX);
        assert!(spin.is_worth_it());
    }

    #[test]
    fn it_goes_on_while_it_finds_work() {
        let spin = Spin::new();
        park(&spin, NAPS_MIN, NAP_MAX);
        for _ in 0..1_000 {
            assert!(spin.is_worth_it());
            spin.has_found();
        }
    }

    #[test]
    fn in_vain_it_is_tried_ever_more_rarely() {
        let spin = Spin::new();
        let mut tried = 0;
        for _ in 0..10_000 {
            if spin.is_worth_it() {
                tried += 1;
                spin.was_in_vain();
            }
            park(&spin, 1, NAP_MAX);
        }
        assert!((40..60).contains(&tried), "tried {tried} times");
        park(&spin, NAPS_MAX, NAP_MAX);
        assert!(spin.is_worth_it());
        spin.has_found();
        park(&spin, 1, NAP_MAX * 2);
        park(&spin, NAPS_MIN, NAP_MAX);
        assert!(spin.is_worth_it(), "what was found has set it back");
    }
}
