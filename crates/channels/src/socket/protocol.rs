//! Channels as a protocol of the connection plane.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use vaxel_actor::System;
use vaxel_net::{
    CloseReason, Connection, ConnectionId, Flow, Protocol, ShardHandle, ShardIo, Upgrade,
    UpgradeRequest,
};
use vaxel_presence::PresenceConfig;
use vaxel_pubsub::{Broadcast, Seat, SubscriberTable};
use vaxel_runtime::Batch;
use vaxel_websocket::{CloseCode, Frame};

use crate::assigns::Assigns;
use crate::channel::membership::{Address, Membership};
use crate::counters::ShardCounters;
use crate::endpoint::{DISCONNECT, Endpoint, Probed};
use crate::params;
use crate::poll::LongPoll;
use crate::socket::Socket;
use crate::socket::command::{Command, Encoded, Ending};
use crate::socket::connect::{self, ConnectRequest, Pending};
use crate::socket::dispatch::{self, Outcome, Raw};
use crate::socket::home::{self, Figure, Home};
use crate::socket::mount::Mount;
use crate::socket::session::Session;
use crate::socket::subprotocol::{Offer, PHOENIX};
use crate::vsn::Version;

/// Channels as a protocol of the connection plane: give it to `vaxel_net::start`.
pub struct ChannelsProtocol {
    endpoint: Endpoint,
    mounts: Arc<[Mount]>,
}

/// What one shard keeps: who listens to what.
pub struct Local {
    shard: usize,
    v1: SubscriberTable<Listener>,
    v2: SubscriberTable<Listener>,
    /// Connections by their socket id.
    ids: SubscriberTable<ConnectionId>,
    next_number: u32,
}

/// Twelve bytes, so that a broadcast walks over as little memory as possible.
#[derive(Clone, Copy, Debug)]
struct Listener {
    connection: ConnectionId,
    /// The number of the join; the highest bit says that the channel intercepts some events.
    number: u32,
}

const INTERCEPTS: u32 = 1 << 31;

impl Listener {
    fn new(connection: ConnectionId, membership: &Membership) -> Self {
        let flag = if membership.intercepts { INTERCEPTS } else { 0 };
        Self {
            connection,
            number: membership.number | flag,
        }
    }

    fn number(self) -> u32 {
        self.number & !INTERCEPTS
    }

    fn intercepts(self) -> bool {
        self.number & INTERCEPTS != 0
    }
}

impl ChannelsProtocol {
    /// Sockets by the paths they are mounted at, for `shards` shards; channels run in `system`.
    ///
    /// The WebSocket of a socket at `/socket` is `/socket/websocket`. A segment of a path may be
    /// a variable, as in `/ws/:user_id`, whose value becomes a connect param.
    ///
    /// # Panics
    /// With more than 65,535 sockets or shards.
    pub fn new(
        system: System,
        sockets: impl IntoIterator<Item = (String, Socket)>,
        shards: usize,
    ) -> Self {
        let mounts: Vec<Mount> = sockets
            .into_iter()
            .map(|(path, socket)| Mount::new(&path, socket))
            .collect();
        assert!(
            mounts.len().max(shards) <= usize::from(u16::MAX),
            "too many sockets or shards"
        );
        let endpoint = Endpoint::new(system, shards);
        let windows = mounts.iter().flat_map(|mount| mount.socket.windows());
        let windows = windows.map(|(pattern, window)| {
            let matches = move |topic: &str| pattern.matches(topic).is_some();
            (Box::new(matches) as _, window)
        });
        endpoint.pubsub().keep_histories(windows.collect());
        let slow = mounts.iter().flat_map(|mount| mount.socket.slow_topics());
        endpoint.set_slow(slow.collect());
        Self {
            endpoint,
            mounts: mounts.into(),
        }
    }

    /// The long-poll transport of the same sockets, for requests over HTTP.
    pub fn long_poll(&self) -> LongPoll {
        LongPoll::new(self.endpoint.clone(), self.mounts.clone())
    }

