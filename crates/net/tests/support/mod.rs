//! An echo server and a blocking client.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod client;

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use axum::Router;
use tokio::runtime::Runtime;
use vaxel_net::{
    CloseReason, Connection, ConnectionId, Flow, Limits, NetConfig, NetHandle, OutboxPolicy,
    Protocol, ShardHandle, ShardIo, StartError, Upgrade, UpgradeRequest,
};
use vaxel_websocket::{CloseCode, Frame};

pub(crate) use client::Client;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers every message with itself; a few texts mean something else.
pub(crate) struct Echo {
    events: mpsc::SyncSender<Event>,
    /// While set, no message is taken.
    is_full: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(crate) enum Event {
    Opened(ConnectionId, usize),
    Deferred(ConnectionId, usize),
    Closed(CloseReason),
    /// The answer to [`Command::Probe`].
    Outbox(usize),
}

#[derive(Debug)]
pub(crate) enum Command {
    Send(ConnectionId, String),
    SendWith(ConnectionId, Frame, OutboxPolicy),
    /// To all open connections of the shard.
    Broadcast(Frame),
    Probe(ConnectionId),
    Close(ConnectionId, CloseCode),
    Decide(ConnectionId, bool),
    Panic,
}

impl Protocol for Echo {
    type Session = Box<u32>;
    type Local = Vec<ConnectionId>;
    type Command = Command;
    type Pass<'a> = ();

    fn local(&self, _: &ShardHandle<Command>) -> Self::Local {
        Vec::new()
    }

    fn pass(&self) {}

    fn upgrade(&self, _: &mut Self::Local, request: &UpgradeRequest<'_>) -> Upgrade<Box<u32>> {
        assert!(request.peer().ip().is_loopback());
        match request.path() {
            "/echo" if request.method() != "GET" => Upgrade::Refuse { status: 400 },
            "/echo" => {
                let subprotocol = request.subprotocols().find(|name| *name == "phoenix");
                let subprotocol = subprotocol.map(|name| name.to_owned().into());
                Upgrade::Accept {
                    session: Box::new(7),
                    subprotocol,
                }
            }
            "/refused" => Upgrade::Refuse { status: 403 },
            "/deferred" => {
                self.events.send(Event::Deferred(request.id(), 0)).unwrap();
                Upgrade::Defer
            }
            _ => Upgrade::NotMine,
        }
    }

    fn opened(&self, local: &mut Self::Local, connection: &mut Connection<'_, Box<u32>>) {
        local.push(connection.id());
        self.events
            .send(Event::Opened(connection.id(), connection.shard()))
            .unwrap();
    }

    fn text(
        &self,
        _: &mut Self::Local,
        connection: &mut Connection<'_, Box<u32>>,
        text: &str,
    ) -> Flow {
        if self.is_full.load(SeqCst) {
            return Flow::Pause;
        }
        assert_eq!(connection.session().map(|session| **session), Some(7));
        match text {
            // Not a message on standard error.
            "panic" => resume_unwind(Box::new("asked for")),
            "close" => Flow::Close(CloseCode(4000), "as you wish".into()),
            _ => {
                connection.send(&Frame::text(text));
                Flow::Continue
            }
        }
    }

    fn binary(
        &self,
        _: &mut Self::Local,
        connection: &mut Connection<'_, Box<u32>>,
        payload: &[u8],
    ) -> Flow {
        connection.send(&Frame::binary(payload));
        Flow::Continue
    }

