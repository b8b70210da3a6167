//! Consistent hashing: a ring on which every routee stands at many points, and a key belongs to the
//! next point.
//!
//! Whoever joins takes keys from others and moves none between them; whoever leaves gives its keys
//! to the others, and no other key moves.

use std::hash::{DefaultHasher, Hash, Hasher};

use vaxel_runtime::Random;

/// Points of each routee on the ring. More spread keys more evenly and cost 16 bytes each.
pub(super) const POINTS: usize = 128;

#[derive(Debug, Clone, Default)]
pub(super) struct Ring {
    /// Hash and routee, in order.
    points: Vec<(u64, u64)>,
}

impl Ring {
    /// Seats routees that are not on the ring yet. Where they stand depends on the id alone.
    pub(super) fn extend(&mut self, ids: impl IntoIterator<Item = u64>) {
        for id in ids {
            let mut places = Random::seeded(id);
            let points = (0..POINTS).map(|_| (places.bits(), id));
            self.points.extend(points);
        }
        self.points.sort_unstable();
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(u64) -> bool) {
        self.points.retain(|(_, id)| stays(*id));
    }

    /// Whose key that is.
    pub(super) fn find<K: Hash + ?Sized>(&self, key: &K) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let hash = hasher.finish();
        let next = self.points.partition_point(|(point, _)| *point < hash);
        let owner = self.points.get(next).or_else(|| self.points.first());
        owner.map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};

    fn owners(ring: &Ring) -> Vec<Option<u64>> {
        (0..2_000u32).map(|key| ring.find(&key)).collect()
    }

    fn ring(ids: &BTreeSet<u64>) -> Ring {
        let mut ring = Ring::default();
        ring.extend(ids.iter().copied());
        ring
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whoever_joins_takes_keys_and_moves_none_between_others(
            ids in proptest::collection::btree_set(any::<u64>(), 1..24),
            newcomer in any::<u64>(),
        ) {
            prop_assume!(!ids.contains(&newcomer));
            let mut ring = ring(&ids);
            let before = owners(&ring);
            ring.extend([newcomer]);
            for (before, after) in before.iter().zip(owners(&ring)) {
                prop_assert!(after == *before || after == Some(newcomer));
            }
        }

        #[test]
        fn whoever_leaves_gives_its_keys_away_and_no_other_moves(
            ids in proptest::collection::btree_set(any::<u64>(), 2..24),
            pick in any::<proptest::sample::Index>(),
        ) {
            let mut ring = ring(&ids);
            let before = owners(&ring);
            let leaver = *pick.get(&ids.iter().copied().collect::<Vec<_>>());
            ring.retain(|id| id != leaver);
            for (before, after) in before.iter().zip(owners(&ring)) {
                prop_assert!(after == *before || *before == Some(leaver));
                prop_assert!(after != Some(leaver));
            }
        }

        #[test]
        fn the_order_in_which_they_join_does_not_matter(
            ids in proptest::collection::btree_set(any::<u64>(), 1..24),
        ) {
            let mut other = Ring::default();
            for id in ids.iter().rev() {
                other.extend([*id]);
            }
            prop_assert_eq!(owners(&ring(&ids)), owners(&other));
        }
    }

    #[test]
    fn keys_are_spread_evenly() {
        let ring = ring(&(0..8).collect());
        let mut held: HashMap<u64, u32> = HashMap::new();
        for owner in (0..80_000u32).filter_map(|key| ring.find(&key)) {
            *held.entry(owner).or_default() += 1;
        }
        assert_eq!(held.len(), 8);
        // With 128 points the spread is about a twelfth of the mean, which is 10,000 here.
        assert!(
            held.values().all(|held| (7_000..=13_000).contains(held)),
            "{held:?}"
        );
    }

    #[test]
    fn nobody_holds_the_keys_of_an_empty_ring() {
        assert_eq!(Ring::default().find("key"), None);
    }
}
