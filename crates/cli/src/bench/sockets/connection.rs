//! One client: a socket, what is half read and half written, and what it waits for.

use std::{collections::VecDeque, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use vaxel_websocket::Decoder;

use super::seen::Seen;

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not connected yet, or given up.
    Absent,
    /// Waiting for the socket to become writable.
    Connecting,
    /// Waiting for the answer to the upgrade request.
    Upgrading,
    /// A WebSocket.
    Open,
    /// Joined to the topic.
    Joined,
}

/// A request that has not been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outstanding {
    pub(super) number: u64,
    /// When it was meant to be sent.
    pub(super) intended: u64,
}

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Option<OwnedFd>,
    pub(super) state: State,
    pub(super) decoder: Decoder,
    /// The bytes of an incomplete frame.
    pub(super) partial: Vec<u8>,
    unsent: Vec<u8>,
    /// When the last step, such as connecting, began.
    pub(super) began: u64,
    /// Requests in the order sent.
    pub(super) outstanding: VecDeque<Outstanding>,
    /// The broadcasts received.
    pub(super) seen: Seen,
}

impl Connection {
    pub(super) fn absent() -> Self {
        Self {
            socket: None,
            state: State::Absent,
            decoder: Decoder::new(),
            partial: Vec::new(),
            unsent: Vec::new(),
            began: 0,
            outstanding: VecDeque::new(),
            seen: Seen::default(),
        }
    }

    /// Sends `bytes`, or keeps what the socket does not take until it is writable.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let Some(socket) = &self.socket else {
            return Err(Errno::NOTCONN);
        };
        let mut sent = 0;
        if self.unsent.is_empty() {
            sent = match send(socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => sent,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                Err(error) => return Err(error),
            };
        }
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Sends what was kept.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn flush(&mut self) -> Result<(), Errno> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let kept = std::mem::take(&mut self.unsent);
        self.send(&kept)
    }

    /// Removes the request that `number` answers. Replies mostly come in the order of requests,
    /// though no server has to keep it.
    pub(super) fn answered(&mut self, number: u64) -> Option<Outstanding> {
        if self
            .outstanding
            .front()
            .is_some_and(|first| first.number == number)
        {
            return self.outstanding.pop_front();
        }
        let at = self
            .outstanding
            .iter()
            .position(|request| request.number == number)?;
        self.outstanding.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_matched_in_any_order_and_once() {
        let mut connection = Connection::absent();
        for number in 1..=3 {
            connection.outstanding.push_back(Outstanding {
                number,
                intended: number * 10,
            });
        }
        assert_eq!(connection.answered(2).unwrap().intended, 20);
        assert_eq!(connection.answered(1).unwrap().intended, 10);
        assert_eq!(connection.answered(2), None);
        assert_eq!(connection.answered(3).unwrap().intended, 30);
        assert!(connection.outstanding.is_empty());
    }

    #[test]
    fn what_a_socket_does_not_take_is_sent_later_and_in_order() {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let flags = SocketFlags::NONBLOCK;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        let mut connection = Connection::absent();
        connection.socket = Some(ours);
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| at as u8).collect();
        let (head, tail) = bytes.split_at(600_000);
        connection.send(head).unwrap();
        connection.send(tail).unwrap();
        assert!(
            !connection.unsent.is_empty(),
            "a million bytes fit into the socket"
        );
        let mut received = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        while received.len() < bytes.len() {
            let count = rustix::io::read(&theirs, &mut buffer).unwrap();
            received.extend_from_slice(&buffer[..count]);
            connection.flush().unwrap();
        }
        assert_eq!(received, bytes);
        assert!(connection.unsent.is_empty());
    }
}
