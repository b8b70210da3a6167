//! One thread of clients: an epoll, a table of connections, and the loop that drives a task.

mod heartbeat;

use std::{
    fmt::Display,
    io,
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, Event, EventData, EventFlags},
    },
    io::Errno,
    net::{RecvFlags, recv, sockopt::socket_error},
};
use vaxel_websocket::{Config, Message, Opcode, Role, encode_masked, handshake::check_response};

use self::heartbeat::Heartbeats;
use super::{
    connection::{Connection, State},
    script::{Incoming, Script},
    shared::Shared,
    target::Target,
};

const EVENTS_PER_PASS: usize = 1_024;
const BUFFER_BYTES: usize = 256 * 1024;
/// What is due within this time is waited for by looking again and again, since a sleeping thread
/// wakes up late by about as much.
const SPIN: u64 = 200_000;
/// The longest sleep, so that a request to stop is seen.
const SLEEP_MAX: u64 = 20_000_000;
/// How long a lane waits, after the end of a phase, for answers that are under way.
pub(super) const GRACE: u64 = 10_000_000_000;

/// Nanoseconds since the fleet was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What a client says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Say {
    Join,
    Request(u64),
    Broadcast(u64),
}

/// When a task wants its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// At a time.
    At(u64),
    /// When something arrives.
    Whenever,
    /// Never: it is finished.
    Done,
}

/// The circumstances of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) now: u64,
    /// False once the phase is over: start nothing new, wait for what is under way.
    pub(super) sending: bool,
    pub(super) shared: &'a Shared,
}

/// What the clients of a lane do in one phase.
pub(super) trait Task {
    /// Called before every look at the sockets: sends what is due.
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next>;

    /// Connection `index` has become a WebSocket.
    fn opened(&mut self, _: &mut Lane, _index: usize, _: Moment<'_>) {}

    /// Something other than a heartbeat's answer has arrived at connection `index`.
    fn received(&mut self, _: &mut Lane, _index: usize, _: Incoming, _: Moment<'_>) {}

    /// Connection `index` is gone, and with it whatever `_gone` still waited for.
    fn lost(&mut self, _: &mut Lane, _index: usize, _gone: &Connection) {}
}

/// One thread's share of the clients.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) index: usize,
    pub(super) connections: Vec<Connection>,
    pub(super) script: Script,
    pub(super) heartbeats: Heartbeats,
    /// Connections lost so far, and what the first of them died of.
    pub(super) lost: u64,
    pub(super) first_loss: Option<String>,
    /// The first answer that refused a join.
    pub(super) first_refusal: Option<String>,
    /// Frames that nobody asked for.
    pub(super) unexpected: u64,
    target: Arc<Target>,
    clock: Clock,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    incoming: Vec<Incoming>,
    lanes: usize,
    messages: u64,
    bytes_in: u64,
    bytes_out: u64,
    idle: u64,
}

impl Lane {
    /// Lane `index` of `lanes`, with `connections` clients that do not exist yet.
    pub(super) fn new(
        index: usize,
        lanes: usize,
        connections: usize,
        target: Arc<Target>,
        script: Script,
        clock: Clock,
        heartbeat_nanos: Option<u64>,
    ) -> io::Result<Self> {
        Ok(Self {
            index,
            connections: (0..connections).map(|_| Connection::absent()).collect(),
            script,
            heartbeats: Heartbeats::every(heartbeat_nanos, clock.now()),
            lost: 0,
            first_loss: None,
            first_refusal: None,
            unexpected: 0,
            target,
            clock,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            buffer: vec![0; BUFFER_BYTES],
            incoming: Vec::new(),
            lanes,
            messages: 0,
            bytes_in: 0,
            bytes_out: 0,
            idle: 0,
        })
    }

    /// Runs `task` until it is done, or until the phase is over and nothing more is to come.
    pub(super) fn drive<T: Task>(&mut self, task: &mut T, shared: &Shared) -> anyhow::Result<()> {
        (self.messages, self.bytes_in, self.bytes_out, self.idle) = (0, 0, 0, 0);
        self.heartbeats.resume(self.clock.now());
        let mut events = Vec::with_capacity(EVENTS_PER_PASS);
        let mut stopped_at = None;
        loop {
            let now = self.clock.now();
            if stopped_at.is_none() && shared.stop.load(Relaxed) {
                stopped_at = Some(now);
            }
            let moment = Moment {
                now,
                sending: stopped_at.is_none(),
                shared,
            };
            let next = task.turn(self, moment)?;
            self.publish(shared);
            let overdue = stopped_at.is_some_and(|stopped| now > stopped + GRACE);
            if next == Next::Done || overdue {
                shared.finished_at.fetch_max(now, Relaxed);
                return Ok(());
            }
            let heartbeat_at = self.beat(now, task, shared);
            let until = match next {
                Next::At(time) => time.min(heartbeat_at),
                Next::Whenever | Next::Done => heartbeat_at,
            };
            self.wait(&mut events, now, until)?;
            for event in events.drain(..) {
                self.ready(event.data.u64() as usize, event.flags, task, moment);
                self.publish(shared);
            }
        }
    }