    /// Sets the bounds of presence and its hook.
    #[must_use]
    pub fn presence(self, config: PresenceConfig) -> Self {
        self.endpoint.presence_with(|| config);
        self
    }

    /// Where broadcasts go in.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Decides about a request for the socket at `mount`.
    fn connect(
        &self,
        local: &Local,
        mount: usize,
        variables: Map<String, Value>,
        request: &UpgradeRequest<'_>,
    ) -> Upgrade<Box<Session>> {
        if !request.is_upgrade() {
            return Upgrade::Refuse { status: 400 };
        }
        let socket = &self.mounts[mount].socket;
        let mut params = params::parse(request.query());
        let (origin, host) = (request.header("origin"), request.header("host"));
        let offer = Offer::read(request.subprotocols());
        let is_acceptable = !socket.reads_auth_token || offer.is_acceptable();
        let version = connect::version(socket, &params, origin, host);
        let Some(version) = version.filter(|_| is_acceptable) else {
            return Upgrade::Refuse { status: 403 };
        };
        let takes_hints = params.contains_key("vx");
        params.extend(variables);
        let number = u16::try_from(mount).expect("checked when made");
        let Some(hook) = &socket.connect else {
            let mut session = Session::new(number, version);
            session.takes_hints = takes_hints;
            return Upgrade::Accept {
                session,
                subprotocol: offer.has_phoenix.then_some(PHOENIX.into()),
            };
        };
        let pending = Pending {
            connection: request.id(),
            mount: number,
            version,
            has_subprotocol: offer.has_phoenix,
            takes_hints,
        };
        let request = ConnectRequest::upgrade(socket, params, request, offer);
        let connections_max = socket.limits.connections_per_token_max;
        let decision = connect::decide(&self.endpoint, connections_max, hook.clone(), request);
        connect::run(&self.endpoint, local.shard, pending, decision);
        Upgrade::Defer
    }
}

impl Protocol for ChannelsProtocol {
    type Session = Box<Session>;
    type Local = Local;
    type Command = Command;
    type Pass<'a> = Batch<'a>;

    fn local(&self, shard: &ShardHandle<Command>) -> Local {
        self.endpoint.shard_started(shard);
        let (v1, v2) = (SubscriberTable::new(), SubscriberTable::new());
        Local {
            shard: shard.index(),
            v1,
            v2,
            ids: SubscriberTable::new(),
            next_number: 0,
        }
    }

    fn pass(&self) -> Batch<'_> {
        self.endpoint.system().batch()
    }

    fn upgrade(&self, local: &mut Local, request: &UpgradeRequest<'_>) -> Upgrade<Box<Session>> {
        let found =
            self.mounts.iter().enumerate().find_map(|(mount, known)| {
                Some((mount, known.matches(request.path(), "websocket")?))
            });
        match found {
            Some((mount, variables)) => self.connect(local, mount, variables, request),
            None => Upgrade::NotMine,
        }
    }

    fn text(
        &self,
        local: &mut Local,
        connection: &mut Connection<'_, Box<Session>>,
        text: &str,
    ) -> Flow {
        self.frame(local, connection, Raw::Text(text))
    }

    fn binary(
        &self,
        local: &mut Local,
        connection: &mut Connection<'_, Box<Session>>,
        payload: &[u8],
    ) -> Flow {
        self.frame(local, connection, Raw::Binary(payload))
    }

    fn command(&self, local: &mut Local, io: &mut ShardIo<Box<Session>>, command: Command) {
        match command {
            Command::Send { connection, frame } => _ = io.send(connection, &frame),
            Command::Broadcast(encoded) => self.broadcast(local, io, &encoded),
            Command::Joined { membership, reply } => self.joined(local, io, &membership, reply),
            Command::Ended {
                membership,
                ending,
                frame,
            } => {
                self.ended(local, io, &membership, ending, frame);
            }
            // Meant for a long-poll session, which is not here.
            Command::Push(_) => {}
            // Whoever probes and does not keep up misses one.
            Command::Probe { to, sent } => _ = to.cast(Probed { sent }),
            Command::Connected { pending, outcome } => match outcome {
                Ok(assigns) => self.connected(local, io, pending, assigns),
                Err(refusal) => io.refuse(pending.connection, refusal.status()),
            },
        }
    }

    fn idle_timeout(&self, session: &Box<Session>) -> Option<Duration> {
        self.mounts[usize::from(session.mount)].socket.idle_timeout
    }

    fn closed(
        &self,
        local: &mut Local,
        connection: ConnectionId,
        mut session: Box<Session>,
        _: CloseReason,
    ) {
        if let Some(seat) = session.id_seat.take() {
            local.ids.leave(seat);
        }
        home::closed(&mut self.home(local, connection), &mut session);
    }
}

