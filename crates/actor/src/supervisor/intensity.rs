//! Restart intensity: how many restarts in how short a time are too many.

use std::collections::VecDeque;
use std::time::Duration;

use crate::fault;

/// Remembers the restarts of the last while, at most one more than are allowed.
///
/// As in OTP's `supervisor`, *more than* `max` restarts *within* the window exceed the intensity;
/// `max` of zero allows none.
#[derive(Debug)]
pub(crate) struct Intensity {
    max: u32,
    within: Duration,
    /// Ages since an arbitrary start, oldest first.
    recent: VecDeque<Duration>,
}

impl Intensity {
    pub(crate) fn new(max: u32, within: Duration) -> Self {
        Self {
            max,
            within,
            recent: VecDeque::new(),
        }
    }

    /// Notes a restart at `now`, measured from any fixed moment. True: that was one too many.
    pub(crate) fn is_exceeded_at(&mut self, now: Duration) -> bool {
        while self
            .recent
            .front()
            .is_some_and(|then| now.saturating_sub(*then) > self.within)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.max as usize && !fault::planted("restarts are not counted") {
            return true;
        }
        self.recent.push_back(now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(intensity: &mut Intensity, ms: u64) -> bool {
        intensity.is_exceeded_at(Duration::from_millis(ms))
    }

    #[test]
    fn one_more_than_allowed_within_the_window_is_too_many() {
        let mut three = Intensity::new(3, Duration::from_secs(5));
        assert!(![0, 10, 20].into_iter().any(|ms| at(&mut three, ms)));
        assert!(
            at(&mut three, 5_000),
            "the first is still inside the window, at its very edge"
        );
    }

    #[test]
    fn old_restarts_are_forgotten() {
        let mut one = Intensity::new(1, Duration::from_secs(5));
        assert!(!at(&mut one, 0));
        assert!(!at(&mut one, 5_001));
        assert!(at(&mut one, 10_001));
    }

    #[test]
    fn none_may_be_allowed() {
        assert!(at(&mut Intensity::new(0, Duration::from_secs(5)), 0));
    }
}
