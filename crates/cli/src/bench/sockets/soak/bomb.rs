//! A message that is small on the wire and large when inflated.

use std::num::NonZero;

use vaxel_websocket::{
    Frame, Opcode,
    deflate::{Compression, Deflater},
    encode_masked,
};

/// Inflated: eighty times what the server takes.
const BYTES: usize = 10 << 20;
const WINDOW_BITS: NonZero<u8> = NonZero::new(15).expect("not zero");
/// The bit of a compressed message in the first byte of its frame.
const COMPRESSED: u8 = 0x40;

/// The masked frame.
pub(super) fn bomb() -> Vec<u8> {
    let frame = Frame::text(&"0".repeat(BYTES));
    let mut deflater = Deflater::new(Compression::default());
    let compressed = frame.compressed(WINDOW_BITS, &mut deflater);
    let compressed = compressed.as_slice();
    let mut bomb = Vec::new();
    encode_masked(Opcode::Text, payload(compressed), [9, 8, 7, 6], &mut bomb);
    bomb[0] |= compressed[0] & COMPRESSED;
    bomb
}

/// What follows the header of a frame without a mask.
fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    &frame[header..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_small_and_marked_as_compressed() {
        let bomb = bomb();
        assert!(bomb.len() < 128 << 10, "{} bytes", bomb.len());
        assert_eq!(bomb[0], 0x80 | COMPRESSED | 1);
    }
}
