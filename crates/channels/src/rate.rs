//! How often a client may send an event.

use std::time::Duration;

use vaxel_actor::Time;

/// How often one client may send an event to one channel: `count` times within `per`, in bursts of
/// `count` at the most. See [`Channel::RATES`](crate::Channel::RATES).
///
/// One more is answered with status `error`, the reason `rate limited` and `retry_after_ms`, and
/// counted as `events_rate_limited`; `handle_in` does not hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRate {
    event: &'static str,
    count: u32,
    per: Duration,
}

impl EventRate {
    /// Bounds an event, or with `*` all those together that have no rate of their own.
    ///
    /// # Panics
    /// When `count` or `per` is zero: such an event could never be sent.
    pub const fn new(event: &'static str, count: u32, per: Duration) -> Self {
        assert!(
            count > 0,
            "a rate of no events at all would refuse every one"
        );
        assert!(
            !per.is_zero(),
            "a rate needs a time within which events are counted"
        );
        Self { event, count, per }
    }

    /// Bounds an event, or with `*` the others, to so many a second.
    pub const fn per_second(event: &'static str, count: u32) -> Self {
        Self::new(event, count, Duration::from_secs(1))
    }

    /// When the next event would be on time if this one is taken, given when this one would be;
    /// or how long too early it is.
    fn take(&self, due: Option<Time>, now: Time) -> Result<Time, Duration> {
        let interval = self.per / self.count;
        let due = due.map_or(now, |due| due.max(now));
        let ahead = (due - now) + interval;
        match ahead.checked_sub(self.per) {
            None | Some(Duration::ZERO) => Ok(due + interval),
            Some(early) => Err(early),
        }
    }
}

/// What a channel remembers of the events its client has sent: nothing until the first that has a
/// rate, then one moment for each rate.
#[derive(Default)]
pub(crate) struct Gate {
    due: Option<Box<[Option<Time>]>>,
}

impl Gate {
    /// Takes an event, or says how long it is too early.
    pub(crate) fn pass(
        &mut self,
        rates: &[EventRate],
        event: &str,
        now: Time,
    ) -> Result<(), Duration> {
        let of = |name: &str| rates.iter().position(|rate| rate.event == name);
        let Some(index) = of(event).or_else(|| of("*")) else {
            return Ok(());
        };
        let due = self
            .due
            .get_or_insert_with(|| vec![None; rates.len()].into());
        due[index] = Some(rates[index].take(due[index], now)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaxel_actor::System;

    const RATES: &[EventRate] = &[
        EventRate::per_second("say", 2),
        EventRate::new("*", 1, Duration::from_secs(10)),
    ];

    #[test]
    fn a_burst_is_taken_and_then_one_by_one() {
        let system = System::builder().workers(1).manual_clock().build();
        let start = system.now();
        let mut gate = Gate::default();
        let mut say = |after_ms| gate.pass(RATES, "say", start + Duration::from_millis(after_ms));
        assert_eq!((say(0), say(0)), (Ok(()), Ok(())));
        assert_eq!(say(0), Err(Duration::from_millis(500)));
        assert_eq!(say(499), Err(Duration::from_millis(1)));
        assert_eq!(say(500), Ok(()));
        assert_eq!(say(500), Err(Duration::from_millis(500)));
        assert_eq!((say(5_000), say(5_000)), (Ok(()), Ok(())));
        assert!(say(5_000).is_err(), "what was not used is not saved up");
        system.shutdown();
    }

    #[test]
    fn the_others_share_the_rate_of_the_star() {
        let system = System::builder().workers(1).manual_clock().build();
        let now = system.now();
        let mut gate = Gate::default();
        assert_eq!(gate.pass(&[], "any", now), Ok(()));
        assert!(gate.due.is_none());
        assert_eq!(gate.pass(RATES, "a", now), Ok(()));
        assert!(gate.pass(RATES, "b", now).is_err());
        assert_eq!(gate.pass(RATES, "say", now), Ok(()));
        system.shutdown();
    }
}
