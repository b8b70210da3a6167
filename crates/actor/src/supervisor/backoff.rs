//! Restarts that wait, longer each time.

use std::time::Duration;

use vaxel_runtime::{Random, Time};

/// How long a child stays down before it is started again: for children that fail because
/// something outside of them does, and that would only fail faster when started at once.
///
/// The first restart waits `min`, each further one twice as long, up to `max`. Jitter takes a
/// random part off each delay, so that children that fell together do not rise together. A child
/// that has lived for `(min + max) / 2` is well again: its next end counts as the first.
///
/// While it waits, its mail waits too, up to the bound of its mailbox; calls run into their own
/// time-outs.
///
/// # Intensity
/// A restart after a delay does not count against the supervisor's `max_restarts`: the delay bounds
/// their rate, and a supervisor that gave up after a few would undo what the delay is for. Where a
/// child that never recovers shall end its supervisor, say how often it may fail in a row:
/// [`give_up_after`](Self::give_up_after).
///
/// ```
/// use vaxel_actor::prelude::*;
/// use vaxel_actor::supervisor::Backoff;
///
/// # struct Uplink;
/// # #[actor(crate = vaxel_actor)]
/// # impl Uplink { fn init() -> Self { Uplink } }
/// let uplink = Uplink::child().backoff(Backoff::exponential(millis(200), secs(30)).jitter(0.2));
/// # drop(uplink);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a backoff does nothing until a child spec has it"]
pub struct Backoff {
    min: Duration,
    max: Duration,
    jitter_permille: u16,
    reset_after: Duration,
    give_up_after: Option<u32>,
}

impl Backoff {
    /// From `min`, doubled each time, up to `max`; a fifth of it is jitter.
    ///
    /// # Panics
    /// If `max` is below `min`.
    pub fn exponential(min: Duration, max: Duration) -> Self {
        assert!(
            min <= max,
            "a backoff grows from {min:?}, so its greatest delay cannot be {max:?}"
        );
        Backoff {
            min,
            max,
            jitter_permille: 200,
            reset_after: (min + max) / 2,
            give_up_after: None,
        }
    }

    /// The part of a delay, between 0 and 1, of which a random share is taken off. 0.2 unless told
    /// otherwise.
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter_permille = (part.clamp(0.0, 1.0) * 1_000.0) as u16;
        self
    }

    /// How long a child must have lived for its delays to begin anew. `(min + max) / 2` unless told
    /// otherwise.
    pub fn reset_after(mut self, quiet: Duration) -> Self {
        self.reset_after = quiet;
        self
    }

    /// More restarts in a row than this, none of which lived long enough, end the supervisor as too
    /// many restarts do. Without this it tries for ever.
    pub fn give_up_after(mut self, restarts: u32) -> Self {
        self.give_up_after = Some(restarts);
        self
    }

    fn delay(&self, earlier: u32, random: &mut Random) -> Duration {
        let doubled = self
            .min
            .saturating_mul(1_u32.checked_shl(earlier).unwrap_or(u32::MAX));
        let delay = doubled.min(self.max);
        let permille = random.below(u64::from(self.jitter_permille) + 1) as u32;
        delay - delay / 1_000 * permille
    }
}

/// Where one child is in its delays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delays {
    /// Restarts in a row.
    restarts: u32,
    /// When it was last started.
    began: Time,
}

impl Delays {
    pub(super) fn begin(now: Time) -> Self {
        Delays {
            restarts: 0,
            began: now,
        }
    }

    /// The child is started.
    pub(super) fn started(&mut self, now: Time) {
        self.began = now;
    }

    /// The child has ended: how long it stays down. `None`: that was once too often.
    pub(super) fn next(
        &mut self,
        backoff: &Backoff,
        now: Time,
        random: &mut Random,
    ) -> Option<Duration> {
        if now.since(self.began) >= backoff.reset_after {
            self.restarts = 0;
        }
        if backoff
            .give_up_after
            .is_some_and(|most| self.restarts >= most)
        {
            return None;
        }
        let delay = backoff.delay(self.restarts, random);
        self.restarts += 1;
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durations::{millis, secs};
    use vaxel_runtime::System;

    #[test]
    fn delays_double_up_to_the_greatest_and_jitter_shortens_them() {
        let mut random = Random::seeded(7);
        let steady = Backoff::exponential(millis(100), secs(1)).jitter(0.0);
        let delays = [0, 1, 2, 3, 4, 31, 32, 100].map(|n| steady.delay(n, &mut random).as_millis());
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
        let spread = steady.jitter(0.5);
        let delays: Vec<_> = (0..200).map(|_| spread.delay(9, &mut random)).collect();
        assert!(
            delays
                .iter()
                .all(|delay| (millis(500)..=secs(1)).contains(delay))
        );
        assert!(delays.iter().any(|delay| *delay < millis(600)));
    }

    #[test]
    fn a_quiet_time_begins_anew_and_too_many_in_a_row_end_it() {
        let system = System::builder().workers(1).manual_clock().build();
        let backoff = Backoff::exponential(secs(1), secs(9))
            .jitter(0.0)
            .give_up_after(3);
        let mut random = Random::seeded(7);
        let mut delays = Delays::begin(system.now());
        let mut next = |wait| {
            system.advance(wait);
            let delay = delays.next(&backoff, system.now(), &mut random);
            delays.started(system.now());
            delay
        };
        assert_eq!(next(secs(0)), Some(secs(1)));
        assert_eq!(next(secs(4)), Some(secs(2)));
        assert_eq!(
            next(secs(5)),
            Some(secs(1)),
            "it had lived for half of both limits"
        );
        assert_eq!(next(secs(0)), Some(secs(2)));
        assert_eq!(next(secs(0)), Some(secs(4)));
        assert_eq!(next(secs(0)), None);
        system.shutdown();
    }
}
