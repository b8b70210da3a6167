//! Where the clients connect to, and from where.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs},
    os::fd::OwnedFd,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use vaxel_websocket::handshake;

/// Connections from one source address. The kernel has about 28,000 ports for each, and looks
/// longer and longer for a free one as they run out.
const CONNECTIONS_PER_SOURCE: usize = 5_000;

/// A server's address and the request that opens a socket there.
#[derive(Debug, Clone)]
pub(super) struct Target {
    address: SocketAddr,
    /// The key of the handshake, the same for every connection.
    pub(super) key: String,
    /// The upgrade request as it is sent.
    pub(super) request: Vec<u8>,
}

impl Target {
    /// Reads a URL such as `ws://127.0.0.1:4000/socket`. The path of a Phoenix socket is
    /// completed to `/websocket` and `vsn=2.0.0` as phoenix.js does it.
    ///
    /// # Errors
    /// When it is no `ws` URL or its host has no address.
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        if url.starts_with("wss://") {
            bail!("{url}: TLS is not measured, give the server's ws:// address");
        }
        let rest = url
            .strip_prefix("ws://")
            .with_context(|| format!("{url}: not a ws:// URL"))?;
        let (host, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        ensure!(!host.is_empty(), "{url}: no host");
        let with_port = if has_port(host) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let address = with_port
            .to_socket_addrs()
            .with_context(|| format!("{url}: no address for {host}"))?
            // A name often has both, and only version 4 has many loopback addresses.
            .min_by_key(SocketAddr::is_ipv6)
            .with_context(|| format!("{url}: no address for {host}"))?;
        Ok(Self::new(address, host, &complete(path)))
    }

    /// The bare loop at `address`, which looks at no path.
    pub(super) fn bare(address: SocketAddr) -> Self {
        Self::new(address, &address.to_string(), &complete("/socket"))
    }

    fn new(address: SocketAddr, host: &str, path: &str) -> Self {
        let key = handshake::encode_key(*b"vaxel bench key!");
        let request = handshake::client_request(host, path, &key, &[], &[]);
        Self {
            address,
            key,
            request,
        }
    }

    /// Whether clients and server share this machine and its memory.
    pub(super) fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Starts to connect client `index`. Whether it worked is known when the socket is writable.
    ///
    /// When the server is on this machine the clients come from 127.0.0.2 onwards, since one
    /// address has too few ports. A closed socket is reset rather than shut down, so that ten
    /// thousand of them do not wait for a minute in the kernel's memory, which is being measured.
    pub(super) fn connect(&self, index: usize) -> io::Result<OwnedFd> {
        let domain = Domain::for_address(self.address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_linger(Some(Duration::ZERO))?;
        if self.address.is_ipv4() && self.is_loopback() {
            socket.bind(&SocketAddr::new(source(index), 0).into())?;
        }
        match socket.connect(&self.address.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(socket.into())
    }
}

const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

/// The loopback address of client `index`: 127.0.0.2 for the first five thousand, and so on
/// through the twenty-four bits there are.
fn source(index: usize) -> IpAddr {
    const FIRST: u32 = u32::from_be_bytes([127, 0, 0, 2]);
    const COUNT: u32 = (1 << 24) - 4;
    let step = u32::try_from(index / CONNECTIONS_PER_SOURCE).unwrap_or(u32::MAX) % COUNT;
    Ipv4Addr::from(FIRST + step).into()
}

fn has_port(host: &str) -> bool {
    // The colons of a version 6 address are inside brackets.
    host.rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        && !host.ends_with(']')
}

fn complete(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.trim_end_matches('/');
    let mut complete = path.to_owned();
    if !path.ends_with("/websocket") {
        complete.push_str("/websocket");
    }
    complete.push('?');
    if !query.is_empty() {
        complete.push_str(query);
    }
    if !query.split('&').any(|pair| pair.starts_with("vsn=")) {
        if !query.is_empty() {
            complete.push('&');
        }
        complete.push_str("vsn=2.0.0");
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_completed_as_phoenix_js_does_it() {
        for (given, complete_path) in [
            ("/socket", "/socket/websocket?vsn=2.0.0"),
            ("/socket/", "/socket/websocket?vsn=2.0.0"),
            ("/socket/websocket", "/socket/websocket?vsn=2.0.0"),
            ("/socket?token=a", "/socket/websocket?token=a&vsn=2.0.0"),
            ("/socket/websocket?vsn=1.0.0", "/socket/websocket?vsn=1.0.0"),
            ("/", "/websocket?vsn=2.0.0"),
        ] {
            assert_eq!(complete(given), complete_path, "{given}");
        }
    }

    #[test]
    fn urls_name_an_address_and_a_host() {
        let target = Target::parse("ws://127.0.0.1:4000/socket").unwrap();
        assert_eq!(target.address, "127.0.0.1:4000".parse().unwrap());
        assert!(target.is_loopback());
        let request = String::from_utf8(target.request).unwrap();
        assert!(
            request.starts_with("GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("host: 127.0.0.1:4000\r\n"), "{request}");
        assert_eq!(Target::parse("ws://127.0.0.1").unwrap().address.port(), 80);
        assert_eq!(
            Target::parse("ws://[::1]:4000/s").unwrap().address.port(),
            4000
        );
    }

    #[test]
    fn other_schemes_are_refused_with_a_reason() {
        let error = |url| Target::parse(url).unwrap_err().to_string();
        assert!(error("wss://127.0.0.1/socket").contains("TLS"));
        assert!(error("http://127.0.0.1/socket").contains("not a ws:// URL"));
        assert!(error("ws:///socket").contains("no host"));
    }

    #[test]
    fn sources_spread_over_the_loopback_network() {
        assert_eq!(source(0), IpAddr::from([127, 0, 0, 2]));
        assert_eq!(source(4_999), IpAddr::from([127, 0, 0, 2]));
        assert_eq!(source(5_000), IpAddr::from([127, 0, 0, 3]));
        assert_eq!(source(2_000_000), IpAddr::from([127, 0, 1, 146]));
        assert!(source(usize::MAX).is_loopback());
    }
}
