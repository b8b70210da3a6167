//! A hierarchical timing wheel: six levels of 64 slots, one tick a millisecond.
//!
//! A timer lies at the level of the highest base-64 digit in which its deadline differs from now,
//! so starting and cancelling are a few writes, and a timer moves at most five times before it
//! fires. The reach is 64⁶ ms, two years; later deadlines are held back at the rim and move on from
//! there.

use std::ops::{Index, IndexMut};

pub(crate) const LEVELS: usize = 6;
const SLOTS: usize = 64;
const NIL: u32 = u32::MAX;
const REACH: u64 = 1 << (6 * LEVELS);

/// Which timer. Never means another one: each use of an entry has its own generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

struct Entry<T> {
    deadline: u64,
    next: u32,
    previous: u32,
    generation: u32,
    /// Level and slot, to find the head of the list; `u16::MAX` when the entry is free.
    place: u16,
    value: Option<T>,
}

const FREE: u16 = u16::MAX;

/// Entries per allocation: growing copies nothing, and no more than 3 KB are ever unused.
const CHUNK: usize = 64;
/// So many entries are kept when the last timer is gone.
const KEPT_MAX: usize = 1024;

/// Entries at fixed places, so that a key is an index.
struct Entries<T>(Vec<Vec<Entry<T>>>);

impl<T> Entries<T> {
    fn len(&self) -> usize {
        let last = self.0.last().map_or(0, Vec::len);
        self.0.len().saturating_sub(1) * CHUNK + last
    }

    fn push(&mut self, entry: Entry<T>) -> u32 {
        let index = self.len();
        assert!(
            index < NIL as usize,
            "four thousand million timers are pending"
        );
        match self.0.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.0.push(chunk);
            }
        }
        index as u32
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Entry<T>> {
        let index = index as usize;
        self.0.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }
}

impl<T> Index<u32> for Entries<T> {
    type Output = Entry<T>;

