//! One thread of clients: an epoll, a table of connections, and the loop that drives a task.

mod heartbeat;
mod receive;

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
};

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
/// wakes up late by about as much. A thread without a core of its own keeps others from theirs so.
const SPIN: u64 = 200_000;
/// Where threads of clients are many, heartbeats go out at multiples of this time, so that they
/// are not woken for each.
const GRAIN: u64 = 10_000_000;
/// The longest sleep, so that a request to stop is seen.
const SLEEP_MAX: u64 = 20_000_000;

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

/// How closely a lane keeps to the times at which something is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// Nanoseconds between two heartbeats of a client.
    heartbeat: Option<u64>,
    /// What is due within this time is waited for by looking again and again.
    spin: u64,
    /// Heartbeats are due at multiples of this time.
    grain: u64,
}

impl Rhythm {
    /// That of a thread with a core of its own, or of one among many.
    pub(super) fn of(heartbeat: Option<u64>, is_crowded: bool) -> Self {
        let (spin, grain) = if is_crowded { (0, GRAIN) } else { (SPIN, 1) };
        Self {
            heartbeat,
            spin,
            grain,
        }
    }
}

/// What a client says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Say {
    Join,
    /// Crashes the channel.
    Crash,
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

    /// The server has closed the channel of connection `index`, or it has crashed. False when that
    /// is a loss.
    fn channel_gone(&mut self, _: &mut Lane, _index: usize, _: Moment<'_>) -> bool {
        false
    }

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
    rhythm: Rhythm,
    target: Arc<Target>,
    clock: Clock,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    incoming: Vec<Incoming>,
    lanes: usize,
    messages: u64,
    frames_in: u64,
    bytes_in: u64,
    frames_out: u64,
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
        rhythm: Rhythm,
    ) -> io::Result<Self> {
        Ok(Self {
            index,
            connections: (0..connections).map(|_| Connection::absent()).collect(),
            script,
            heartbeats: Heartbeats::every(rhythm.heartbeat, clock.now(), rhythm.grain),
            lost: 0,
            first_loss: None,
            first_refusal: None,
            unexpected: 0,
            rhythm,
            target,
            clock,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            buffer: vec![0; BUFFER_BYTES],
            incoming: Vec::new(),
            lanes,
            messages: 0,
            frames_in: 0,
            bytes_in: 0,
            frames_out: 0,
            bytes_out: 0,
            idle: 0,
        })
    }

    /// Runs `task` until it is done, or until the phase is over and nothing more is to come.
    pub(super) fn drive<T: Task>(&mut self, task: &mut T, shared: &Shared) -> anyhow::Result<()> {
        (self.messages, self.idle) = (0, 0);
        (
            self.frames_in,
            self.bytes_in,
            self.frames_out,
            self.bytes_out,
        ) = (0, 0, 0, 0);
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
            let overdue = stopped_at.is_some_and(|stopped| now > stopped + shared.patience);
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
        counters.frames_in.store(self.frames_in, Relaxed);
        counters.bytes_in.store(self.bytes_in, Relaxed);
        counters.frames_out.store(self.frames_out, Relaxed);
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
        if rest > self.rhythm.spin {
            self.poll(events, rest - self.rhythm.spin / 2)?;
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
            Say::Crash => self.script.crash.stamp(0),
            Say::Request(number) => self.script.request.stamp(number),
            Say::Broadcast(number) => self.script.broadcast.stamp(number),
        };
        let sent = self.connections[index].send(frame);
        self.frames_out += 1;
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

    /// Sends the heartbeats that are due and says when the next one is.
    fn beat<T: Task>(&mut self, now: u64, task: &mut T, shared: &Shared) -> u64 {
        while let Some((index, number)) = self.heartbeats.due(now, &self.connections) {
            let frame = self.script.heartbeat.stamp(number);
            let sent = self.connections[index].send(frame);
            self.survives(index, sent, task);
        }
        self.publish(shared);
        self.heartbeats.next_at()
    }
}
