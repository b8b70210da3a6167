//! What waits for a slow socket.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use bytes::{Buf, Bytes};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};

/// Counted for each waiting piece on top of its bytes: its place in the queue and what the
/// allocator needs.
const PIECE_BYTES: usize = 64;

/// Pieces given to the kernel in one call.
const PIECES_PER_CALL: usize = 64;

/// What happens with a frame that a slow client's socket does not take.
///
/// A client is slow when the kernel's buffers for it are full, some megabytes after it stopped
/// reading. Its frames then wait in an outbox, bounded by
/// [`Limits::outbox_bytes_max`](crate::Limits::outbox_bytes_max).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutboxPolicy {
    /// Every frame counts: when one does not fit, the connection is closed with 1008
    /// (`slow_consumers`).
    #[default]
    Close,
    /// The frame may be missed: when it does not fit, it is dropped (`frames_dropped`).
    Drop,
    /// Only the newest frame of its kind counts: one with the same key that still waits is taken
    /// out (`frames_conflated`), and this one waits behind all others. When it does not fit even
    /// so, the connection is closed, since a client that misses the newest would be wrong for
    /// good.
    Conflate {
        /// What makes two frames of a kind: a keyed hash of topic and event, say.
        key: u64,
    },
}

impl OutboxPolicy {
    fn key(self) -> Option<u64> {
        match self {
            Self::Conflate { key } => Some(key),
            Self::Close | Self::Drop => None,
        }
    }
}

/// A frame, or what is left of it.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    key: Option<u64>,
}

/// A queue of shared bytes. The first of them may be half written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Piece>,
    bytes: usize,
    is_first_begun: bool,
}

/// How far a flush came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    All,
    Some,
}

impl Outbox {
    /// Bytes that count against the bound.
    pub(crate) fn weight(&self) -> usize {
        self.bytes + self.pieces.len() * PIECE_BYTES
    }

    /// What `bytes` more would weigh.
    pub(crate) fn weight_with(&self, bytes: usize) -> usize {
        self.weight() + bytes + PIECE_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Queues what is left of `bytes` after the first `written` of them.
    pub(crate) fn push(&mut self, mut bytes: Bytes, written: usize, policy: OutboxPolicy) {
        self.is_first_begun |= self.pieces.is_empty() && written > 0;
        bytes.advance(written);
        self.bytes += bytes.len();
        let key = policy.key();
        self.pieces.push_back(Piece { bytes, key });
    }

    /// Takes out what a frame of this policy replaces; whether there was anything.
    ///
    /// There is one such frame at most, and the newest are looked at first: the price is one step
    /// for each frame that was queued since.
    pub(crate) fn conflate(&mut self, policy: OutboxPolicy) -> bool {
        let Some(key) = policy.key() else {
            return false;
        };
        let unbegun = usize::from(self.is_first_begun)..self.pieces.len();
        let mut found = unbegun.rev().filter(|at| self.pieces[*at].key == Some(key));
        let Some(replaced) = found.next().and_then(|at| self.pieces.remove(at)) else {
            return false;
        };
        self.bytes -= replaced.bytes.len();
        true
    }

    /// Drops everything but a frame of which a part is on the wire already, since nothing can
    /// follow half a frame.
    pub(crate) fn drop_unbegun(&mut self) {
        self.pieces.truncate(usize::from(self.is_first_begun));
        self.pieces.shrink_to_fit();
        self.bytes = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
    }

    /// Takes the first out, which is not half written.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes.len();
        Some(piece.bytes)
    }

    /// Writes as much as the socket takes; the bytes written, and whether anything is left.
    pub(crate) fn flush(&mut self, socket: &OwnedFd) -> Result<(usize, Flushed), Errno> {
        let mut total = 0;
        while !self.pieces.is_empty() {
            let slices: Vec<_> = self
                .pieces
                .iter()
                .take(PIECES_PER_CALL)
                .map(|piece| IoSlice::new(&piece.bytes))
                .collect();
            let mut nothing = SendAncillaryBuffer::default();
            match sendmsg(socket, &slices, &mut nothing, FLAGS) {
                Ok(written) => {
                    total += written;
                    self.advance(written);
                }
                Err(Errno::AGAIN) => return Ok((total, Flushed::Some)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((total, Flushed::All))
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.pieces.front_mut() {
            if written < first.bytes.len() {
                self.is_first_begun |= written > 0;
                first.bytes.advance(written);
                return;
            }
            written -= first.bytes.len();
            self.pieces.pop_front();
            self.is_first_begun = false;
        }
    }
}

const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// Writes what the socket takes at once; zero when its buffer is full.
pub(crate) fn send_now(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    loop {
        match send(socket, bytes, FLAGS) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(0),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn everything_arrives_in_order_and_the_weight_returns_to_zero() {
        let (server, mut client) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = OwnedFd::from(server);
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        for number in 0..500u32 {
            let piece = Bytes::from(vec![number as u8; 3_000]);
            let written = if number == 0 { 7 } else { 0 };
            expected.extend_from_slice(&piece[written..]);
            outbox.push(piece, written, OutboxPolicy::Close);
        }
        assert_eq!(outbox.weight(), expected.len() + 500 * PIECE_BYTES);
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            received
        });
        while outbox.flush(&server).unwrap().1 == Flushed::Some {
            std::thread::yield_now();
        }
        assert_eq!(outbox.weight(), 0);
        drop(server);
        assert!(reader.join().unwrap() == expected);
    }

    #[test]
    fn only_a_begun_frame_survives() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"whole"), 0, OutboxPolicy::Close);
        outbox.drop_unbegun();
        assert_eq!(outbox.weight(), 0);
        outbox.push(Bytes::from_static(b"begun"), 2, OutboxPolicy::Close);
        outbox.push(Bytes::from_static(b"whole"), 0, OutboxPolicy::Close);
        outbox.drop_unbegun();
        assert_eq!(waiting(&outbox), ["gun"]);
        assert_eq!(outbox.weight(), 3 + PIECE_BYTES);
    }

    fn waiting(outbox: &Outbox) -> Vec<&str> {
        let pieces = outbox.pieces.iter();
        pieces
            .map(|piece| std::str::from_utf8(&piece.bytes).unwrap())
            .collect()
    }

    #[test]
    fn the_newest_of_a_kind_takes_the_place_of_what_waits() {
        let of = |key| OutboxPolicy::Conflate { key };
        let mut outbox = Outbox::default();
        let mut send = |text: &'static str, written, policy| {
            let is_replaced = outbox.conflate(policy);
            outbox.push(Bytes::from_static(text.as_bytes()), written, policy);
            is_replaced
        };
        assert!(!send("a1", 1, of(1)));
        assert!(!send("a2", 0, of(1)), "half a frame cannot be taken back");
        assert!(!send("x", 0, OutboxPolicy::Close));
        assert!(!send("b1", 0, of(2)));
        assert!(send("a3", 0, of(1)));
        assert!(!send("x", 0, OutboxPolicy::Drop));
        assert_eq!(waiting(&outbox), ["1", "x", "b1", "a3", "x"]);
        assert_eq!(outbox.weight(), 7 + 5 * PIECE_BYTES);
    }
}
