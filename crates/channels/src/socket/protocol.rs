//! Channels as a protocol of the connection plane.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use vaxel_actor::System;
use vaxel_net::{
    CloseReason, Connection, ConnectionId, Flow, Protocol, ShardHandle, ShardIo, Upgrade,
    UpgradeRequest,
};
use vaxel_pubsub::{Seat, SubscriberTable};
use vaxel_runtime::Batch;
use vaxel_websocket::{CloseCode, Frame};

use crate::channel::membership::Membership;
use crate::endpoint::{Endpoint, Probed};
use crate::socket::Socket;
use crate::socket::command::{Command, Encoded, Ending};
use crate::socket::connect::{self, ConnectRequest, Pending};
use crate::socket::dispatch;
use crate::socket::mount::Mount;
use crate::socket::session::{Phase, Session};
use crate::vsn::Version;
use crate::{params, serializer};

/// Channels as a protocol of the connection plane: give it to `vaxel_net::start`.
pub struct ChannelsProtocol {
    endpoint: Endpoint,
    mounts: Vec<Mount>,
}

/// What one shard keeps: who listens to what.
pub struct Local {
    shard: usize,
    v1: SubscriberTable<Listener>,
    v2: SubscriberTable<Listener>,
    next_number: u32,
}

#[derive(Clone, Copy, Debug)]
struct Listener {
    connection: ConnectionId,
    number: u32,
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
        Self {
            endpoint: Endpoint::new(system, shards),
            mounts,
        }
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
        let mut params = params::parse(request.query());
        let version = match params.get("vsn") {
            None => Version::select(None),
            Some(Value::String(vsn)) => Version::select(Some(vsn)),
            Some(_) => None,
        };
        let Some(version) = version else {
            return Upgrade::Refuse { status: 403 };
        };
        params.extend(variables);
        let number = u16::try_from(mount).expect("checked when made");
        let Some(hook) = &self.mounts[mount].socket.connect else {
            return Upgrade::Accept {
                session: Session::new(number, version),
                subprotocol: None,
            };
        };
        let pending = Pending {
            connection: request.id(),
            mount: number,
            version,
        };
        let request = ConnectRequest::new(params, request);
        connect::run(&self.endpoint, local.shard, pending, hook.clone(), request);
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
            next_number: 0,
        }
    }

    fn pass(&self) -> Batch<'_> {
        self.endpoint.system().batch()
    }

    fn upgrade(&self, local: &mut Local, request: &UpgradeRequest<'_>) -> Upgrade<Box<Session>> {
        let found = self
            .mounts
            .iter()
            .enumerate()
            .find_map(|(mount, known)| Some((mount, known.matches(request.path())?)));
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
        let Some(session) = connection.session() else {
            return Flow::Continue;
        };
        let socket = &self.mounts[usize::from(session.mount)].socket;
        dispatch::text(&self.endpoint, socket, local, connection, text)
    }

    fn binary(
        &self,
        local: &mut Local,
        _: &mut Connection<'_, Box<Session>>,
        payload: &[u8],
    ) -> Flow {
        if serializer::is_binary_push(payload) {
            return Flow::Close(
                CloseCode::UNSUPPORTED,
                "binary payloads are not supported".into(),
            );
        }
        self.endpoint.shard_counters(local.shard).malformed.add(1);
        Flow::Close(CloseCode::INTERNAL_ERROR, "malformed message".into())
    }

    fn command(&self, local: &mut Local, io: &mut ShardIo<Box<Session>>, command: Command) {
        match command {
            Command::Send { connection, frame } => _ = io.send(connection, &frame),
            Command::Broadcast(encoded) => self.broadcast(local, io, &encoded),
            Command::Joined { membership, reply } => self.joined(local, io, &membership, &reply),
            Command::Ended {
                membership,
                ending,
                frame,
            } => {
                self.ended(local, io, &membership, ending, &frame);
            }
            // Whoever probes and does not keep up misses one.
            Command::Probe { to, sent } => _ = to.cast(Probed { sent }),
            Command::Connected { pending, outcome } => match outcome {
                Ok(assigns) => {
                    let Pending {
                        connection,
                        mount,
                        version,
                    } = pending;
                    let mut session = Session::new(mount, version);
                    session.assign(&self.endpoint, assigns, connection, local.shard);
                    // A client that has gone meanwhile needs no answer.
                    _ = io.accept(connection, session, None);
                }
                Err(refusal) => io.refuse(pending.connection, refusal.status()),
            },
        }
    }

    fn idle_timeout(&self, session: &Box<Session>) -> Option<Duration> {
        self.mounts[usize::from(session.mount)].socket.idle_timeout
    }

    fn closed(&self, local: &mut Local, _: ConnectionId, session: Box<Session>, _: CloseReason) {
        for mut entry in session.channels {
            if let Some(seat) = entry.seat.take() {
                local.leave(session.version, seat);
                self.endpoint
                    .shard_counters(local.shard)
                    .channels
                    .subtract(1);
            }
            entry.inbox.erase().shutdown();
        }
    }
}