    fn index(&self, index: u32) -> &Entry<T> {
        &self.0[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Entries<T> {
    fn index_mut(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.0[index as usize / CHUNK][index as usize % CHUNK]
    }
}

pub(crate) struct Wheel<T> {
    elapsed: u64,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    entries: Entries<T>,
    free: u32,
    pending: usize,
    first_generation: u32,
}

impl<T> Wheel<T> {
    pub(crate) const fn new() -> Self {
        Self {
            elapsed: 0,
            heads: [[NIL; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            entries: Entries(Vec::new()),
            free: NIL,
            pending: 0,
            first_generation: 0,
        }
    }

    pub(crate) const fn pending(&self) -> usize {
        self.pending
    }

    /// Starts a timer. A deadline that has passed fires at the next look, whether or not time has
    /// moved.
    pub(crate) fn insert(&mut self, deadline: u64, value: T) -> Key {
        let index = if self.free == NIL {
            self.entries.push(Entry {
                deadline: 0,
                next: NIL,
                previous: NIL,
                generation: self.first_generation,
                place: FREE,
                value: None,
            })
        } else {
            let index = self.free;
            self.free = self.entries[index].next;
            index
        };
        let entry = &mut self.entries[index];
        entry.deadline = deadline;
        entry.value = Some(value);
        let generation = entry.generation;
        self.pending += 1;
        self.link(index);
        Key { index, generation }
    }

    /// Takes a timer back. `None` when it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        self.unlink(key.index);
        self.release(key.index)
    }

    /// What a timer holds that has neither fired nor been cancelled.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index)?;
        if entry.generation != key.generation || entry.place == FREE {
            return None;
        }
        entry.value.as_mut()
    }

    fn link(&mut self, index: u32) {
        let deadline = self.entries[index].deadline;
        // The slot of this very moment has been emptied: it holds what is due already.
        let due = deadline.clamp(self.elapsed, self.elapsed + REACH - 1);
        let digit = (63 - (due ^ self.elapsed | 1).leading_zeros()) as usize / 6;
        // At the rim the highest digit may overflow into a seventh: it waits at the last level.
        let level = digit.min(LEVELS - 1);
        let slot = (due >> (6 * level)) as usize % SLOTS;
        let head = self.heads[level][slot];
        let entry = &mut self.entries[index];
        entry.place = (level * SLOTS + slot) as u16;
        entry.previous = NIL;
        entry.next = head;
        if head != NIL {
            self.entries[head].previous = index;
        }
        self.heads[level][slot] = index;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, index: u32) {
        let Entry {
            next,
            previous,
            place,
            ..
        } = self.entries[index];
        let (level, slot) = (place as usize / SLOTS, place as usize % SLOTS);
        if next != NIL {
            self.entries[next].previous = previous;
        }
        if previous != NIL {
            self.entries[previous].next = next;
        } else {
            self.heads[level][slot] = next;
            if next == NIL {
                self.occupied[level] &= !(1 << slot);
            }
        }
    }

    fn release(&mut self, index: u32) -> Option<T> {
        self.pending -= 1;
        let entry = &mut self.entries[index];
        entry.generation = entry.generation.wrapping_add(1);
        entry.place = FREE;
        entry.next = self.free;
        self.free = index;
        let value = entry.value.take();
        if self.pending == 0 && self.entries.len() > KEPT_MAX {
            self.shrink();
        }
        value
    }

    /// After a storm the memory goes back. A key from before must not match an entry from after, so
    /// generations go on from the highest.
    fn shrink(&mut self) {
        let chunks = self.entries.0.iter();
        let highest = chunks
            .flatten()
            .map(|entry| entry.generation)
            .max()
            .unwrap_or(0);
        self.first_generation = highest.wrapping_add(1);
        self.entries = Entries(Vec::new());
        self.free = NIL;
    }

    /// The next moment at which something may be due. Not later than the first deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, when)| when)
    }

    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        (0..LEVELS).find_map(|level| {
            if self.occupied[level] == 0 {
                return None;
            }
            let shift = 6 * level;
            let now = (self.elapsed >> shift) as u32 % SLOTS as u32;
            let ahead = self.occupied[level].rotate_right(now).trailing_zeros();
            let slot = (now + ahead) as usize % SLOTS;
            let window = self.elapsed >> (shift + 6) << (shift + 6);
            let mut when = window + ((slot as u64) << shift);
            if when < self.elapsed || when == self.elapsed && level > 0 {
                when += 1 << (shift + 6);
            }
            Some((level, slot, when))
        })
    }

    /// Moves on by one slot at most, not beyond `now`, and puts what is due into `due` with its
    /// deadline, in the order of deadlines. True when there may be more.
    pub(crate) fn step(&mut self, now: u64, due: &mut Vec<(u64, T)>) -> bool {
        let Some((level, slot, when)) = self.next_slot().filter(|&(_, _, when)| when <= now) else {
            self.elapsed = self.elapsed.max(now);
            return false;
        };
        self.elapsed = when;
        let mut index = std::mem::replace(&mut self.heads[level][slot], NIL);
        self.occupied[level] &= !(1 << slot);
        // Lists are newest first; timers of one deadline fire in the order they were started, so
        // the list is turned round in place.
        let mut ordered = NIL;
        while index != NIL {
            let next = std::mem::replace(&mut self.entries[index].next, ordered);
            ordered = index;
            index = next;
        }
        while ordered != NIL {
            let index = ordered;
            ordered = self.entries[index].next;
            let deadline = self.entries[index].deadline;
            if deadline <= self.elapsed {
                due.extend(self.release(index).map(|value| (deadline, value)));
            } else {
                self.link(index);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry<[usize; 3]>>(), 56);
        assert_eq!(size_of::<Entry<crate::timer::Action>>(), 48);
    }

    #[test]
    fn a_deadline_that_has_passed_fires_though_time_stands_still() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        advance(&mut wheel, 1000, &mut due);
        wheel.insert(5, 'a');
        wheel.insert(1000, 'b');
        wheel.insert(1002, 'c');
        assert_eq!(wheel.next(), Some(1000));
        advance(&mut wheel, 1000, &mut due);
        assert_eq!(due, ['a', 'b']);
        assert_eq!(wheel.next(), Some(1002));
    }

    #[test]
    fn a_deadline_beyond_the_reach_waits() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        wheel.insert(REACH * 3, ());
        advance(&mut wheel, REACH * 2, &mut due);
        assert!(due.is_empty());
        advance(&mut wheel, REACH * 3, &mut due);
        assert_eq!(due.len(), 1);
    }

