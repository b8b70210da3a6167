//! One thread of the bare loop: an epoll, a listener, a table of connections.

use std::{
    io, mem,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{
    buffer::spare_capacity,
    event::{
        EventfdFlags,
        epoll::{self, EventData, EventFlags},
        eventfd,
    },
    io::Errno,
    net::{SendFlags, SocketFlags, accept_with, send},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::frames::{self, FRAME_BYTES_MAX, Request, Wanted};

const LISTENER: u64 = u64::MAX;
const INBOX: u64 = u64::MAX - 1;
/// Connections that have not been accepted yet, and connections accepted in one go.
const BACKLOG: i32 = 4_096;
const ACCEPTS_PER_PASS: usize = 256;
const EVENTS_PER_PASS: usize = 1_024;

/// What the shards of one loop share: where to leave a broadcast for the others, and the end.
pub(super) struct Shared {
    pub(super) stop: AtomicBool,
    inboxes: Vec<Inbox>,
}

struct Inbox {
    wake: OwnedFd,
    broadcasts: Mutex<Vec<Arc<[u8]>>>,
}

impl Shared {
    pub(super) fn new(shards: usize) -> io::Result<Self> {
        let inbox = |_| -> io::Result<Inbox> {
            let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            Ok(Inbox {
                wake,
                broadcasts: Mutex::default(),
            })
        };
        let inboxes = (0..shards).map(inbox).collect::<io::Result<_>>()?;
        Ok(Self {
            stop: AtomicBool::new(false),
            inboxes,
        })
    }

    pub(super) fn wake_all(&self) {
        for inbox in &self.inboxes {
            inbox.wake();
        }
    }
}

impl Inbox {
    fn wake(&self) {
        // Fails only when a wake is already pending, which is as good.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn push(&self, frame: Arc<[u8]>) {
        self.broadcasts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(frame);
        self.wake();
    }

    fn take(&self) -> Vec<Arc<[u8]>> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        mem::take(
            &mut *self
                .broadcasts
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// A client.
struct Connection {
    socket: OwnedFd,
    upgraded: bool,
    rest: Option<Box<Rest>>,
}

/// What exists only while a frame is incomplete or a write could not finish.
#[derive(Default)]
struct Rest {
    partial: Vec<u8>,
    unsent: Vec<u8>,
}

impl Connection {
    fn take_partial(&mut self) -> Vec<u8> {
        self.rest
            .as_mut()
            .map(|rest| mem::take(&mut rest.partial))
            .unwrap_or_default()
    }

    fn take_unsent(&mut self) -> Vec<u8> {
        self.rest
            .as_mut()
            .map(|rest| mem::take(&mut rest.unsent))
            .unwrap_or_default()
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn free_rest(&mut self) {
        self.rest
            .take_if(|rest| rest.partial.is_empty() && rest.unsent.is_empty());
    }
}

pub(super) struct Shard {
    index: usize,
    shared: Arc<Shared>,
    epoll: OwnedFd,
    listener: Socket,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Everything is read here, after the incomplete frame left from the last read.
    buffer: Vec<u8>,
    /// The answers to one read, sent in one write.
    answers: Vec<u8>,
}

impl Shard {
    pub(super) fn bind(listen: SocketAddr, index: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let domain = Domain::for_address(listen);
        let listener = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        listener.set_reuse_address(true)?;
        listener.set_reuse_port(true)?;
        // Accepted sockets inherit it.
        listener.set_tcp_nodelay(true)?;
        listener.bind(&listen.into())?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        let wake = &shared.inboxes[index].wake;
        epoll::add(&epoll, wake, EventData::new_u64(INBOX), EventFlags::IN)?;
        Ok(Self {
            index,
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; FRAME_BYTES_MAX * 2],
            answers: Vec::new(),
            shared,
        })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        let address = self.listener.local_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::Error::other("the listener is not on TCP"))
    }

    /// Takes clients from now on.
    pub(super) fn listen(&self) -> io::Result<()> {
        self.listener.listen(BACKLOG)
    }

    /// Serves until told to stop.
    pub(super) fn run(&mut self) {
        let mut events = Vec::with_capacity(EVENTS_PER_PASS);
        while !self.shared.stop.load(Ordering::Acquire) {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => panic!("waiting for sockets failed: {error}"),
            }
            for event in events.drain(..) {
                let flags = event.flags;
                match event.data.u64() {
                    LISTENER => self.accept(),
                    INBOX => self.broadcast_from_others(),
                    token => self.ready(token as usize, flags),
                }
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_PASS {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            // An error leaves the client in the backlog, or means that there is none.
            let Ok(socket) = accept_with(&self.listener, flags) else {
                return;
            };
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let data = EventData::new_u64(index as u64);
            if epoll::add(&self.epoll, &socket, data, EventFlags::IN).is_err() {
                self.free.push(index);
                return;
            }
            let connection = Connection {
                socket,
                upgraded: false,
                rest: None,
            };
            self.connections[index] = Some(connection);
        }
    }

    fn ready(&mut self, index: usize, flags: EventFlags) {
        let Some(mut connection) = self.connections.get_mut(index).and_then(Option::take) else {
            return;
        };
        let mut broadcasts = Vec::new();
        let alive = (!flags.contains(EventFlags::OUT)
            || write_unsent(&self.epoll, index, &mut connection))
            && (!flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
                || self.read(index, &mut connection, &mut broadcasts));
        if alive {
            connection.free_rest();
            self.connections[index] = Some(connection);
        } else {
            self.free.push(index);
        }
        for frame in broadcasts {
            self.broadcast_here(&frame);
            for (other, inbox) in self.shared.inboxes.iter().enumerate() {
                if other != self.index {
                    inbox.push(Arc::clone(&frame));
                }
            }
        }
    }

    /// Reads once and answers every complete frame with one write. False when it is over.
    fn read(
        &mut self,
        index: usize,
        connection: &mut Connection,
        broadcasts: &mut Vec<Arc<[u8]>>,
    ) -> bool {
        let partial = connection.take_partial();
        let kept = partial.len();
        self.buffer[..kept].copy_from_slice(&partial);
        let length = match rustix::io::read(&connection.socket, &mut self.buffer[kept..]) {
            Ok(0) => return false,
            Ok(fresh) => kept + fresh,
            Err(Errno::AGAIN | Errno::INTR) => kept,
            Err(_) => return false,
        };
        self.answers.clear();
        let bytes = &mut self.buffer[..length];
        let Some(consumed) = answer(connection, bytes, &mut self.answers, broadcasts) else {
            return false;
        };
        if consumed < length {
            if length - consumed > FRAME_BYTES_MAX {
                return false;
            }
            connection.rest().partial = self.buffer[consumed..length].to_vec();
        }
        self.answers.is_empty() || write(&self.epoll, index, connection, &self.answers)
    }

    fn broadcast_here(&mut self, frame: &[u8]) {
        for (index, slot) in self.connections.iter_mut().enumerate() {
            if let Some(connection) = slot
                && connection.upgraded
                && !write(&self.epoll, index, connection, frame)
            {
                *slot = None;
                self.free.push(index);
            }
        }
    }

    fn broadcast_from_others(&mut self) {
        for frame in self.shared.inboxes[self.index].take() {
            self.broadcast_here(&frame);
        }
    }
}

/// Answers the complete frames in `bytes`; returns how many bytes are done with, or None when the
/// connection is to be closed.
fn answer(
    connection: &mut Connection,
    bytes: &mut [u8],
    answers: &mut Vec<u8>,
    broadcasts: &mut Vec<Arc<[u8]>>,
) -> Option<usize> {
    let mut at = 0;
    if !connection.upgraded {
        let Some((length, response)) = frames::handshake(bytes) else {
            return Some(0);
        };
        answers.extend_from_slice(&response);
        connection.upgraded = true;
        at = length;
    }
    while let Some(frame) = frames::next_frame(bytes, at).ok()? {
        let payload = &bytes[frame.payload.clone()];
        match (frame.opcode, Request::parse(payload)) {
            (
                1 | 2,
                Some(Request {
                    wanted: Wanted::Reply,
                    answer_bytes,
                }),
            ) => {
                frames::put_frame(answers, frame.opcode, payload, answer_bytes);
            }
            (
                1 | 2,
                Some(Request {
                    wanted: Wanted::Broadcast,
                    answer_bytes,
                }),
            ) => {
                let mut encoded = Vec::with_capacity(answer_bytes + 10);
                frames::put_frame(&mut encoded, frame.opcode, payload, answer_bytes);
                broadcasts.push(encoded.into());
            }
            (1 | 2, None) => frames::put_frame(answers, frame.opcode, payload, payload.len()),
            (9, _) => frames::put_frame(answers, 10, payload, payload.len()),
            (10, _) => {}
            _ => return None,
        }
        at = frame.payload.end;
    }
    Some(at)
}

/// Sends what the socket takes; the rest waits for its readiness. False when the client is gone.
fn write(epoll: &OwnedFd, index: usize, connection: &mut Connection, bytes: &[u8]) -> bool {
    if let Some(rest) = &mut connection.rest
        && !rest.unsent.is_empty()
    {
        rest.unsent.extend_from_slice(bytes);
        return true;
    }
    let sent = match send(&connection.socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => sent,
        Err(Errno::AGAIN | Errno::INTR) => 0,
        Err(_) => return false,
    };
    if sent == bytes.len() {
        return true;
    }
    connection.rest().unsent = bytes[sent..].to_vec();
    watch(epoll, index, connection, EventFlags::IN | EventFlags::OUT)
}

fn write_unsent(epoll: &OwnedFd, index: usize, connection: &mut Connection) -> bool {
    let mut unsent = connection.take_unsent();
    if unsent.is_empty() {
        return true;
    }
    match send(&connection.socket, &unsent, SendFlags::NOSIGNAL) {
        Ok(sent) if sent == unsent.len() => {
            return watch(epoll, index, connection, EventFlags::IN);
        }
        Ok(sent) => drop(unsent.drain(..sent)),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(_) => return false,
    }
    connection.rest().unsent = unsent;
    true
}

fn watch(epoll: &OwnedFd, index: usize, connection: &Connection, flags: EventFlags) -> bool {
    let data = EventData::new_u64(index as u64);
    epoll::modify(epoll, &connection.socket, data, flags).is_ok()
}
