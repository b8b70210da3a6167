//! A shard: one thread, its connections, and the loop that serves them.
//!
//! The shard's epoll is nested in a tokio runtime of this thread, which sleeps for both: when
//! something is ready the shard passes over its ready list without waiting, then over its inbox,
//! until both are empty. HTTP connections are tasks of the same runtime.

mod allowance;
mod clock;
mod drain;
mod head;
mod receive;
mod thread;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::epoll::Event;
use rustix::io::Errno;
use slab::Slab;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Semaphore, watch};
use vaxel_websocket::deflate::{Compression, Deflater, Inflater};

use crate::admission::{Admission, Refusal};
use crate::counters::Counters;
use crate::file_table::FileTables;
use crate::http_driver::{Driver, HttpPhase};
use crate::inbox::{Note, ShardHandle};
use crate::io::{Backlog, ConnectionId, Entry, Interest, Poll, Ready, ShardIo, Source, State};
use crate::limits::Limits;
use crate::listener;
use crate::protocol::{CloseReason, Protocol};
use crate::tls::Tls;
pub(crate) use allowance::Allowance;
use clock::Clock;
use drain::Draining;
pub(crate) use thread::{ShardRuntime, ShardThread, Starting};

/// Bytes of one read at most, and so of one connection's turn in a pass.
const READ_BYTES_MAX: usize = 64 << 10;

/// Connections accepted in one turn of the listener.
const ACCEPTS_PER_PASS: usize = 64;

/// Busy passes between two looks at the tasks and timers of the runtime, while no HTTP connection
/// waits for it. A look costs a system call.
const PASSES_PER_YIELD: usize = 16;

/// Room for mail that a shard keeps between passes.
const NOTES_KEPT: usize = 1 << 10;

/// How soon a message that could not be taken is offered again.
const RESUME_INTERVAL: Duration = Duration::from_millis(1);

/// Connections whose kept input is offered again with every mail rather than in intervals.
const RESUMED_WITH_MAIL_MAX: usize = 64;

/// What a shard's thread is started with.
pub(crate) struct Seed<P: Protocol> {
    pub(crate) address: SocketAddr,
    pub(crate) file_tables: FileTables,
    pub(crate) protocol: Arc<P>,
    pub(crate) handle: ShardHandle<P::Command>,
    pub(crate) shard_count: usize,
    pub(crate) limits: Arc<Limits>,
    pub(crate) compression: Option<Compression>,
    pub(crate) tls: Option<Tls>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) http: Driver,
    pub(crate) counters: Arc<Counters>,
    pub(crate) drained: Arc<Semaphore>,
}

pub(crate) struct Shard<P: Protocol> {
    handle: ShardHandle<P::Command>,
    shard_count: usize,
    local: P::Local,
    io: ShardIo<P::Session>,
    listener: Option<OwnedFd>,
    /// The listener is silenced until the next tick, because there was no descriptor to be had.
    is_listener_resting: bool,
    tls: Option<Tls>,
    next_key: u32,
    clock: Clock,
    allowance: Allowance,
    /// When held messages were offered last.
    resumed_at: Instant,
    http: Driver,
    http_phase: watch::Sender<HttpPhase>,
    draining: Option<Draining>,
    drained: Arc<Semaphore>,
    is_drained: bool,
    is_over: bool,
    // Kept for their memory.
    events: Vec<Event>,
    buffer: Vec<u8>,
    /// What came out of the buffer under TLS.
    decrypted: Vec<u8>,
    inflater: Inflater,
    taken: Vec<Note<P::Command>>,
}