impl ChannelsProtocol {
    fn frame(
        &self,
        local: &mut Local,
        connection: &mut Connection<'_, Box<Session>>,
        raw: Raw<'_>,
    ) -> Flow {
        let mut home = self.home(local, connection.id());
        let Some(session) = connection.session() else {
            return Flow::Continue;
        };
        let socket = &self.mounts[usize::from(session.mount)].socket;
        match dispatch::take(socket, &mut home, session, raw) {
            Outcome::Done => Flow::Continue,
            Outcome::Answer(frame) => {
                connection.send(&frame);
                Flow::Continue
            }
            Outcome::Pause(_) => Flow::Pause,
            Outcome::Malformed => {
                Flow::Close(CloseCode::INTERNAL_ERROR, "malformed message".into())
            }
        }
    }

    /// Opens a connection whose hook has said yes.
    fn connected(
        &self,
        local: &mut Local,
        io: &mut ShardIo<Box<Session>>,
        pending: Pending,
        assigns: Assigns,
    ) {
        let Pending {
            connection,
            mount,
            version,
            has_subprotocol,
            takes_hints,
        } = pending;
        let socket_id = assigns.socket_id().cloned();
        let mut session = Session::new(mount, version);
        session.takes_hints = takes_hints;
        let home = self.home(local, connection);
        session.assign(&self.endpoint, assigns, || home.address());
        let subprotocol = has_subprotocol.then_some(PHOENIX);
        // A client that has gone meanwhile needs no answer.
        if io.accept(connection, session, subprotocol).is_err() {
            return;
        }
        if let (Some(id), Some(session)) = (socket_id, io.session(connection)) {
            session.id_seat = Some(local.ids.join(&id, connection));
        }
    }

    /// Closes the connections of a socket id.
    fn disconnect(&self, local: &Local, io: &mut ShardIo<Box<Session>>, socket_id: &str) {
        let connections: Vec<ConnectionId> = local.ids.subscribers(socket_id).copied().collect();
        let counters = self.endpoint.shard_counters(local.shard);
        counters.disconnects.add(connections.len() as u64);
        for connection in connections {
            io.close(connection, CloseCode::GOING_AWAY, DISCONNECT);
        }
    }

    /// Whether the broadcast went through the listener's channel.
    fn intercept(
        &self,
        local: &mut Local,
        io: &mut ShardIo<Box<Session>>,
        listener: Listener,
        broadcast: &Broadcast,
    ) -> bool {
        let home = self.home(local, listener.connection);
        let Some(session) = io.session(listener.connection) else {
            return false;
        };
        let socket = &self.mounts[usize::from(session.mount)].socket;
        let position = session.position_of(listener.number());
        position.is_some_and(|at| home::intercept(&home, socket, session, at, broadcast))
    }

