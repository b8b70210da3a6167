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

/// A queue of shared bytes. The first of them may be half written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
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

    /// Queues what is left of `piece` after its first `written` bytes.
    pub(crate) fn push(&mut self, mut piece: Bytes, written: usize) {
        self.is_first_begun |= self.pieces.is_empty() && written > 0;
        piece.advance(written);
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    /// Drops everything but a frame of which a part is on the wire already, since nothing can
    /// follow half a frame.
    pub(crate) fn drop_unbegun(&mut self) {
        self.pieces.truncate(usize::from(self.is_first_begun));
        self.pieces.shrink_to_fit();
        self.bytes = self.pieces.iter().map(Bytes::len).sum();
    }

    /// Writes as much as the socket takes; the bytes written, and whether anything is left.
    pub(crate) fn flush(&mut self, socket: &OwnedFd) -> Result<(usize, Flushed), Errno> {
        let mut total = 0;
        while !self.pieces.is_empty() {
            let slices: Vec<_> = self
                .pieces
                .iter()
                .take(PIECES_PER_CALL)
                .map(|piece| IoSlice::new(piece))
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
            if written < first.len() {
                self.is_first_begun |= written > 0;
                first.advance(written);
                return;
            }
            written -= first.len();
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
            outbox.push(piece, written);
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
        outbox.push(Bytes::from_static(b"whole"), 0);
        outbox.drop_unbegun();
        assert_eq!(outbox.weight(), 0);
        outbox.push(Bytes::from_static(b"begun"), 2);
        outbox.push(Bytes::from_static(b"whole"), 0);
        outbox.drop_unbegun();
        assert_eq!(outbox.pieces, [Bytes::from_static(b"gun")]);
        assert_eq!(outbox.weight(), 3 + PIECE_BYTES);
    }
}
