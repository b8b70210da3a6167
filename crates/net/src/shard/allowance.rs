//! How much a connection may send in a second.
//!
//! What a connection has used is one number, in which its frames and its bytes are added up with
//! weights: four bytes for each connection, and one comparison for each frame.

use crate::limits::Limits;

/// Weights of frames and bytes, so that a second's allowance is [`FULL`](Self::FULL).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    frame: u32,
    /// Shifted by [`BYTE_SHIFT`], since a byte can weigh less than one.
    byte: u64,
}

const BYTE_SHIFT: u32 = 16;

impl Allowance {
    pub(crate) const FULL: u32 = 1 << 30;

    pub(crate) fn new(limits: &Limits) -> Self {
        let full = u64::from(Self::FULL);
        let frames_max = limits.frames_per_second_max.max(1);
        let bytes_max = (limits.bytes_per_second_max as u64).max(1);
        Self {
            frame: (Self::FULL / frames_max).max(1),
            byte: (full << BYTE_SHIFT) / bytes_max,
        }
    }

    /// Adds a frame.
    pub(crate) fn add_frame(self, used: &mut u32) {
        *used = used.saturating_add(self.frame);
    }

    /// Adds bytes.
    pub(crate) fn add_bytes(self, used: &mut u32, bytes: usize) {
        let weight = (self.byte.saturating_mul(bytes as u64)) >> BYTE_SHIFT;
        *used = used.saturating_add(u32::try_from(weight).unwrap_or(u32::MAX));
    }

    pub(crate) fn is_used_up(used: u32) -> bool {
        used >= Self::FULL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(frames_per_second_max: u32, bytes_per_second_max: usize) -> Allowance {
        Allowance::new(&Limits {
            frames_per_second_max,
            bytes_per_second_max,
            ..Limits::default()
        })
    }

    /// Frames of so many bytes that fit into a second.
    fn frames(allowance: Allowance, bytes: usize) -> u32 {
        let (mut used, mut count) = (0, 0);
        while !Allowance::is_used_up(used) && count < 1_000_000 {
            allowance.add_bytes(&mut used, bytes);
            allowance.add_frame(&mut used);
            count += 1;
        }
        count
    }

    #[test]
    fn frames_and_bytes_draw_on_one_allowance() {
        assert!((100..=101).contains(&frames(allowance(100, 1 << 30), 0)));
        assert!((1_000..=1_001).contains(&frames(allowance(u32::MAX, 1_000_000), 1_000)));
        assert!((500..=501).contains(&frames(allowance(1_000, 1_000_000), 1_000)));
        assert_eq!(frames(allowance(u32::MAX, usize::MAX), 6), 1_000_000);
    }
}
