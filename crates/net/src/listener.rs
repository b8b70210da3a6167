//! Listening sockets, one per shard.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::StartError;

/// Connections that may wait for their accept, per shard.
const BACKLOG: i32 = 4096;

/// Opens `count` listeners on one address. The kernel spreads connections over them.
///
/// With SO_REUSEPORT alone a second server of the same user would share the port, and each would
/// get half of the clients. So a probe without it comes first: it fails when anybody listens.
pub(crate) fn listen(address: SocketAddr, count: usize) -> Result<Vec<OwnedFd>, StartError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken { address },
        _ => StartError::Bind { address, source },
    };
    if address.port() != 0 {
        open(address, false).map_err(failed)?;
    }
    let mut address = address;
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = open(address, true).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        if address.port() == 0 {
            address = local_address(&socket).map_err(failed)?;
        }
        listeners.push(socket.into());
    }
    Ok(listeners)
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

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket
        .local_addr()?
        .as_socket()
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
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

    #[test]
    fn accepted_sockets_do_not_delay() {
        let listeners = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let _client = TcpStream::connect(bound_address(&listeners[0]).unwrap()).unwrap();
        let (socket, peer) = accept(&listeners[0]).unwrap();
        assert!(rustix::net::sockopt::tcp_nodelay(&socket).unwrap());
        assert!(peer.is_some());
    }

    #[test]
    fn several_listeners_share_a_port_that_nobody_else_gets() {
        let listeners = listen("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = bound_address(&listeners[0]).unwrap();
        assert!(
            listeners
                .iter()
                .all(|other| bound_address(other).unwrap() == address)
        );
        let error = listen(address, 1).unwrap_err();
        assert!(matches!(error, StartError::Taken { address: taken } if taken == address));
    }
}
