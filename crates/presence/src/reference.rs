//! Refs: the names of changes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The length of a ref as text: 12 bytes in base64.
pub(crate) const TEXT_BYTES: usize = 16;

/// The number of a node, by which its refs differ from those of others. Random at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(u32);

impl Node {
    pub(crate) fn random() -> Self {
        Self(getrandom::u32().expect("the system has randomness"))
    }

    /// The ref of a change of this node, as clients see it.
    pub(crate) fn reference(self, change: u64) -> [u8; TEXT_BYTES] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.0.to_be_bytes());
        bytes[4..].copy_from_slice(&change.to_be_bytes());
        let mut text = [0; TEXT_BYTES];
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(TEXT_BYTES));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_differ_by_node_and_by_change() {
        let (a, b) = (Node(1), Node(2));
        assert_eq!(&a.reference(1), b"AAAAAQAAAAAAAAAB");
        assert_ne!(a.reference(1), a.reference(2));
        assert_ne!(a.reference(1), b.reference(1));
    }
}
