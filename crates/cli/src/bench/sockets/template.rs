//! A frame that is sent again and again, encoded and masked once.

use vaxel_websocket::{Opcode, encode_masked};

/// Digits of a number in a frame. Leading zeros keep every frame of one kind equally long, which
/// is what lets two servers be compared byte for byte.
pub(super) const DIGITS: usize = 10;

/// What stands for the number in the text of a template.
pub(super) const BLANK: &str = "##########";

/// A masked text frame with room for one number.
///
/// The masking key is the same for every frame. A client that must defend itself against what its
/// pages can make it say draws a fresh one; for the server it makes no difference.
#[derive(Debug, Clone)]
pub(super) struct Template {
    frame: Vec<u8>,
    key: [u8; 4],
    /// Where the digits are: in the frame, and in the payload, which decides how they are masked.
    blank: Option<(usize, usize)>,
}

impl Template {
    /// Encodes `payload`, in which [`BLANK`] may stand once for a number.
    pub(super) fn new(payload: &str) -> Self {
        let key = [0x5a, 0x13, 0xc7, 0x8e];
        let mut frame = Vec::new();
        encode_masked(Opcode::Text, payload.as_bytes(), key, &mut frame);
        let payload_at = frame.len() - payload.len();
        let blank = payload.find(BLANK).map(|at| (payload_at + at, at));
        Self { frame, key, blank }
    }

    /// The frame with `number` in it, of which the last [`DIGITS`] digits are written.
    pub(super) fn stamp(&mut self, number: u64) -> &[u8] {
        if let Some((frame_at, payload_at)) = self.blank {
            let mut rest = number;
            for index in (0..DIGITS).rev() {
                let digit = b'0' + (rest % 10) as u8;
                rest /= 10;
                self.frame[frame_at + index] = digit ^ self.key[(payload_at + index) % 4];
            }
        }
        &self.frame
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use vaxel_websocket::{Config, Decoder, Message};

    use super::*;

    fn decoded(frame: &[u8]) -> String {
        let mut bytes = frame.to_vec();
        match Decoder::new()
            .decode(&Config::default(), &mut bytes)
            .unwrap()
            .message
        {
            Some(Message::Text(Cow::Borrowed(text))) => text.to_owned(),
            other => panic!("not a text: {other:?}"),
        }
    }

    #[test]
    fn numbers_are_stamped_through_the_mask_wherever_they_stand() {
        for before in ["", "a", "ab", "abc", &"x".repeat(300)] {
            let mut template = Template::new(&format!("{before}{BLANK}after"));
            assert_eq!(
                decoded(template.stamp(42)),
                format!("{before}0000000042after")
            );
            let next = decoded(template.stamp(9_876_543_210));
            assert_eq!(next, format!("{before}9876543210after"));
        }
    }

    #[test]
    fn a_frame_without_a_blank_stays_as_it_is() {
        assert_eq!(decoded(Template::new("hello").stamp(7)), "hello");
    }
}
