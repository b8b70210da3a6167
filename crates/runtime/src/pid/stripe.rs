//! One stripe of the table of pids: entries in chunks, twelve bytes each.
//!
//! A chunk is allocated when an entry is needed and given back when its last entry is released, all
//! but one, so growing never copies a table of millions under a lock, and the memory returns after
//! a storm. What a chunk leaves behind is the highest generation it has seen: entries that take its
//! place begin above it, so that a pid of then never means somebody of now.

use crate::cell::Header;
use std::ptr::{NonNull, without_provenance_mut};

/// Entries per chunk: as many as fit a page with the chunk's own fields.
const CHUNK: usize = 340;
const _: () = assert!(size_of::<Chunk>() <= 4096);

/// No entry of a chunk is free.
const NONE: u16 = u16::MAX;

#[derive(Default)]
pub(super) struct Stripe {
    chunks: Vec<Option<Box<Chunk>>>,
    /// Chunks with a free entry or without memory, each once.
    open: Vec<u32>,
    /// A chunk without a taken entry that is kept for the next one.
    spare: Option<u32>,
    used: usize,
    /// Generations of chunks given back are not above this.
    floor: u32,
}

struct Chunk {
    /// Who is meant, or the index of the next free entry, marked by the lowest bit.
    cells: [*mut Header; CHUNK],
    generations: [u32; CHUNK],
    free: u16,
    used: u16,
}

// SAFETY: entries are looked at under the lock only, and a cell is counted before it leaves it.
unsafe impl Send for Stripe {}

fn free_entry(next: u16) -> *mut Header {
    without_provenance_mut(usize::from(next) << 1 | 1)
}

impl Chunk {
    fn new(floor: u32) -> Box<Self> {
        let next = |index| index as u16 + 1;
        Box::new(Self {
            cells: std::array::from_fn(|index| {
                free_entry(if index + 1 == CHUNK {
                    NONE
                } else {
                    next(index)
                })
            }),
            generations: [floor; CHUNK],
            free: 0,
            used: 0,
        })
    }
}

impl Stripe {
    /// A new entry for a cell: its index and generation.
    pub(super) fn insert(&mut self, cell: NonNull<Header>) -> (u32, u32) {
        let at = self.open.last().copied().unwrap_or_else(|| {
            self.chunks.push(None);
            self.open.push((self.chunks.len() - 1) as u32);
            (self.chunks.len() - 1) as u32
        });
        let chunk = self.chunks[at as usize].get_or_insert_with(|| Chunk::new(self.floor));
        let entry = usize::from(chunk.free);
        chunk.free = (chunk.cells[entry].addr() >> 1) as u16;
        chunk.cells[entry] = cell.as_ptr();
        // Zero is the generation of nobody.
        chunk.generations[entry] = chunk.generations[entry].wrapping_add(1).max(1);
        chunk.used += 1;
        self.used += 1;
        if self.spare == Some(at) {
            self.spare = None;
        }
        if chunk.free == NONE {
            self.open.pop();
        }
        (at * CHUNK as u32 + entry as u32, chunk.generations[entry])
    }

    /// Who has this entry, and in which generation.
    pub(super) fn entry(&self, index: u32) -> Option<(NonNull<Header>, u32)> {
        let chunk = self.chunks.get(index as usize / CHUNK)?.as_ref()?;
        let entry = index as usize % CHUNK;
        let cell = chunk.cells[entry];
        let taken = cell.addr() & 1 == 0;
        Some((
            NonNull::new(cell).filter(|_| taken)?,
            chunk.generations[entry],
        ))
    }

    pub(super) fn release(&mut self, index: u32) {
        let at = index as usize / CHUNK;
        let slot = &mut self.chunks[at];
        let Some(chunk) = slot else { return };
        let entry = index as usize % CHUNK;
        if chunk.free == NONE {
            self.open.push(at as u32);
        }
        chunk.cells[entry] = free_entry(chunk.free);
        chunk.free = entry as u16;
        chunk.used -= 1;
        self.used -= 1;
        if chunk.used > 0 {
            return;
        }
        if self.spare.is_none() {
            self.spare = Some(at as u32);
            return;
        }
        let highest = chunk.generations.iter().copied().max();
        self.floor = self.floor.max(highest.unwrap_or(0));
        *slot = None;
    }

    /// No entry has this index or a greater one.
    pub(super) fn end(&self) -> u32 {
        (self.chunks.len() * CHUNK) as u32
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn cell(number: usize) -> NonNull<Header> {
        NonNull::new(without_provenance_mut(number * 16)).unwrap()
    }

    #[test]
    fn an_entry_is_found_until_it_is_released() {
        let mut stripe = Stripe::default();
        let made: Vec<_> = (1..=1_000).map(|n| (n, stripe.insert(cell(n)))).collect();
        for (n, (index, generation)) in &made {
            assert_eq!(stripe.entry(*index), Some((cell(*n), *generation)));
        }
        let (_, (index, generation)) = made[500];
        stripe.release(index);
        assert_eq!(stripe.entry(index), None);
        let (again, newer) = stripe.insert(cell(7));
        assert_eq!(again, index);
        assert!(
            newer > generation,
            "an entry used again has a new generation"
        );
    }

    #[test]
    fn chunks_are_given_back_and_their_generations_are_not_used_again() {
        let mut stripe = Stripe::default();
        let first: Vec<_> = (1..=3 * CHUNK).map(|n| stripe.insert(cell(n))).collect();
        for (index, _) in &first {
            stripe.release(*index);
        }
        assert_eq!(stripe.chunks.iter().flatten().count(), 1, "one is kept");
        assert_eq!(stripe.used(), 0);
        let second: Vec<_> = (1..=3 * CHUNK).map(|n| stripe.insert(cell(n))).collect();
        assert!(
            second.iter().all(|made| !first.contains(made)),
            "a pid of then means somebody of now"
        );
        assert_eq!(stripe.used(), 3 * CHUNK);
    }
}
