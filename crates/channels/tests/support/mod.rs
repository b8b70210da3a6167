//! A server of channels on a loopback port, and a client that shows every frame.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod client;
pub(crate) mod poll;
pub(crate) mod routes;

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;

use tokio::runtime::Runtime;
use vaxel_actor::System;
use vaxel_channels::{ChannelsNet, ChannelsProtocol, Endpoint, LongPoll, PresenceConfig, Socket};
use vaxel_net::NetConfig;

pub(crate) use client::Client;

/// A running server; dropping it ends it.
pub(crate) struct TestServer {
    pub(crate) net: ChannelsNet,
    pub(crate) endpoint: Endpoint,
    pub(crate) system: System,
    pub(crate) long_poll: LongPoll,
    _runtime: Runtime,
}

impl TestServer {
    /// Mounts one socket at `/socket`.
    pub(crate) fn start(socket: Socket) -> Self {
        Self::mount([("/socket".to_owned(), socket)])
    }

    /// Two workers, two shards, any free port.
    pub(crate) fn mount(sockets: impl IntoIterator<Item = (String, Socket)>) -> Self {
        Self::build(sockets, PresenceConfig::new())
    }

    /// One socket at `/socket`, and presence of one's own.
    pub(crate) fn with_presence(socket: Socket, presence: PresenceConfig) -> Self {
        Self::build([("/socket".to_owned(), socket)], presence)
    }

    fn build(
        sockets: impl IntoIterator<Item = (String, Socket)>,
        presence: PresenceConfig,
    ) -> Self {
        let runtime = Runtime::new().expect("a tokio runtime");
        let handle = runtime.handle().clone();
        let system = System::builder()
            .workers(2)
            .around_worker(move |work| {
                let _runtime = handle.enter();
                work();
            })
            .build();
        let mut config = NetConfig::new("127.0.0.1:0".parse().expect("an address"));
        config.shards = NonZero::new(2).expect("not zero");
        let protocol = ChannelsProtocol::new(system.clone(), sockets, config.shards.get());
        let protocol = protocol.presence(presence);
        let endpoint = protocol.endpoint().clone();
        let long_poll = protocol.long_poll();
        let router = axum::Router::new();
        let net = vaxel_net::start(config, protocol, router, runtime.handle().clone());
        let net = net.expect("a free port");
        system.add_flusher(Arc::new(net.flusher()));
        Self {
            net,
            endpoint,
            system,
            long_poll,
            _runtime: runtime,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.net.address()
    }

    /// A client that speaks V2.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address(), "/socket/websocket?vsn=2.0.0")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.net.shutdown();
        self.system.shutdown();
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let limit = std::time::Duration::from_secs(20);
    runtime.expect("a tokio runtime").block_on(async {
        tokio::time::timeout(limit, future)
            .await
            .expect("it happens within 20 s")
    })
}
