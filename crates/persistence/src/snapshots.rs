//! When snapshots are taken, and what is stored of them.

use crate::codec::{Codec, DecodeError, EncodeError};
use crate::event_sourced::EventSourced;

/// When a snapshot is taken, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    every: u64,
    keep: usize,
}

impl Snapshots {
    /// No snapshots: every recovery begins at the first event.
    pub const NEVER: Self = Snapshots { every: 0, keep: 0 };

    /// One after so many events. Two are kept unless told otherwise.
    pub const fn every(events: u64) -> Self {
        Snapshots {
            every: events,
            keep: 2,
        }
    }

    /// How many are kept: where the newest is damaged, the one before is used. At least one.
    #[must_use]
    pub const fn keep(self, keep: usize) -> Self {
        Snapshots {
            keep: if keep == 0 { 1 } else { keep },
            ..self
        }
    }

    pub(crate) fn are_kept(self) -> usize {
        self.keep
    }

    /// Whether one is due between two sequence numbers.
    pub(crate) fn is_due(self, before: u64, after: u64) -> bool {
        self.every > 0 && before / self.every != after / self.every
    }

    pub(crate) fn are_taken(self) -> bool {
        self.every > 0
    }
}

/// A snapshot, behind a checksum: half of one is not taken for a whole.
pub(crate) fn encode<S: EventSourced>(state: &S) -> Result<Vec<u8>, EncodeError> {
    let encoded = S::Format::encode(state)?;
    let mut payload = crc32fast::hash(&encoded).to_le_bytes().to_vec();
    payload.extend_from_slice(&encoded);
    Ok(payload)
}

pub(crate) fn decode<S: EventSourced>(version: u16, payload: &[u8]) -> Result<S, DecodeError> {
    if version != S::SNAPSHOT_VERSION {
        return Err(DecodeError::new(format!("it has version {version}")));
    }
    let (sum, encoded) = payload
        .split_first_chunk::<4>()
        .ok_or_else(|| DecodeError::new("it is cut off"))?;
    if crc32fast::hash(encoded).to_le_bytes() != *sum {
        return Err(DecodeError::new("its checksum is wrong"));
    }
    S::Format::decode(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_due_whenever_the_number_is_passed() {
        let snapshots = Snapshots::every(10);
        assert!(!snapshots.is_due(0, 9));
        assert!(snapshots.is_due(9, 10) && snapshots.is_due(8, 31));
        assert!(!snapshots.is_due(10, 19));
        assert!(!Snapshots::NEVER.is_due(0, 1_000));
    }
}
