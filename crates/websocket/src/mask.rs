//! Masking (RFC 6455, section 5.3).

/// Masks or unmasks `payload` in place; applying the same key twice restores it.
///
/// `payload` starts at the first byte of a frame's payload. Works on eight bytes at a time, which
/// the compiler widens to the vectors of the target.
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    let half = u64::from(u32::from_ne_bytes(key));
    let word = half << 32 | half;
    let mut words = payload.chunks_exact_mut(8);
    for chunk in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (at, byte) in words.into_remainder().iter_mut().enumerate() {
        *byte ^= key[at & 3];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::mask;

    proptest! {
        #[test]
        fn equals_the_definition(bytes: Vec<u8>, key: [u8; 4]) {
            let mut masked = bytes.clone();
            mask(&mut masked, key);
            let expected: Vec<u8> =
                bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            prop_assert_eq!(&masked, &expected);
            mask(&mut masked, key);
            prop_assert_eq!(masked, bytes);
        }
    }
}