    /// Counts one step of the phase.
    pub(super) fn count(&mut self) {
        self.messages += 1;
    }

    fn publish(&self, shared: &Shared) {
        let counters = &shared.lanes[self.index];
        counters.messages.store(self.messages, Relaxed);
        counters.bytes_in.store(self.bytes_in, Relaxed);
        counters.bytes_out.store(self.bytes_out, Relaxed);
        counters.idle.store(self.idle, Relaxed);
    }

    /// Waits until a socket is ready or `until` has come.
    ///
    /// The first look costs no time when there is work. Whatever passes after a look in vain is
    /// idle: a lane without idle time is the bottleneck of what it measures.
    fn wait(&mut self, events: &mut Vec<Event>, now: u64, until: u64) -> io::Result<()> {
        let began = self.clock.now();
        self.poll(events, 0)?;
        if !events.is_empty() || until <= began {
            return Ok(());
        }
        let rest = until.min(now + SLEEP_MAX).saturating_sub(began);
        if rest > SPIN {
            self.poll(events, rest - SPIN / 2)?;
        }
        self.idle += self.clock.now() - began;
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>, nanos: u64) -> io::Result<()> {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: nanos as i64,
        };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts connection `index` of this lane.
    ///
    /// # Errors
    /// When no socket can be made: out of files, of ports, of memory.
    pub(super) fn open(&mut self, index: usize) -> io::Result<()> {
        let socket = self.target.connect(index * self.lanes + self.index)?;
        // Edges only: what is read is read until it is empty, and what is written once is mostly
        // taken whole, so no interest ever has to be changed.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(
            &self.epoll,
            &socket,
            EventData::new_u64(index as u64),
            flags,
        )?;
        let connection = &mut self.connections[index];
        *connection = Connection::absent();
        connection.socket = Some(socket);
        connection.state = State::Connecting;
        connection.began = self.clock.now();
        Ok(())
    }

    /// Sends one frame. False when the connection is broken, which the task learns as well.
    pub(super) fn say<T: Task>(&mut self, index: usize, what: Say, task: &mut T) -> bool {
        let frame = match what {
            Say::Join => self.script.join.stamp(0),
            Say::Request(number) => self.script.request.stamp(number),
            Say::Broadcast(number) => self.script.broadcast.stamp(number),
        };
        let sent = self.connections[index].send(frame);
        self.bytes_out += frame.len() as u64;
        self.survives(index, sent, task)
    }

    fn survives<T: Task>(
        &mut self,
        index: usize,
        outcome: Result<(), Errno>,
        task: &mut T,
    ) -> bool {
        match outcome {
            Ok(()) => true,
            Err(error) => {
                self.lose(index, error, task);
                false
            }
        }
    }

    /// Gives up connection `index`.
    pub(super) fn lose<T: Task>(&mut self, index: usize, reason: impl Display, task: &mut T) {
        let gone = std::mem::replace(&mut self.connections[index], Connection::absent());
        if gone.state == State::Absent {
            return;
        }
        self.lost += 1;
        self.first_loss.get_or_insert_with(|| reason.to_string());
        task.lost(self, index, &gone);
    }

    fn ready<T: Task>(
        &mut self,
        index: usize,
        flags: EventFlags,
        task: &mut T,
        moment: Moment<'_>,
    ) {
        if flags.intersects(EventFlags::OUT | EventFlags::ERR) && !self.writable(index, task) {
            return;
        }
        let readable = EventFlags::IN | EventFlags::HUP | EventFlags::RDHUP;
        if flags.intersects(readable) {
            while self.read(index, task, moment) {}
        }
    }

    /// Takes the step that waited for the socket. False when the connection is gone.
    fn writable<T: Task>(&mut self, index: usize, task: &mut T) -> bool {
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else {
            return false;
        };
        let outcome = if connection.state == State::Connecting {
            connection.state = State::Upgrading;
            self.bytes_out += self.target.request.len() as u64;
            socket_error(socket)
                .and_then(|error| error)
                .and_then(|()| connection.send(&self.target.request))
        } else {
            connection.flush()
        };
        self.survives(index, outcome, task)
    }