impl<P: Protocol> Shard<P> {
    fn new(seed: Seed<P>, poll: Poll, listener: OwnedFd) -> Self {
        let clock = Clock::new(&seed.limits);
        let allowance = Allowance::new(&seed.limits);
        Self {
            local: seed.protocol.local(&seed.handle),
            io: ShardIo {
                shard: seed.handle.index,
                poll,
                table: Slab::new(),
                limits: seed.limits,
                counters: seed.counters,
                admission: seed.admission,
                deflater: seed.compression.map(Deflater::new),
                now: 0,
                ended: Vec::new(),
                resumable: Vec::new(),
                throttled: Vec::new(),
            },
            handle: seed.handle,
            shard_count: seed.shard_count,
            listener: Some(listener),
            is_listener_resting: false,
            tls: seed.tls,
            next_key: 0,
            clock,
            allowance,
            resumed_at: Instant::now(),
            http: seed.http,
            http_phase: watch::Sender::new(HttpPhase::Run),
            draining: None,
            drained: seed.drained,
            is_drained: false,
            is_over: false,
            events: Vec::new(),
            buffer: vec![0; READ_BYTES_MAX],
            decrypted: Vec::new(),
            inflater: Inflater::new(),
            taken: Vec::new(),
        }
    }

    /// Serves until shut down.
    async fn run(mut self, protocol: &P, epoll: AsyncFd<OwnedFd>) {
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.next_wake().into()));
        loop {
            let ready = tokio::select! {
                biased;
                ready = epoll.readable() => Some(ready),
                () = timer.as_mut() => None,
            };
            self.handle.inbox.wake();
            loop {
                self.serve_while_busy(protocol).await;
                if self.is_over {
                    return self.end_http().await;
                }
                if self.handle.inbox.try_sleep() {
                    break;
                }
            }
            // The last pass found the ready list empty. An event since then is an edge that the
            // runtime has yet to see, and it will set the readiness again.
            if let Some(Ok(mut ready)) = ready {
                ready.clear_ready();
            }
            timer.as_mut().reset(self.next_wake().into());
        }
    }

    async fn serve_while_busy(&mut self, protocol: &P) {
        let mut passes = 0;
        while self.pass(protocol) && !self.is_over {
            passes += 1;
            if passes % PASSES_PER_YIELD == 0 || self.http_open() > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// One pass over the ready list and the inbox. False when there was nothing to do.
    fn pass(&mut self, protocol: &P) -> bool {
        self.io.counters.passes.add(1);
        self.io.poll.ready(&mut self.events);
        let is_busy = !self.events.is_empty();
        if is_busy {
            let _batch = protocol.pass();
            for at in 0..self.events.len() {
                self.serve(protocol, self.events[at].into());
            }
            self.reap(protocol);
        }
        let now = Instant::now();
        self.tick(protocol, now);
        self.drain_step(now);
        self.handle.inbox.take(&mut self.taken);
        let has_mail = !self.taken.is_empty();
        let has_ended = !self.io.ended.is_empty();
        if has_mail || has_ended || self.is_resume_due(now, has_mail) {
            let _batch = protocol.pass();
            self.read_mail(protocol);
            if self.is_resume_due(now, has_mail) {
                self.resume_all(protocol, now);
            }
            self.reap(protocol);
        }
        is_busy || has_mail || has_ended
    }

    fn serve(&mut self, protocol: &P, ready: Ready) {
        match ready.source {
            Source::Listener => self.accept(),
            Source::Inbox => {
                // The count does not matter, only that it is zero again.
                let _ = rustix::io::read(self.handle.inbox.event(), &mut [0; 8]);
            }
            Source::Connection(id) => {
                if ready.writable {
                    self.io.flush(id);
                }
                let Some(state) = self.io.entry(id).map(|entry| entry.state) else {
                    return;
                };
                match state {
                    State::Paused | State::Deferred if ready.hung_up => {
                        self.io.fail(id, CloseReason::Gone);
                    }
                    State::Paused | State::Deferred | State::Broken => {}
                    _ if ready.readable => self.receive(protocol, id),
                    _ => {}
                }
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_PASS {
            let Some(listener) = &self.listener else {
                return;
            };
            match listener::accept(listener) {
                Ok((socket, Some(peer))) => self.admit(socket, peer),
                Ok((_, None)) | Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    // Out of descriptors or memory: the connection stays in the backlog, and
                    // without a rest the listener would be ready all the time.
                    self.io.counters.accept_errors.add(1);
                    self.is_listener_resting = self.io.poll.listen(listener, false).is_ok();
                    return;
                }
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd, peer: std::net::SocketAddr) {
        let place = match self.io.admission.enter(peer) {
            Ok(place) => place,
            Err(Refusal::Total) => return self.io.counters.connections_refused_total.add(1),
            Err(Refusal::Address) => return self.io.counters.connections_refused_address.add(1),
        };
        self.next_key = self.next_key.wrapping_add(1);
        let vacant = self.io.table.vacant_entry();
        let id = ConnectionId {
            slot: vacant.key() as u32,
            key: self.next_key,
        };
        if self.io.poll.add(&socket, Source::Connection(id)).is_err() {
            self.io.counters.accept_errors.add(1);
            self.io.admission.leave(place);
            return;
        }
        let session = self.tls.as_ref().and_then(Tls::session);
        let backlog = session.map(|session| Box::new(Backlog::under(session)));
        vacant.insert(Entry {
            socket,
            key: id.key,
            seen: self.io.now,
            place,
            used: 0,
            state: State::Head,
            interest: Interest::READ,
            deflate: None,
            decoder: Default::default(),
            backlog,
            session: None,
        });
        self.io.counters.connections_accepted.add(1);
        self.io.counters.connections_open.add(1);
    }

    fn read_mail(&mut self, protocol: &P) {
        let mut taken = std::mem::take(&mut self.taken);
        for note in taken.drain(..) {
            match note {
                Note::Command(command) => {
                    self.io.counters.commands.add(1);
                    let (local, io) = (&mut self.local, &mut self.io);
                    let done = guarded(|| protocol.command(local, io, command));
                    self.count_panic(done);
                }
                Note::Drain(plan) => self.begin_drain(plan),
                Note::Shutdown => self.end(protocol),
            }
        }
        // A storm's memory is given back; what an ordinary pass needs is kept.
        taken.shrink_to(NOTES_KEPT);
        self.taken = taken;
    }

    /// Tells the protocol of connections that have ended and removes those that are of no use.
    fn reap(&mut self, protocol: &P) {
        if self.io.ended.is_empty() {
            return;
        }
        let mut ended = std::mem::take(&mut self.io.ended);
        for (id, reason) in ended.drain(..) {
            let Some(entry) = self.io.entry_mut(id) else {
                continue;
            };
            let session = entry.session.take();
            if entry.state == State::Broken {
                let entry = self.io.table.remove(id.slot as usize);
                self.io.admission.leave(entry.place);
                self.io.counters.connections_open.sub(1);
            }
            if let Some(session) = session {
                let local = &mut self.local;
                let done = guarded(|| protocol.closed(local, id, session, reason));
                self.count_panic(done);
            }
        }
        self.io.ended = ended;
    }

    fn end(&mut self, protocol: &P) {
        let ids: Vec<_> = self.ids(|_| true).collect();
        for id in ids {
            self.io.fail(id, CloseReason::Shutdown);
        }
        self.reap(protocol);
        self.is_over = true;
    }

    /// HTTP connections end on this thread, which their descriptors belong to.
    async fn end_http(&self) {
        self.http_phase.send_replace(HttpPhase::Abort);
        while self.http_open() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The connections of the table for which `filter` holds.
    fn ids(
        &self,
        filter: impl Fn(&Entry<P::Session>) -> bool,
    ) -> impl Iterator<Item = ConnectionId> {
        let named = self.io.table.iter().filter(move |(_, entry)| filter(entry));
        named.map(|(slot, entry)| ConnectionId {
            slot: slot as u32,
            key: entry.key,
        })
    }

    /// Connections that hyper drives.
    fn http_open(&self) -> u64 {
        self.io.counters.connections_open.load() - self.io.table.len() as u64
    }

    /// The result of a callback that may have panicked.
    fn count_panic<T>(&self, result: Option<T>) -> Option<T> {
        if result.is_none() {
            self.io.counters.protocol_panics.add(1);
        }
        result
    }
}

impl<P: Protocol> Drop for Shard<P> {
    fn drop(&mut self) {
        self.handle.inbox.close();
        if !self.is_drained {
            self.drained.add_permits(1);
        }
    }
}

/// Runs a callback; `None` when it panicked. The shard's own state is consistent whenever a
/// callback runs, and the protocol's is the protocol's concern.
fn guarded<T>(callback: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(callback)).ok()
}
