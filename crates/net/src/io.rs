//! Sending and closing: what callbacks can do with connections.

mod entry;
mod poll;
mod sending;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::net::Shutdown;
use slab::Slab;
use vaxel_websocket::deflate::{self, Agreement, Deflater};
use vaxel_websocket::handshake::{self, RequestHead};
use vaxel_websocket::{CloseCode, Frame};

use crate::admission::Admission;
use crate::counters::Counters;
use crate::limits::Limits;
use crate::outbox::OutboxPolicy;
use crate::protocol::CloseReason;
pub(crate) use entry::{Backlog, Entry, Held, State};
pub(crate) use poll::{Interest, Poll, Ready, Source};

/// Names one connection of one shard, for as long as the shard lives: a slot that is used again
/// gets another key. (After 2³² connections of one shard, keys repeat.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) key: u32,
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionId({}.{})", self.slot, self.key)
    }
}

/// All connections of one shard, as callbacks see them.
pub struct ShardIo<S> {
    pub(crate) shard: usize,
    pub(crate) poll: Poll,
    pub(crate) table: Slab<Entry<S>>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) admission: Arc<Admission>,
    /// There when connections may be compressed.
    pub(crate) deflater: Option<Deflater>,
    /// The shard's coarse clock, in ticks.
    pub(crate) now: u32,
    /// Connections whose end the protocol has not been told of, or that are to be removed.
    pub(crate) ended: Vec<(ConnectionId, CloseReason)>,
    /// Connections whose kept input is to be offered (again).
    pub(crate) resumable: Vec<ConnectionId>,
    /// Connections that have used up their second.
    pub(crate) throttled: Vec<ConnectionId>,
}

impl<S> fmt::Debug for ShardIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.table.len();
        f.debug_struct("ShardIo")
            .field("shard", &self.shard)
            .field("connections", &connections)
            .finish()
    }
}

impl<S> ShardIo<S> {
    /// The shard's number.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Whether the connection is open, so that frames can be sent and its session is there.
    pub fn is_open(&self, id: ConnectionId) -> bool {
        self.entry(id).is_some_and(Entry::is_open)
    }

