//! What waits for a long-poll client.

use vaxel_net::OutboxPolicy;
use vaxel_websocket::Frame;

/// The frames that wait for a client, up to a number of bytes.
#[derive(Debug)]
pub(super) struct Outbox {
    pieces: Vec<Piece>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Piece {
    frame: Frame,
    /// What makes two frames of a kind, where only the newest counts.
    key: Option<u64>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Waits,
    /// One of its kind made way for it.
    Conflated,
    /// It may be missed, and there was no room.
    Dropped,
    /// There was no room for one that may not be missed.
    Full,
}

impl Outbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            pieces: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Keeps a frame by the rules of a connection's outbox; see [`OutboxPolicy`].
    pub(super) fn push(&mut self, frame: Frame, policy: OutboxPolicy) -> Pushed {
        let key = match policy {
            OutboxPolicy::Conflate { key } => Some(key),
            _ => None,
        };
        let is_conflated = self.conflate(key);
        if self.bytes + frame.as_bytes().len() > self.bytes_max {
            return match policy {
                OutboxPolicy::Drop => Pushed::Dropped,
                _ => Pushed::Full,
            };
        }
        self.bytes += frame.as_bytes().len();
        self.pieces.push(Piece { frame, key });
        match is_conflated {
            true => Pushed::Conflated,
            false => Pushed::Waits,
        }
    }

    /// Takes out the frame that one with this key replaces; whether there was one.
    fn conflate(&mut self, key: Option<u64>) -> bool {
        let is_replaced = |piece: &Piece| key.is_some() && piece.key == key;
        let Some(at) = self.pieces.iter().rposition(is_replaced) else {
            return false;
        };
        self.bytes -= self.pieces.remove(at).frame.as_bytes().len();
        true
    }

    /// Everything that waits, in order.
    pub(super) fn take(&mut self) -> Vec<Frame> {
        self.bytes = 0;
        let pieces = std::mem::take(&mut self.pieces);
        pieces.into_iter().map(|piece| piece.frame).collect()
    }

    /// Puts back what was taken and could not be delivered; nothing has been pushed since.
    pub(super) fn put_back(&mut self, frames: Vec<Frame>) {
        self.bytes = frames.iter().map(|frame| frame.as_bytes().len()).sum();
        let pieces = frames.into_iter().map(|frame| Piece { frame, key: None });
        self.pieces = pieces.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFLATE: OutboxPolicy = OutboxPolicy::Conflate { key: 7 };

    fn outbox() -> Outbox {
        Outbox::new(2 * Frame::text("1").as_bytes().len())
    }

    fn texts(frames: &[Frame]) -> Vec<&[u8]> {
        frames.iter().map(Frame::payload).collect()
    }

    #[test]
    fn what_may_be_missed_is_dropped_and_what_may_not_is_too_much() {
        let mut outbox = outbox();
        for (text, policy, pushed) in [
            ("1", OutboxPolicy::Close, Pushed::Waits),
            ("2", OutboxPolicy::Drop, Pushed::Waits),
            ("3", OutboxPolicy::Drop, Pushed::Dropped),
            ("4", OutboxPolicy::Close, Pushed::Full),
            ("5", CONFLATE, Pushed::Full),
        ] {
            assert_eq!(outbox.push(Frame::text(text), policy), pushed, "{text}");
        }
        assert_eq!(texts(&outbox.take()), [b"1", b"2"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn of_what_replaces_each_other_the_newest_waits_behind_the_others() {
        let mut outbox = outbox();
        let pushed = [("1", CONFLATE), ("2", OutboxPolicy::Close), ("3", CONFLATE)]
            .map(|(text, policy)| outbox.push(Frame::text(text), policy));
        assert_eq!(pushed, [Pushed::Waits, Pushed::Waits, Pushed::Conflated]);
        let frames = outbox.take();
        assert_eq!(texts(&frames), [b"2", b"3"]);
        outbox.put_back(frames);
        let pushed = outbox.push(Frame::text("4"), OutboxPolicy::Close);
        assert_eq!(pushed, Pushed::Full);
    }
}