    /// Reads once. True when there may be more to read.
    fn read<T: Task>(&mut self, index: usize, task: &mut T, moment: Moment<'_>) -> bool {
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else {
            return false;
        };
        let kept = connection.partial.len();
        self.buffer[..kept].copy_from_slice(&connection.partial);
        let fresh = match recv(socket, &mut self.buffer[kept..], RecvFlags::empty()) {
            Ok((0, _)) => {
                self.lose(index, "closed by the server", task);
                return false;
            }
            Ok((fresh, _)) => fresh,
            Err(Errno::AGAIN) => return false,
            Err(Errno::INTR) => return true,
            Err(error) => {
                self.lose(index, error, task);
                return false;
            }
        };
        self.bytes_in += fresh as u64;
        connection.partial.clear();
        let moment = Moment {
            now: self.clock.now(),
            ..moment
        };
        let opening = connection.state == State::Upgrading;
        let outcome = self.decode(index, kept + fresh);
        if opening && self.connections[index].state == State::Open {
            task.opened(self, index, moment);
        }
        self.hand_over(index, task, moment);
        if let Err(reason) = outcome {
            self.lose(index, reason, task);
            return false;
        }
        kept + fresh == self.buffer.len()
    }

    /// Decodes the first `length` bytes of the buffer and keeps what is incomplete.
    fn decode(&mut self, index: usize, length: usize) -> Result<(), String> {
        let connection = &mut self.connections[index];
        let mut at = 0;
        if connection.state == State::Upgrading {
            match check_response(&self.buffer[..length], &self.target.key) {
                Ok(Some(answer)) => at = answer.head_bytes,
                Ok(None) => {
                    connection.partial.extend_from_slice(&self.buffer[..length]);
                    return Ok(());
                }
                Err(error) => return Err(format!("the upgrade failed: {error}")),
            }
            connection.state = State::Open;
        }
        let bytes = BUFFER_BYTES / 2;
        let config = Config {
            role: Role::Client,
            frame_bytes_max: bytes,
            message_bytes_max: bytes,
        };
        loop {
            let rest = &mut self.buffer[at..length];
            let decoded = connection
                .decoder
                .decode(&config, rest)
                .map_err(|error| format!("the server broke the protocol: {error}"))?;
            at += decoded.consumed;
            match decoded.message {
                None => break,
                Some(Message::Text(text)) => {
                    let meaning = self.script.understand(&text);
                    if meaning == (Incoming::Joined { accepted: false }) {
                        self.first_refusal.get_or_insert_with(|| text.into_owned());
                    }
                    self.incoming.push(meaning);
                }
                Some(Message::Ping(payload)) => {
                    let mut pong = Vec::new();
                    encode_masked(Opcode::Pong, payload, [1, 2, 3, 4], &mut pong);
                    connection.send(&pong).map_err(|error| error.to_string())?;
                }
                Some(Message::Close(close)) => {
                    return Err(match close {
                        Some(close) => format!("closed by the server: {close:?}"),
                        None => "closed by the server without a code".to_owned(),
                    });
                }
                Some(Message::Binary(_) | Message::Pong(_)) => {}
            }
        }
        connection
            .partial
            .extend_from_slice(&self.buffer[at..length]);
        Ok(())
    }

    fn hand_over<T: Task>(&mut self, index: usize, task: &mut T, moment: Moment<'_>) {
        let mut incoming = std::mem::take(&mut self.incoming);
        for message in incoming.drain(..) {
            match message {
                _ if self.connections[index].state == State::Absent => {}
                Incoming::Heartbeat { number } => self.heartbeats.answered(number, moment.now),
                Incoming::ChannelGone => {
                    self.lose(index, "the channel was closed by the server", task);
                }
                Incoming::Other => self.unexpected += 1,
                message => task.received(self, index, message, moment),
            }
        }
        self.incoming = incoming;
    }

    /// Sends the heartbeats that are due and says when the next one is.
    fn beat<T: Task>(&mut self, now: u64, task: &mut T, shared: &Shared) -> u64 {
        while let Some((index, number)) = self.heartbeats.due(now, &self.connections) {
            let frame = self.script.heartbeat.stamp(number);
            let sent = self.connections[index].send(frame);
            self.bytes_out += frame.len() as u64;
            self.survives(index, sent, task);
        }
        self.publish(shared);
        self.heartbeats.next_at()
    }
}
