//! Who runs next: the choices that a seed makes.
//!
//! No single way to choose finds every bug, so the seed first chooses the way. Uniform choices
//! reach most orders; *newest first* and *oldest first* stay close to what workers do; *by
//! priority* lets some actors starve for long stretches, which finds orders that need many unlikely
//! choices in a row (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of
//! Finding Bugs", ASPLOS 2010).

use std::collections::BTreeMap;

use vaxel_runtime::{Pid, Random};

/// One in so many choices is uniform, whatever the way; so nobody starves for ever.
const UNIFORM_ONE_IN: u64 = 4;
/// By priority, one in so many turns the one who runs becomes the last of all.
const DEMOTE_ONE_IN: u64 = 16;

#[derive(Debug)]
enum Way {
    Uniform,
    NewestFirst,
    OldestFirst,
    /// The highest runs; who is not known yet gets a random one.
    ByPriority {
        known: BTreeMap<Pid, u64>,
        lowest: u64,
    },
}

/// The choices of one run.
#[derive(Debug)]
pub(crate) struct Schedule {
    random: Random,
    way: Way,
    /// Turns in a row that a cell may be given, at most.
    streak_max: u64,
}

impl Schedule {
    pub(crate) fn of(mut random: Random) -> Self {
        let way = match random.below(6) {
            0 | 1 => Way::Uniform,
            2 => Way::NewestFirst,
            3 => Way::OldestFirst,
            _ => Way::ByPriority {
                known: BTreeMap::new(),
                lowest: u64::MAX / 2,
            },
        };
        let streak_max = [1, 1, 4, 64][random.below(4) as usize];
        Self {
            random,
            way,
            streak_max,
        }
    }

    /// One of `count` candidates, which are in the order in which they became runnable.
    pub(crate) fn pick(&mut self, count: usize, pid: impl Fn(usize) -> Pid) -> usize {
        let uniform = self.one_in(UNIFORM_ONE_IN);
        match &mut self.way {
            Way::NewestFirst if !uniform => count - 1,
            Way::OldestFirst if !uniform => 0,
            Way::ByPriority { known, lowest } => {
                let mut best = (0, 0);
                for index in 0..count {
                    let priority = *known
                        .entry(pid(index))
                        .or_insert_with(|| self.random.bits() | 1 << 63);
                    best = best.max((priority, index));
                }
                if self.random.below(DEMOTE_ONE_IN) == 0 {
                    *lowest -= 1;
                    known.insert(pid(best.1), *lowest);
                }
                best.1
            }
            _ => self.random.below(count as u64) as usize,
        }
    }

    /// How many turns in a row the cell that was picked is given, if it wants them.
    pub(crate) fn streak(&mut self) -> u64 {
        1 + self.random.below(self.streak_max)
    }

    pub(crate) fn one_in(&mut self, turns: u64) -> bool {
        self.random.below(turns) == 0
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_reaches_every_candidate() {
        for seed in 0..50 {
            let mut schedule = Schedule::of(Random::seeded(seed));
            let mut seen = [false; 5];
            for _ in 0..2_000 {
                seen[schedule.pick(5, |_| Pid::NONE)] = true;
            }
            let by_priority = matches!(schedule.way, Way::ByPriority { .. });
            // All have one pid here, so the last one wins by priority.
            assert!(by_priority || seen == [true; 5], "{schedule:?}");
        }
    }

    #[test]
    fn seeds_choose_every_way() {
        let way = |seed| match Schedule::of(Random::seeded(seed)).way {
            Way::Uniform => 0,
            Way::NewestFirst => 1,
            Way::OldestFirst => 2,
            Way::ByPriority { .. } => 3,
        };
        let ways: std::collections::BTreeSet<_> = (0..50).map(way).collect();
        assert_eq!(ways.len(), 4);
    }
}