    fn broadcast(&self, local: &mut Local, io: &mut ShardIo<Box<Session>>, encoded: &Encoded) {
        let topic = encoded.broadcast.topic();
        if encoded.broadcast.event() == DISCONNECT {
            self.disconnect(local, io, topic);
        }
        let excluded = match encoded.broadcast.origin() {
            Some(origin) if origin.shard as usize == local.shard => Some(origin.subscriber),
            _ => None,
        };
        let (mut deliveries, policy) = (0, encoded.policy);
        // Empty, and so without memory, unless channels of the topic intercept something.
        let mut intercepting = Vec::new();
        for version in [Version::V2, Version::V1] {
            let subscribers = local.table(version).subscribers(topic);
            if subscribers.len() == 0 {
                continue;
            }
            let frame = encoded.frame(version);
            for listener in subscribers {
                if listener.intercepts() {
                    intercepting.push(*listener);
                } else if Some(listener.number) != excluded
                    && frame.is_some_and(|frame| io.send_with(listener.connection, frame, policy))
                {
                    deliveries += 1;
                }
            }
            for listener in intercepting.drain(..) {
                if Some(listener.number()) != excluded
                    && !self.intercept(local, io, listener, &encoded.broadcast)
                    && frame.is_some_and(|frame| io.send_with(listener.connection, frame, policy))
                {
                    deliveries += 1;
                }
            }
        }
        self.endpoint
            .shard_counters(local.shard)
            .deliveries
            .add(deliveries);
    }

    /// Subscribes, then sends the reply. Broadcasts are commands too, so none comes in between.
    fn joined(
        &self,
        local: &mut Local,
        io: &mut ShardIo<Box<Session>>,
        membership: &Membership,
        reply: Frame,
    ) {
        let Address::Shard { connection, .. } = membership.link.address else {
            return;
        };
        let mut home = self.home(local, connection);
        let session = io.session(connection).map(|session| &mut **session);
        for frame in home::joined(&mut home, session, membership, reply) {
            io.send(connection, &frame);
        }
    }

    fn ended(
        &self,
        local: &mut Local,
        io: &mut ShardIo<Box<Session>>,
        membership: &Membership,
        ending: Ending,
        frame: Frame,
    ) {
        let Address::Shard { connection, .. } = membership.link.address else {
            return;
        };
        let mut home = self.home(local, connection);
        let session = io.session(connection).map(|session| &mut **session);
        for frame in home::ended(&mut home, session, membership, ending, frame) {
            io.send(connection, &frame);
        }
    }

    fn home<'a>(&'a self, local: &'a mut Local, connection: ConnectionId) -> ShardHome<'a> {
        ShardHome {
            endpoint: &self.endpoint,
            counters: self.endpoint.shard_counters(local.shard),
            local,
            connection,
        }
    }
}

/// A shard, as the home of one connection's session.
struct ShardHome<'a> {
    endpoint: &'a Endpoint,
    counters: &'a ShardCounters,
    local: &'a mut Local,
    connection: ConnectionId,
}

impl Home for ShardHome<'_> {
    fn endpoint(&self) -> &Endpoint {
        self.endpoint
    }

    fn address(&self) -> Address {
        Address::Shard {
            connection: self.connection,
            shard: u16::try_from(self.local.shard).expect("fewer than 65,536 shards"),
        }
    }

    fn intern(&self, version: Version, topic: &str) -> Arc<str> {
        match version {
            Version::V1 => self.local.v1.intern(topic),
            Version::V2 => self.local.v2.intern(topic),
        }
    }

    fn next_number(&mut self) -> u32 {
        self.local.next_number = (self.local.next_number + 1) & !INTERCEPTS;
        self.local.next_number
    }

    /// The list of subscribers and broadcasts meet on the shard's own thread.
    fn listen(&mut self, _: &Arc<str>, _: u32) {}

    fn seat(&mut self, membership: &Membership) -> Option<Seat> {
        let listener = Listener::new(self.connection, membership);
        let table = self.local.table(membership.link.version);
        Some(table.join(membership.topic.shared(), listener))
    }

    fn vacate(&mut self, version: Version, _: u32, seat: Option<Seat>) {
        if let Some(seat) = seat {
            self.local.table(version).leave(seat);
        }
    }

    fn add(&self, figure: Figure, n: u64) {
        figure(self.counters).add(n);
    }

    fn subtract(&self, figure: Figure, n: u64) {
        figure(self.counters).subtract(n);
    }
}

impl Local {
    fn table(&mut self, version: Version) -> &mut SubscriberTable<Listener> {
        match version {
            Version::V1 => &mut self.v1,
            Version::V2 => &mut self.v2,
        }
    }
}
