//! What hyper reads and writes: a socket, or one under TLS.

use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::TlsSession;

/// Encrypted bytes that may wait for the socket.
const ENCRYPTED_BYTES_MAX: usize = 64 << 10;

/// A socket, with its session if it has one.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream, tls: Option<TlsSession>) -> Self {
        let mut tls = tls.map(TlsSession::into_inner);
        if let Some(tls) = &mut tls {
            tls.set_buffer_limit(Some(ENCRYPTED_BYTES_MAX));
        }
        Self { socket, tls }
    }

    /// Sends what is encrypted.
    fn poll_send(
        socket: &TcpStream,
        tls: &mut ServerConnection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while tls.wants_write() {
            ready!(socket.poll_write_ready(cx))?;
            match tls.write_tls(&mut NonBlocking(socket)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The socket as rustls reads and writes it; not to wait on.
struct NonBlocking<'a>(&'a TcpStream);

impl io::Read for NonBlocking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl io::Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, tls } = &mut *self;
        let Some(tls) = tls else {
            return Pin::new(socket).poll_read(cx, into);
        };
        loop {
            // Answers to the peer's own messages go out even while nothing else does.
            if let Poll::Ready(Err(error)) = Self::poll_send(socket, tls, cx) {
                return Poll::Ready(Err(error));
            }
            match tls.reader().read(into.initialize_unfilled()) {
                Ok(count) => {
                    into.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(socket.poll_read_ready(cx))?;
            match tls.read_tls(&mut NonBlocking(socket)) {
                Ok(_) => _ = tls.process_new_packets().map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, tls } = &mut *self;
        let Some(tls) = tls else {
            return Pin::new(socket).poll_write(cx, bytes);
        };
        let count = tls.writer().write(bytes)?;
        let sent = Self::poll_send(socket, tls, cx)?;
        if count > 0 || bytes.is_empty() {
            return Poll::Ready(Ok(count));
        }
        // There was no room; now there is, unless the socket has none.
        ready!(sent);
        Poll::Ready(Ok(tls.writer().write(bytes)?))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, tls } = &mut *self;
        match tls {
            Some(tls) => Self::poll_send(socket, tls, cx),
            None => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, tls } = &mut *self;
        if let Some(tls) = tls {
            tls.send_close_notify();
            ready!(Self::poll_send(socket, tls, cx))?;
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}
