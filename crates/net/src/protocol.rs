//! What an application of the connection plane implements.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use vaxel_websocket::handshake::RequestHead;
use vaxel_websocket::{CloseCode, ProtocolError};

use crate::inbox::ShardHandle;
use crate::io::{Connection, ConnectionId, ShardIo};

/// Gives WebSocket connections their meaning.
///
/// One value is shared by all shards; every callback runs on the thread of the connection's shard
/// and holds up all of its connections, so none may wait or compute for long. Code of the
/// application belongs into actors.
///
/// # Life of a connection
/// [`upgrade`](Self::upgrade), then [`opened`](Self::opened), then any number of
/// [`text`](Self::text) and [`binary`](Self::binary), then [`closed`](Self::closed) exactly once.
/// Pings, pongs, close frames, time-outs and limits are dealt with below this trait.
pub trait Protocol: Send + Sync + Sized + 'static {
    /// State of one connection. Lives in the shard's table, so a pointer-sized one is best.
    type Session: 'static;
    /// State of one shard, such as its subscriber tables.
    type Local: 'static;
    /// What other threads can ask of a shard, see [`ShardHandle::push`].
    type Command: Send + 'static;
    /// Held while a batch of callbacks runs, see [`pass`](Self::pass):
    /// [`Batch<'a>`](vaxel_runtime::Batch), or `()` when not needed.
    type Pass<'a>;

    /// Makes a shard's state, on its thread, before the first connection. The handle is the
    /// shard's own.
    fn local(&self, shard: &ShardHandle<Self::Command>) -> Self::Local;

    /// Called before the callbacks of a pass over the ready connections, and again before those
    /// of the inbox; dropped after the last of them. The place for
    /// [`System::batch`](vaxel_runtime::System::batch), so that workers are woken for a batch of
    /// messages and not for each.
    fn pass(&self) -> Self::Pass<'_>;

    /// Decides about the first request of a connection, whatever its method and path.
    ///
    /// Only the application's part: that the handshake is valid is checked afterwards. Accepting
    /// a request that is none refuses it with 400 (426 for another version of the protocol) and
    /// drops the session without [`closed`](Self::closed).
    fn upgrade(
        &self,
        local: &mut Self::Local,
        request: &UpgradeRequest<'_>,
    ) -> Upgrade<Self::Session>;

    /// The handshake has been answered; from now on frames can be sent.
    fn opened(&self, local: &mut Self::Local, connection: &mut Connection<'_, Self::Session>) {
        let _ = (local, connection);
    }

    /// A text message. On [`Flow::Pause`] the same text is offered again later.
    fn text(
        &self,
        local: &mut Self::Local,
        connection: &mut Connection<'_, Self::Session>,
        text: &str,
    ) -> Flow;

    /// A binary message. On [`Flow::Pause`] the same bytes are offered again later. Unless
    /// implemented, the connection is closed with 1003.
    fn binary(
        &self,
        local: &mut Self::Local,
        connection: &mut Connection<'_, Self::Session>,
        payload: &[u8],
    ) -> Flow {
        let _ = (local, connection, payload);
        Flow::Close(CloseCode::UNSUPPORTED, "text only".into())
    }

    /// A command from another thread, or from this one.
    fn command(
        &self,
        local: &mut Self::Local,
        io: &mut ShardIo<Self::Session>,
        command: Self::Command,
    );

    /// How long this client may be silent, where that is not
    /// [`Limits::idle_timeout`](crate::Limits). A shard looks at a connection every few hundred
    /// milliseconds, so a shorter time-out comes late by as much.
    fn idle_timeout(&self, session: &Self::Session) -> Option<Duration> {
        let _ = session;
        None
    }

    /// The connection has ended or begins to: nothing more is received or can be sent.
    fn closed(
        &self,
        local: &mut Self::Local,
        id: ConnectionId,
        session: Self::Session,
        reason: CloseReason,
    ) {
        let _ = (local, id, session, reason);
    }
}

/// What is to happen with a request.
#[derive(Debug)]
pub enum Upgrade<S> {
    /// It belongs to the HTTP service.
    NotMine,
    /// Answer with this status and an empty body, then close.
    Refuse {
        /// An HTTP status, such as 400 or 403.
        status: u16,
    },
    /// Open the connection.
    Accept {
        /// The state of the connection.
        session: S,
        /// One of those the client offered, to be named in the answer.
        subprotocol: Option<Cow<'static, str>>,
    },
    /// Decide later, in a command, by [`ShardIo::accept`] or [`ShardIo::refuse`] with
    /// [`UpgradeRequest::id`]. Until then nothing is read, and
    /// [`Limits::handshake_timeout`](crate::Limits::handshake_timeout) goes on.
    Defer,
}

/// What a message did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It was taken.
    Continue,
    /// It could not be taken, because somebody's mailbox is full. Nothing more is read from the
    /// connection, and the same message is offered again about every millisecond.
    Pause,
    /// Close the connection with this code and reason.
    Close(CloseCode, Cow<'static, str>),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent a close frame, with this code if any. It has been answered.
    Peer(Option<CloseCode>),
    /// The connection ended without a close frame.
    Gone,
    /// The client broke the protocol or exceeded a limit; closed with the error's code.
    Protocol(ProtocolError),
    /// The client was silent for too long; closed with 1001.
    Idle,
    /// The client read too slowly; closed with 1008.
    SlowConsumer,
    /// The client took too long over one message; closed with 1008.
    MessageTimeout,
    /// The protocol asked for it, by [`Flow::Close`], [`Connection::close`] or
    /// [`ShardIo::close`].
    Local(CloseCode),
    /// The server drains; closed with 1012.
    Drained,
    /// The server was shut down.
    Shutdown,
}

/// The first request of a connection; dereferences to its head.
#[derive(Debug)]
pub struct UpgradeRequest<'a> {
    pub(crate) head: &'a RequestHead<'a>,
    pub(crate) peer: SocketAddr,
    pub(crate) id: ConnectionId,
}

impl UpgradeRequest<'_> {
    /// Who asks. Behind a proxy, the proxy.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the connection is called from now on.
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}

impl<'a> Deref for UpgradeRequest<'a> {
    type Target = RequestHead<'a>;

    fn deref(&self) -> &RequestHead<'a> {
        self.head
    }
}
