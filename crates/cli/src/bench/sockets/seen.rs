//! Which broadcasts one client has received.

/// Broadcasts beyond the first missing one that are remembered.
pub(super) const REMEMBERED: u64 = u128::BITS as u64;

/// All numbers up to one, and some of those after it.
///
/// Broadcasts of different senders may overtake each other, so a number that is skipped is not
/// missing yet: it is when [`REMEMBERED`] later ones have come, or at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Everything up to this one has come or was given up.
    all_up_to: u64,
    /// Bit 0 stands for the number after that.
    later: u128,
}

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It came for the first time; so many older ones are given up because of it.
    First { given_up: u64 },
    /// It had come before, or had been given up.
    Repeated,
}

impl Seen {
    /// Everything up to `number` has been received.
    pub(super) fn up_to(number: u64) -> Self {
        Self {
            all_up_to: number,
            later: 0,
        }
    }

    /// Takes the delivery of `number`.
    pub(super) fn take(&mut self, number: u64) -> Delivery {
        if number <= self.all_up_to {
            return Delivery::Repeated;
        }
        let mut given_up = 0;
        while number - self.all_up_to > REMEMBERED {
            given_up += u64::from(self.later & 1 == 0);
            self.step();
        }
        let bit = 1 << (number - self.all_up_to - 1);
        if self.later & bit != 0 {
            return Delivery::Repeated;
        }
        self.later |= bit;
        while self.later & 1 == 1 {
            self.step();
        }
        Delivery::First { given_up }
    }

    fn step(&mut self) {
        self.later >>= 1;
        self.all_up_to += 1;
    }

    /// How many of those up to `last`, the newest there is, have not come.
    pub(super) fn missing_until(&self, last: u64) -> u64 {
        last - self.all_up_to - u64::from(self.later.count_ones())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Delivery = Delivery::First { given_up: 0 };

    #[test]
    fn order_does_not_matter_but_twice_does() {
        let mut seen = Seen::up_to(10);
        assert_eq!(seen.take(12), FIRST);
        assert_eq!(seen.take(12), Delivery::Repeated);
        assert_eq!(seen.missing_until(13), 2);
        assert_eq!(seen.take(11), FIRST);
        assert_eq!(seen.take(11), Delivery::Repeated);
        assert_eq!(seen.take(10), Delivery::Repeated);
        assert_eq!(seen.take(13), FIRST);
        assert_eq!(seen, Seen::up_to(13));
    }

    #[test]
    fn what_is_long_overdue_is_given_up_once() {
        let mut seen = Seen::default();
        assert_eq!(seen.take(2), FIRST);
        let mut given_up = 0;
        for number in 4..=200 {
            match seen.take(number) {
                Delivery::First { given_up: more } => given_up += more,
                Delivery::Repeated => panic!("{number} came once"),
            }
        }
        assert_eq!(given_up, 2, "numbers 1 and 3");
        assert_eq!(seen.missing_until(200), 0);
        assert_eq!(seen.take(3), Delivery::Repeated, "too late");
    }
}
