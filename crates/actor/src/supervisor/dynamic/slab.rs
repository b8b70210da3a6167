//! Where a supervisor keeps the children it was given later: stable indices, no copying.
//!
//! Values live in chunks, so a supervisor of a million children never moves them to grow, and a
//! chunk whose last value has left gives its memory back. A vector would need half a second to
//! copy at that size, in which no crash is answered, and would keep its memory after a storm.

/// Values per chunk.
const CHUNK: usize = 256;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with room, each once.
    open: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    /// Empty while the chunk holds nothing.
    slots: Box<[Option<T>]>,
    used: u16,
    /// No slot below is free.
    first_free: u16,
    is_open: bool,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            open: Vec::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The index that the next [`insert`](Self::insert) will return.
    pub(crate) fn next_index(&mut self) -> u32 {
        let at = self.open_chunk();
        let chunk = &mut self.chunks[at as usize];
        let slots = &chunk.slots;
        let free = (chunk.first_free..).find(|slot| slots[*slot as usize].is_none());
        chunk.first_free = free.expect("an open chunk has room");
        at * CHUNK as u32 + u32::from(chunk.first_free)
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let index = self.next_index();
        let at = index as usize / CHUNK;
        let chunk = &mut self.chunks[at];
        chunk.slots[index as usize % CHUNK] = Some(value);
        chunk.used += 1;
        self.len += 1;
        if chunk.used as usize == CHUNK {
            chunk.is_open = false;
            // It was the one on top, or the index would have come from another.
            self.open.pop();
        }
        index
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut(index as usize / CHUNK)?;
        chunk.slots.get_mut(index as usize % CHUNK)?.as_mut()
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let at = index as usize / CHUNK;
        let chunk = self.chunks.get_mut(at)?;
        let slot = index as usize % CHUNK;
        let value = chunk.slots.get_mut(slot)?.take()?;
        chunk.used -= 1;
        chunk.first_free = chunk.first_free.min(slot as u16);
        self.len -= 1;
        if chunk.used == 0 {
            chunk.slots = Box::default();
        }
        if !chunk.is_open {
            chunk.is_open = true;
            self.open.push(at as u32);
        }
        Some(value)
    }

    /// All values with their indices, in no promised order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            let slots = chunk.slots.iter().enumerate();
            slots.filter_map(move |(slot, value)| {
                Some(((at * CHUNK + slot) as u32, value.as_ref()?))
            })
        })
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> + use<T> {
        let chunks = std::mem::take(self).chunks;
        chunks.into_iter().flat_map(|chunk| chunk.slots).flatten()
    }

    /// A chunk with room and memory.
    fn open_chunk(&mut self) -> u32 {
        let at = self.open.last().copied().unwrap_or_else(|| {
            let at = self.chunks.len() as u32;
            let slots = Box::default();
            self.chunks.push(Chunk {
                slots,
                used: 0,
                first_free: 0,
                is_open: true,
            });
            self.open.push(at);
            at
        });
        let chunk = &mut self.chunks[at as usize];
        if chunk.slots.is_empty() {
            chunk.slots = (0..CHUNK).map(|_| None).collect();
            chunk.first_free = 0;
        }
        at
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn indices_are_stable_and_reused() {
        let mut slab = Slab::new();
        let indices: Vec<u32> = (0..1_000).map(|n| slab.insert(n)).collect();
        assert_eq!(slab.len(), 1_000);
        assert!(
            indices
                .iter()
                .enumerate()
                .all(|(n, index)| slab.get_mut(*index) == Some(&mut n.clone()))
        );
        assert_eq!(slab.remove(indices[300]), Some(300));
        assert_eq!(slab.remove(indices[300]), None);
        assert_eq!(slab.get_mut(indices[300]), None);
        assert_eq!(slab.next_index(), indices[300]);
        assert_eq!(slab.insert(7), indices[300]);
    }

    #[test]
    fn an_empty_chunk_gives_its_memory_back() {
        let mut slab = Slab::new();
        let indices: Vec<u32> = (0..10 * CHUNK).map(|n| slab.insert(n)).collect();
        for index in &indices {
            slab.remove(*index);
        }
        assert!(slab.chunks.iter().all(|chunk| chunk.slots.is_empty()));
        assert_eq!((slab.len(), slab.iter().count()), (0, 0));
        slab.insert(1);
        assert_eq!(slab.drain().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn it_agrees_with_a_map_under_any_order() {
        let (mut slab, mut map) = (Slab::new(), HashMap::new());
        let mut random = 1u64;
        for step in 0..20_000u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let victim = (random >> 33) as u32 % 2_000;
            if random >> 63 == 0 {
                let index = slab.insert(step);
                assert!(
                    map.insert(index, step).is_none(),
                    "index {index} was given twice"
                );
            } else {
                assert_eq!(slab.remove(victim), map.remove(&victim));
            }
        }
        assert_eq!(slab.len(), map.len());
        assert!(
            slab.iter()
                .all(|(index, value)| map.get(&index) == Some(value))
        );
    }
}