    fn command(&self, local: &mut Self::Local, io: &mut ShardIo<Box<u32>>, command: Command) {
        match command {
            Command::Send(id, text) => {
                io.send(id, &Frame::text(&text));
            }
            Command::SendWith(id, frame, policy) => {
                io.send_with(id, &frame, policy);
            }
            Command::Broadcast(frame) => {
                for id in local {
                    io.send(*id, &frame);
                }
            }
            Command::Probe(id) => self
                .events
                .send(Event::Outbox(io.outbox_bytes(id)))
                .unwrap(),
            Command::Close(id, code) => io.close(id, code, "told to"),
            Command::Decide(id, true) => {
                io.accept(id, Box::new(7), None).unwrap();
                io.send(id, &Frame::text("welcome"));
            }
            Command::Decide(id, false) => io.refuse(id, 401),
            Command::Panic => resume_unwind(Box::new("asked for")),
        }
    }

    fn closed(
        &self,
        local: &mut Self::Local,
        id: ConnectionId,
        session: Box<u32>,
        reason: CloseReason,
    ) {
        assert_eq!(*session, 7);
        local.retain(|other| *other != id);
        // The test may have ended already.
        let _ = self.events.send(Event::Closed(reason));
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) net: NetHandle<Command>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) is_full: Arc<AtomicBool>,
    pub(crate) runtime: Runtime,
}

impl Server {
    /// One shard with the default limits.
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::with(limits, 1, Router::new())
    }

    pub(crate) fn with(limits: Limits, shards: usize, router: Router) -> Self {
        Self::try_with("127.0.0.1:0", limits, shards, router).unwrap()
    }

    pub(crate) fn try_with(
        address: &str,
        limits: Limits,
        shards: usize,
        router: Router,
    ) -> Result<Self, StartError> {
        let mut config = NetConfig::new(address.parse().unwrap());
        config.shards = NonZero::new(shards).unwrap();
        config.limits = limits;
        Self::with_config(config, router)
    }

    pub(crate) fn with_config(config: NetConfig, router: Router) -> Result<Self, StartError> {
        let (sender, events) = mpsc::sync_channel(1 << 10);
        let is_full = Arc::new(AtomicBool::new(false));
        let protocol = Echo {
            events: sender,
            is_full: Arc::clone(&is_full),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.unwrap();
        let net = vaxel_net::start(config, protocol, router, runtime.handle().clone())?;
        Ok(Self {
            net,
            events,
            is_full,
            runtime,
        })
    }

    /// An open WebSocket.
    pub(crate) fn connect(&self) -> Client {
        let mut client = Client::new(self.net.address());
        client.upgrade("/echo");
        client
    }

    /// An open WebSocket and what the server calls it.
    pub(crate) fn connect_named(&self) -> (Client, ConnectionId, &ShardHandle<Command>) {
        let client = self.connect();
        let (id, shard) = self.opened();
        (client, id, &self.net.shards()[shard])
    }

    pub(crate) fn event(&self, awaited: &str) -> Event {
        match self.events.recv_timeout(PATIENCE) {
            Ok(event) => event,
            Err(error) => panic!("awaited {awaited}: {error}"),
        }
    }

    pub(crate) fn opened(&self) -> (ConnectionId, usize) {
        match self.event("an open connection") {
            Event::Opened(id, shard) => (id, shard),
            other => panic!("awaited an open connection, got {other:?}"),
        }
    }

    /// The reason of the next end of a connection, whatever happens before it.
    pub(crate) fn closed(&self) -> CloseReason {
        loop {
            if let Event::Closed(reason) = self.event("the end of a connection") {
                return reason;
            }
        }
    }

    pub(crate) fn outbox_bytes(&self, id: ConnectionId, shard: &ShardHandle<Command>) -> usize {
        shard.push(Command::Probe(id)).unwrap();
        loop {
            if let Event::Outbox(bytes) = self.event("the bytes of an outbox") {
                return bytes;
            }
        }
    }

    /// A fresh connection is served: the shard lives.
    pub(crate) fn assert_serves(&self) {
        let mut client = self.connect();
        client.send_text("still there?");
        client.expect_text("still there?");
    }
}

/// Polls a counter that no event announces.
pub(crate) fn wait_until(awaited: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "awaited {awaited}");
        std::thread::yield_now();
    }
}