impl ChannelsProtocol {
    fn broadcast(&self, local: &Local, io: &mut ShardIo<Box<Session>>, encoded: &Encoded) {
        let topic = encoded.broadcast.topic();
        let excluded = match encoded.broadcast.origin() {
            Some(origin) if origin.shard as usize == local.shard => Some(origin.subscriber),
            _ => None,
        };
        let mut deliveries = 0;
        for (version, table) in [(Version::V2, &local.v2), (Version::V1, &local.v1)] {
            let subscribers = table.subscribers(topic);
            if subscribers.len() == 0 {
                continue;
            }
            let frame = encoded.frame(version);
            for listener in subscribers {
                if Some(listener.number) != excluded && io.send(listener.connection, frame) {
                    deliveries += 1;
                }
            }
        }
        self.endpoint
            .shard_counters(local.shard)
            .deliveries
            .add(deliveries);
    }

    /// Subscribes, then sends the reply and the end of a channel that was replaced. Broadcasts
    /// are commands too, so none comes in between.
    fn joined(
        &self,
        local: &mut Local,
        io: &mut ShardIo<Box<Session>>,
        membership: &Arc<Membership>,
        reply: &Frame,
    ) {
        let connection = membership.link.connection;
        let counters = self.endpoint.shard_counters(local.shard);
        counters.joins_accepted.add(1);
        let Some(session) = io.session(connection) else {
            return;
        };
        let Some(position) = session.position_of(membership.number) else {
            return;
        };
        let entry = &mut session.channels[position];
        let listener = Listener {
            connection,
            number: membership.number,
        };
        let table = local.table(membership.link.version);
        entry.seat = Some(table.join(membership.topic.shared(), listener));
        entry.phase = Phase::Joined;
        let previous = entry.previous.take();
        counters.channels.add(1);
        io.send(connection, reply);
        if let Some(previous) = previous {
            io.send(connection, &previous.membership.close_frame());
        }
    }

    fn ended(
        &self,
        local: &mut Local,
        io: &mut ShardIo<Box<Session>>,
        membership: &Arc<Membership>,
        ending: Ending,
        frame: &Frame,
    ) {
        let connection = membership.link.connection;
        let counters = self.endpoint.shard_counters(local.shard);
        match ending {
            Ending::Refused => counters.joins_refused.add(1),
            Ending::JoinCrashed => counters.joins_crashed.add(1),
            Ending::Crashed => counters.channels_crashed.add(1),
            Ending::Closed => {}
        }
        let Some(session) = io.session(connection) else {
            return;
        };
        let Some(position) = session.position_of(membership.number) else {
            if session.take_leaving(membership.number) {
                io.send(connection, frame);
            }
            return;
        };
        let mut entry = session.remove(position);
        if let Some(seat) = entry.seat.take() {
            local.leave(membership.link.version, seat);
            counters.channels.subtract(1);
        }
        io.send(connection, frame);
        if let Some(previous) = entry.previous {
            io.send(connection, &previous.membership.close_frame());
        }
    }
}

impl Local {
    fn table(&mut self, version: Version) -> &mut SubscriberTable<Listener> {
        match version {
            Version::V1 => &mut self.v1,
            Version::V2 => &mut self.v2,
        }
    }

    pub(super) fn leave(&mut self, version: Version, seat: Seat) {
        self.table(version).leave(seat);
    }

    pub(super) fn intern(&mut self, version: Version, topic: &str) -> Arc<str> {
        self.table(version).intern(topic)
    }

    pub(super) fn next_number(&mut self) -> u32 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }
}