    /// The connection, if it is open.
    pub fn connection(&mut self, id: ConnectionId) -> Option<Connection<'_, S>> {
        self.is_open(id).then_some(Connection { io: self, id })
    }

    /// The connection's session, if it is open.
    pub fn session(&mut self, id: ConnectionId) -> Option<&mut S> {
        let entry = self.entry_mut(id)?;
        if entry.is_open() {
            entry.session.as_mut()
        } else {
            None
        }
    }

    /// Sends a frame. False when the connection is not open, or has just been closed because too
    /// much waits for it already.
    ///
    /// Never waits and allocates nothing when the socket takes the whole frame; otherwise the
    /// frame's bytes are shared, up to [`Limits::outbox_bytes_max`].
    pub fn send(&mut self, id: ConnectionId, frame: &Frame) -> bool {
        self.send_with(id, frame, OutboxPolicy::Close)
    }

    /// The same with another policy for a client that reads too slowly. False also when the frame
    /// was dropped.
    pub fn send_with(&mut self, id: ConnectionId, frame: &Frame, policy: OutboxPolicy) -> bool {
        self.is_open(id) && self.write(id, frame, policy)
    }

    /// What waits for the connection's socket, in bytes, with 64 for each waiting frame. For
    /// protocols that would rather drop or conflate than have a slow client closed.
    pub fn outbox_bytes(&self, id: ConnectionId) -> usize {
        self.entry(id)
            .and_then(Entry::outbox)
            .map_or(0, super::outbox::Outbox::weight)
    }

    /// Closes an open connection: what waits is sent first, then the close frame.
    ///
    /// A server never begins a close with 1000, which tells clients that nobody needs them any
    /// more, so that some do not come back; 1001 is sent in its place.
    pub fn close(&mut self, id: ConnectionId, code: CloseCode, reason: &str) {
        let code = match code {
            CloseCode::NORMAL => CloseCode::GOING_AWAY,
            code => code,
        };
        if self.is_open(id) {
            self.begin_close(
                id,
                Some(Frame::close(code, reason)),
                CloseReason::Local(code),
            );
        }
    }

    /// Opens a connection whose request was deferred ([`Upgrade::Defer`](crate::Upgrade)). Frames
    /// can be sent from now on; [`Protocol::opened`](crate::Protocol::opened) follows. The session
    /// comes back when the connection has gone or its request was no valid handshake.
    pub fn accept(
        &mut self,
        id: ConnectionId,
        session: S,
        subprotocol: Option<&str>,
    ) -> Result<(), S> {
        let Some(entry) = self.entry_mut(id) else {
            return Err(session);
        };
        if entry.state != State::Deferred {
            return Err(session);
        }
        let head = std::mem::take(&mut entry.backlog_mut().partial);
        let used = self.answer_handshake(id, &head, session, subprotocol)?;
        if let Some(entry) = self.entry_mut(id) {
            entry.keep_partial(head, used);
        }
        self.resumable.push(id);
        Ok(())
    }

    /// Refuses a deferred request with this HTTP status and an empty body.
    pub fn refuse(&mut self, id: ConnectionId, status: u16) {
        if self
            .entry(id)
            .is_some_and(|entry| entry.state == State::Deferred)
        {
            self.answer_refusal(id, status);
        }
    }

    pub(crate) fn entry(&self, id: ConnectionId) -> Option<&Entry<S>> {
        self.table
            .get(id.slot as usize)
            .filter(|entry| entry.key == id.key)
    }

    pub(crate) fn entry_mut(&mut self, id: ConnectionId) -> Option<&mut Entry<S>> {
        self.table
            .get_mut(id.slot as usize)
            .filter(|entry| entry.key == id.key)
    }

    /// Answers the handshake at the start of `head` and opens the connection; the bytes of the
    /// head. A request that is no valid handshake is refused instead.
    pub(crate) fn answer_handshake(
        &mut self,
        id: ConnectionId,
        head: &[u8],
        session: S,
        subprotocol: Option<&str>,
    ) -> Result<usize, S> {
        let Ok(Some(request)) = RequestHead::parse(head) else {
            return Err(session);
        };
        let key = match request.websocket_key() {
            Ok(key) => key,
            Err(error) => {
                self.answer_refusal(id, error.status());
                return Err(session);
            }
        };
        let agreement = match self.deflater {
            Some(_) => deflate::negotiate(request.extensions()),
            None => None,
        };
        let now = self.now;
        let Some(entry) = self.entry_mut(id) else {
            return Err(session);
        };
        entry.state = State::Accepted;
        entry.session = Some(session);
        entry.seen = now;
        entry.deflate = agreement.map(Agreement::window_bits);
        self.counters.handshakes.add(1);
        self.counters.websockets_open.add(1);
        self.write_bytes(
            id,
            handshake::accept_with(key, subprotocol, agreement).into(),
        );
        Ok(request.head_bytes())
    }

    /// Answers a request with a status and no body, and closes.
    pub(crate) fn answer_refusal(&mut self, id: ConnectionId, status: u16) {
        self.counters.handshakes_refused.add(1);
        let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::FORBIDDEN);
        let version = match status {
            http::StatusCode::UPGRADE_REQUIRED => {
                "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            }
            _ => "",
        };
        let answer = format!(
            "HTTP/1.1 {} {}\r\n{version}content-length: 0\r\nconnection: close\r\n\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or(""),
        );
        self.begin_end(id, Some(answer.into()), CloseReason::Gone);
    }

    /// Sends a close frame and goes on as [`begin_end`](Self::begin_end).
    pub(crate) fn begin_close(
        &mut self,
        id: ConnectionId,
        frame: Option<Frame>,
        reason: CloseReason,
    ) {
        if frame.is_some() {
            self.counters.frames_out.add(1);
        }
        self.begin_end(id, frame.map(Frame::into_bytes), reason);
    }

    /// Begins the end: the last bytes are written, then our direction is shut down, then whatever
    /// comes is read and forgotten until the client closes too or `close_timeout` has passed.
    ///
    /// Closing at once instead would make the kernel answer unread input with a reset, and the
    /// client might never see the last bytes.
    fn begin_end(&mut self, id: ConnectionId, last: Option<Bytes>, reason: CloseReason) {
        let now = self.now;
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if matches!(entry.state, State::Closing | State::Broken) {
            return;
        }
        let was_open = entry.is_open();
        entry.state = State::Closing;
        entry.seen = now;
        entry.forget_input();
        self.ended.push((id, reason));
        self.counters.websockets_open.sub(u64::from(was_open));
        if let Some(last) = last {
            self.write_bytes(id, last);
        }
        self.finish_if_flushed(id);
        self.update_interest(id);
    }

    /// Shuts our direction down when a closing connection has nothing left to write.
    fn finish_if_flushed(&mut self, id: ConnectionId) {
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if entry.state == State::Closing && !entry.has_unsent() {
            if let Some(Backlog { tls: Some(tls), .. }) = entry.backlog.as_deref_mut() {
                tls.close();
                // A peer that does not take these few bytes learns it from the shutdown.
                let _ = tls.flush(&entry.socket);
            }
            // Fails only when the client has gone, which the next read finds.
            let _ = rustix::net::shutdown(&entry.socket, Shutdown::Write);
        }
    }

    /// The connection is of no more use. Its entry is removed at the end of the pass.
    pub(crate) fn fail(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        if entry.state != State::Broken {
            let was_open = entry.is_open();
            entry.state = State::Broken;
            entry.forget_input();
            self.ended.push((id, reason));
            self.counters.websockets_open.sub(u64::from(was_open));
        }
    }

    /// Tells the kernel what the connection waits for, if that has changed.
    pub(crate) fn update_interest(&mut self, id: ConnectionId) {
        let Some(entry) = self.table.get_mut(id.slot as usize) else {
            return;
        };
        let interest = entry.wanted_interest();
        if entry.interest != interest && entry.state != State::Broken {
            entry.interest = interest;
            if self.poll.modify(&entry.socket, id, interest).is_err() {
                self.fail(id, CloseReason::Gone);
            }
        }
    }
}

/// One open connection inside a callback.
#[derive(Debug)]
pub struct Connection<'a, S> {
    pub(crate) io: &'a mut ShardIo<S>,
    pub(crate) id: ConnectionId,
}

impl<S> Connection<'_, S> {
    /// What the connection is called in commands.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The number of its shard.
    pub fn shard(&self) -> usize {
        self.io.shard
    }

    /// Its session; `None` when this callback has closed the connection already and the session
    /// is on its way to [`Protocol::closed`](crate::Protocol::closed).
    pub fn session(&mut self) -> Option<&mut S> {
        self.io.session(self.id)
    }

    /// Sends a frame, see [`ShardIo::send`].
    pub fn send(&mut self, frame: &Frame) -> bool {
        self.io.send(self.id, frame)
    }

    /// Sends a frame with another policy, see [`ShardIo::send_with`].
    pub fn send_with(&mut self, frame: &Frame, policy: OutboxPolicy) -> bool {
        self.io.send_with(self.id, frame, policy)
    }

    /// What waits for its socket, see [`ShardIo::outbox_bytes`].
    pub fn outbox_bytes(&self) -> usize {
        self.io.outbox_bytes(self.id)
    }

    /// Closes it, see [`ShardIo::close`].
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.io.close(self.id, code, reason);
    }
}