    fn advance<T>(wheel: &mut Wheel<T>, now: u64, due: &mut Vec<T>) {
        let mut found = Vec::new();
        while wheel.step(now, &mut found) {}
        due.extend(found.into_iter().map(|(_, value)| value));
    }

    #[test]
    fn a_storm_leaves_no_memory_and_no_key_behind() {
        let mut wheel = Wheel::new();
        let keys: Vec<Key> = (0..5_000).map(|n| wheel.insert(n, n)).collect();
        for key in &keys {
            assert!(wheel.cancel(*key).is_some());
        }
        assert_eq!(wheel.entries.len(), 0);
        wheel.insert(7, 7);
        assert!(keys.iter().all(|key| wheel.cancel(*key).is_none()));
    }

    proptest! {
        #[test]
        fn each_timer_fires_once_in_order_and_never_early(
            timers in prop::collection::vec((0u64..300_000, any::<bool>()), 1..80),
            steps in prop::collection::vec(1u64..20_000, 1..60),
        ) {
            let mut wheel = Wheel::new();
            let keys: Vec<Key> =
                timers.iter().map(|&(deadline, _)| wheel.insert(deadline, deadline)).collect();
            for (key, (deadline, cancel)) in keys.iter().zip(&timers) {
                if *cancel {
                    prop_assert_eq!(wheel.cancel(*key), Some(*deadline));
                    prop_assert_eq!(wheel.cancel(*key), None);
                }
            }
            let mut now = 0;
            let mut fired = Vec::new();
            for step in steps {
                if let Some(next) = wheel.next() {
                    let first = timers.iter().filter(|t| !t.1 && t.0 > now).map(|t| t.0).min();
                    prop_assert!(first.is_none_or(|first| next <= first));
                }
                now += step;
                let mut due = Vec::new();
                advance(&mut wheel, now, &mut due);
                prop_assert!(due.iter().all(|&deadline| deadline <= now));
                fired.extend(due);
            }
            let mut expected: Vec<u64> =
                timers.iter().filter(|t| !t.1 && t.0 <= now).map(|t| t.0).collect();
            expected.sort_unstable();
            prop_assert!(fired.is_sorted());
            prop_assert_eq!(&fired, &expected);
            prop_assert_eq!(wheel.pending(), timers.iter().filter(|t| !t.1).count() - fired.len());
        }

        /// Timers may be started at any time, for moments that have passed too.
        #[test]
        fn a_timer_is_never_found_later_than_the_look_at_its_moment(
            steps in prop::collection::vec((0u64..6_000, 0u64..200_000, 0u64..200_000), 1..80),
        ) {
            let mut wheel = Wheel::new();
            let (mut now, mut waiting) = (0, Vec::new());
            for (step, back, ahead) in steps {
                let deadline = (now + ahead).saturating_sub(back);
                wheel.insert(deadline, deadline);
                waiting.push(deadline);
                let first = waiting.iter().copied().min();
                prop_assert!(wheel.next() <= first.map(|first| first.max(now)));
                // Time may stand still.
                now += step / 2 * (step % 2);
                let mut due = Vec::new();
                advance(&mut wheel, now, &mut due);
                due.sort_unstable();
                let mut expected: Vec<u64> =
                    waiting.iter().copied().filter(|&deadline| deadline <= now).collect();
                expected.sort_unstable();
                prop_assert_eq!(due, expected);
                waiting.retain(|&deadline| deadline > now);
            }
            prop_assert_eq!(wheel.pending(), waiting.len());
        }
    }
}
