//! One connection's session.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustls::ServerConnection;

use crate::outbox::{Flushed, send_now};

/// The state of TLS on one connection, some seven kilobytes.
#[derive(Debug)]
pub(crate) struct TlsSession {
    connection: Box<ServerConnection>,
}

/// What came out of some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decrypted {
    /// The peer may send more.
    Open,
    /// The peer has said that nothing follows.
    Closed,
}

impl TlsSession {
    pub(crate) fn new(mut connection: ServerConnection) -> Self {
        // Encrypted bytes are bounded by whoever encrypts: one frame at a time.
        connection.set_buffer_limit(None);
        Self {
            connection: Box::new(connection),
        }
    }

    /// Decrypts `input` and appends what comes out. After an error the session can only be
    /// flushed, so that the peer is told, and dropped.
    pub(crate) fn decrypt(
        &mut self,
        mut input: &[u8],
        into: &mut Vec<u8>,
    ) -> io::Result<Decrypted> {
        while !input.is_empty() {
            self.connection.read_tls(&mut input)?;
            let state = self.connection.process_new_packets();
            let state = state.map_err(io::Error::other)?;
            let start = into.len();
            into.resize(start + state.plaintext_bytes_to_read(), 0);
            self.connection.reader().read_exact(&mut into[start..])?;
            if state.peer_has_closed() {
                return Ok(Decrypted::Closed);
            }
        }
        Ok(Decrypted::Open)
    }

    /// Whether encrypted bytes wait for the socket. Until they are gone nothing more is to be
    /// encrypted.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Encrypts; [`flush`](Self::flush) sends.
    pub(crate) fn encrypt(&mut self, bytes: &[u8]) {
        // Writing to memory without a limit does not fail.
        let _ = self.connection.writer().write_all(bytes);
    }

    /// Tells the peer that nothing follows; [`flush`](Self::flush) sends.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Writes as many encrypted bytes as the socket takes.
    pub(crate) fn flush(&mut self, socket: &OwnedFd) -> Result<(usize, Flushed), Errno> {
        let mut total = 0;
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(socket)) {
                Ok(written) => total += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((total, Flushed::Some));
                }
                Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::PIPE)),
            }
        }
        Ok((total, Flushed::All))
    }

    pub(crate) fn into_inner(self) -> Box<ServerConnection> {
        self.connection
    }
}

/// A socket as rustls writes to it.
struct Socket<'a>(&'a OwnedFd);

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match send_now(self.0, bytes)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
