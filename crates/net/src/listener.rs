//! Listening sockets, one per shard.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::StartError;

/// Connections that may wait for their accept, per shard.
const BACKLOG: i32 = 4096;

/// Fails when anybody listens at `address`.
///
/// With SO_REUSEPORT alone a second server of the same user would share the port, and each would
/// get half of the clients. Without it the address cannot be bound while somebody listens there.
pub(crate) fn probe(address: SocketAddr) -> Result<(), StartError> {
    if address.port() != 0 {
        open(address, false).map_err(|source| failed(address, source))?;
    }
    Ok(())
}

/// Opens one of the sockets that share an address.
pub(crate) fn bind(address: SocketAddr) -> Result<OwnedFd, StartError> {
    let socket = open(address, true).map_err(|source| failed(address, source))?;
    Ok(socket.into())
}

/// Takes connections from now on. The kernel spreads them over all that listen.
pub(crate) fn listen(socket: &OwnedFd, address: SocketAddr) -> Result<(), StartError> {
    rustix::net::listen(socket, BACKLOG).map_err(|source| failed(address, source.into()))
}

fn failed(address: SocketAddr, source: io::Error) -> StartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken { address },
        _ => StartError::Bind { address, source },
    }
}

/// A bound socket. Accepted sockets inherit TCP_NODELAY, which saves a call for each of them.
fn open(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The address that a listener is bound to.
pub(crate) fn bound_address(listener: &OwnedFd) -> io::Result<SocketAddr> {
    Ok(rustix::net::getsockname(listener)?.try_into()?)
}

/// Accepts one connection, not blocking and closed on exec.
pub(crate) fn accept(listener: &OwnedFd) -> rustix::io::Result<(OwnedFd, Option<SocketAddr>)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer: SocketAddrAny| SocketAddr::try_from(peer).ok());
    Ok((socket, peer))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    const ANY: &str = "127.0.0.1:0";

    #[test]
    fn accepted_sockets_do_not_delay() {
        let listener = bind(ANY.parse().unwrap()).unwrap();
        let address = bound_address(&listener).unwrap();
        listen(&listener, address).unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (socket, peer) = accept(&listener).unwrap();
        assert!(rustix::net::sockopt::tcp_nodelay(&socket).unwrap());
        assert!(peer.is_some());
    }

    #[test]
    fn several_listeners_share_a_port_that_nobody_else_gets() {
        let first = bind(ANY.parse().unwrap()).unwrap();
        let address = bound_address(&first).unwrap();
        let second = bind(address).unwrap();
        listen(&first, address).unwrap();
        listen(&second, address).unwrap();
        assert_eq!(bound_address(&second).unwrap(), address);
        let error = probe(address).unwrap_err();
        assert!(matches!(error, StartError::Taken { address: taken } if taken == address));
    }
}
