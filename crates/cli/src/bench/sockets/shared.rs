//! What the threads of one phase share: when to stop, what counts, how far they are.
//!
//! Each lane writes its own counters and the supervising thread reads them, so nothing here is
//! ever waited for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Nanoseconds in which a measurement takes place: from, to.
#[derive(Debug)]
pub(super) struct Window {
    from: AtomicU64,
    to: AtomicU64,
}

impl Window {
    /// Whether something that was due at `time` counts. What is due within the window counts even
    /// if it is answered after the end: to drop it would hide the slowest.
    pub(super) fn contains(&self, time: u64) -> bool {
        self.from.load(Relaxed) <= time && time < self.to.load(Relaxed)
    }

    pub(super) fn open(&self, now: u64) {
        self.from.store(now, Relaxed);
    }

    pub(super) fn close(&self, now: u64) {
        self.to.store(now, Relaxed);
    }
}

/// What one lane has done since the phase began. On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    /// Steps of the phase: connections, joins, replies, deliveries.
    pub(super) messages: AtomicU64,
    /// Frames from the server that were waited for, answers to heartbeats excepted, and their
    /// bytes with headers.
    pub(super) frames_in: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    /// Frames to the server, heartbeats excepted, and their bytes with headers.
    pub(super) frames_out: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    /// Nanoseconds in which the lane had nothing to do.
    pub(super) idle: AtomicU64,
}

/// The sum of all lanes' counters at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) messages: u64,
    pub(super) frames_in: u64,
    pub(super) bytes_in: u64,
    pub(super) frames_out: u64,
    pub(super) bytes_out: u64,
    pub(super) idle: u64,
}

impl Sums {
    /// Bytes of a frame in the mean since `before`: from the server, to the server.
    pub(super) fn frame_bytes_since(&self, before: &Self) -> (f64, f64) {
        let mean = |bytes: u64, frames: u64| bytes as f64 / frames as f64;
        (
            mean(
                self.bytes_in - before.bytes_in,
                self.frames_in - before.frames_in,
            ),
            mean(
                self.bytes_out - before.bytes_out,
                self.frames_out - before.frames_out,
            ),
        )
    }
}

/// Which broadcasts are under way. Lane 0 sends them all, every lane counts what arrives.
#[derive(Debug)]
pub(super) struct Board {
    slots: Vec<Slot>,
    /// The number of the last broadcast before this phase.
    pub(super) base: u64,
    /// The number of the newest broadcast sent.
    pub(super) sent: AtomicU64,
    /// The number of the newest broadcast that, like all before it, has reached every member.
    pub(super) complete: AtomicU64,
    /// How many deliveries make a broadcast complete.
    pub(super) members: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    intended: AtomicU64,
    delivered: AtomicU64,
}

impl Board {
    /// Broadcasts that can be under way at once.
    pub(super) const SLOTS: u64 = 1_024;

    fn new(last: u64, members: u64) -> Self {
        Self {
            slots: (0..Self::SLOTS).map(|_| Slot::default()).collect(),
            base: last,
            sent: AtomicU64::new(last),
            complete: AtomicU64::new(last),
            members: AtomicU64::new(members),
        }
    }

    fn slot(&self, number: u64) -> &Slot {
        &self.slots[(number % Self::SLOTS) as usize]
    }

    /// Makes room for broadcast `number`, due at `intended`.
    pub(super) fn begin(&self, number: u64, intended: u64) {
        let slot = self.slot(number);
        slot.intended.store(intended, Relaxed);
        slot.delivered.store(0, Relaxed);
        self.sent.store(number, Relaxed);
    }

    /// Counts one delivery and says when it was due.
    pub(super) fn deliver(&self, number: u64) -> u64 {
        let slot = self.slot(number);
        slot.delivered.fetch_add(1, Relaxed);
        slot.intended.load(Relaxed)
    }

    /// Broadcasts on their way, after noting those that have arrived. Lane 0 only.
    pub(super) fn under_way(&self) -> u64 {
        let (sent, members) = (self.sent.load(Relaxed), self.members.load(Relaxed));
        let mut complete = self.complete.load(Relaxed);
        while complete < sent && self.slot(complete + 1).delivered.load(Relaxed) >= members {
            complete += 1;
        }
        self.complete.store(complete, Relaxed);
        sent - complete
    }
}

/// Everything shared in one phase.
#[derive(Debug)]
pub(super) struct Shared {
    /// No new work; lanes end when what is under way has arrived.
    pub(super) stop: AtomicBool,
    /// A lane has failed, so waiting for results is in vain.
    pub(super) failed: AtomicBool,
    /// Nanoseconds to wait for what does not come.
    pub(super) patience: u64,
    /// When the phase began; 0 unless it is set.
    pub(super) began_at: u64,
    /// When the last lane ended.
    pub(super) finished_at: AtomicU64,
    pub(super) window: Window,
    pub(super) lanes: Vec<Counters>,
    pub(super) board: Board,
}

impl Shared {
    /// For `lanes` threads; `last` is the number of the last broadcast of the phase before.
    pub(super) fn new(lanes: usize, last: u64, members: u64, patience: u64) -> Self {
        Self {
            patience,
            began_at: 0,
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            finished_at: AtomicU64::new(0),
            window: Window {
                from: AtomicU64::new(u64::MAX),
                to: AtomicU64::new(u64::MAX),
            },
            lanes: (0..lanes).map(|_| Counters::default()).collect(),
            board: Board::new(last, members),
        }
    }

    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for lane in &self.lanes {
            sums.messages += lane.messages.load(Relaxed);
            sums.frames_in += lane.frames_in.load(Relaxed);
            sums.bytes_in += lane.bytes_in.load(Relaxed);
            sums.frames_out += lane.frames_out.load(Relaxed);
            sums.bytes_out += lane.bytes_out.load(Relaxed);
            sums.idle += lane.idle.load(Relaxed);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_is_complete_when_it_and_all_before_it_have_reached_everybody() {
        let board = Board::new(7, 2);
        board.begin(8, 100);
        board.begin(9, 200);
        assert_eq!(board.deliver(9), 200);
        assert_eq!(board.deliver(9), 200);
        assert_eq!(board.under_way(), 2, "number 8 is still missing");
        board.deliver(8);
        assert_eq!(board.under_way(), 2);
        board.deliver(8);
        assert_eq!(board.under_way(), 0);
    }

    #[test]
    fn a_window_holds_what_was_due_in_it() {
        let shared = Shared::new(1, 0, 0, 0);
        assert!(!shared.window.contains(5));
        shared.window.open(10);
        assert!(!shared.window.contains(9));
        assert!(shared.window.contains(10));
        shared.window.close(20);
        assert!(shared.window.contains(19));
        assert!(!shared.window.contains(20));
    }
}
