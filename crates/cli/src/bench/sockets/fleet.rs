//! All clients of a measurement, and how a phase is run and supervised.

mod crew_thread;

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;

use self::crew_thread::{CrewThread, Pending};
use super::{
    connection::State,
    lane::{Clock, Lane, Rhythm, Task},
    script::Script,
    shared::{Shared, Sums},
    target::Target,
    task,
};
use crate::{
    bench::{
        interrupt,
        process::{self, CpuSample, Process},
        progress::Progress,
        stats,
    },
    file_table,
};

/// How often the supervisor looks.
const LOOK: Duration = Duration::from_millis(20);
/// Files that are no sockets of clients.
const SPARE_FILES: u64 = 64;

/// How many clients there are and how they behave in every phase.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    /// Clients.
    pub(super) connections: usize,
    /// Threads of clients.
    pub(super) threads: usize,
    /// Nanoseconds to wait for what does not come.
    pub(super) patience_nanos: u64,
    /// Nanoseconds between two heartbeats of a client; none at all when absent.
    pub(super) heartbeat_nanos: Option<u64>,
}

/// The clients, on their lanes.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) lanes: Vec<Lane>,
    /// Where each lane lives; its descriptors mean nothing elsewhere.
    threads: Vec<CrewThread>,
    clock: Clock,
    server: Option<Process>,
    patience_nanos: u64,
    /// The number of the last broadcast.
    broadcasts: u64,
}

/// The state of everything at one moment of a phase.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    at: u64,
    sums: Sums,
    cpu: Option<CpuSample>,
}

/// What happened between two readings.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// Steps: connections, joins, replies, deliveries.
    pub(super) messages: u64,
    /// Wall clock.
    pub(super) seconds: f64,
    /// CPU time of the server, all threads, when its process is known.
    pub(super) cpu: Option<Duration>,
    /// The part of the time in which the clients' threads had work: 0 to 1.
    pub(super) generator_busy: f64,
    /// Bytes of a frame in the mean, with its header: from the server, and to it. Heartbeats do
    /// not count. Not a number when there was none.
    pub(super) frame_bytes: (f64, f64),
    /// Nanoseconds, from the intended time.
    pub(super) latency: Histogram<u64>,
}

impl Measured {
    /// Steps a second.
    pub(super) fn per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// Cores the server kept busy.
    pub(super) fn cores(&self) -> Option<f64> {
        self.cpu.map(|cpu| cpu.as_secs_f64() / self.seconds)
    }

    /// Microseconds of the server's CPU for each step.
    pub(super) fn cpu_micros(&self) -> Option<f64> {
        self.cpu
            .map(|cpu| cpu.as_nanos() as f64 / 1e3 / self.messages as f64)
    }
}

impl Fleet {
    /// Clients that do not exist yet.
    ///
    /// More of them than the process may open files are dealt out to threads with file tables of
    /// their own.
    ///
    /// # Errors
    /// When not even so they may open that many files.
    pub(super) fn new(
        crew: &Crew,
        target: Target,
        script: &Script,
        server: Option<Process>,
    ) -> anyhow::Result<Self> {
        let limit = process::raise_file_limit();
        let has_own_files = crew.connections as u64 + SPARE_FILES > limit;
        let threads_min = crew.connections as u64 / limit.saturating_sub(SPARE_FILES).max(1) + 1;
        ensure!(
            !has_own_files || crew.threads as u64 >= threads_min,
            "{} connections need at least {threads_min} threads (--threads), since each may have \
             {limit} open files (ulimit -Hn)",
            crew.connections,
        );
        let (target, clock) = (Arc::new(target), Clock::start());
        let is_crowded = thread::available_parallelism().is_ok_and(|n| crew.threads > n.get());
        let rhythm = Rhythm::of(crew.heartbeat_nanos, is_crowded);
        let mut fleet = Self {
            lanes: Vec::with_capacity(crew.threads),
            threads: Vec::with_capacity(crew.threads),
            clock,
            server,
            patience_nanos: crew.patience_nanos,
            broadcasts: 0,
        };
        for index in 0..crew.threads {
            let count = task::share(crew.connections, index, crew.threads);
            let (target, script) = (Arc::clone(&target), script.clone());
            let lanes = crew.threads;
            let thread = CrewThread::start().context("cannot start a thread of clients")?;
            let lane = thread.run(move || {
                if has_own_files {
                    file_table::split()?;
                }
                Lane::new(index, lanes, count, target, script, clock, rhythm)
            });
            fleet.lanes.push(lane.wait()?);
            fleet.threads.push(thread);
        }
        Ok(fleet)
    }

    /// The number of the last broadcast, from which the next phase goes on.
    pub(super) fn last_broadcast(&self) -> u64 {
        self.broadcasts
    }

    /// Clients whose socket is open, joined or not.
    pub(super) fn connected(&self) -> usize {
        let connections = self.lanes.iter().flat_map(|lane| &lane.connections);
        connections
            .filter(|one| matches!(one.state, State::Open | State::Joined))
            .count()
    }

    /// Clients that have joined.
    pub(super) fn members(&self) -> usize {
        let connections = self.lanes.iter().flat_map(|lane| &lane.connections);
        connections
            .filter(|connection| connection.state == State::Joined)
            .count()
    }

    /// Runs one phase: `make` gives each lane its task, `supervise` watches from this thread and
    /// says by returning that the phase is over. The lanes then finish what is under way.
    ///
    /// # Errors
    /// The first error of a lane, or that of the supervisor.
    pub(super) fn run<T: Task + Send + 'static, R>(
        &mut self,
        mut make: impl FnMut(&mut Lane) -> T,
        supervise: impl FnOnce(&Supervisor<'_>) -> anyhow::Result<R>,
    ) -> anyhow::Result<(R, Vec<T>, Arc<Shared>)> {
        let members = self.members() as u64;
        let lanes = self.lanes.len();
        let mut shared = Shared::new(lanes, self.broadcasts, members, self.patience_nanos);
        shared.began_at = self.clock.now();
        let shared = Arc::new(shared);
        let running = Arc::new(AtomicUsize::new(lanes));
        let mut supervisor = Supervisor {
            shared: &shared,
            running: &running,
            clock: self.clock,
            server: self.server.as_ref(),
            start: Reading::default(),
        };
        supervisor.start = supervisor.read()?;
        let mut driven = Vec::with_capacity(lanes);
        for (mut lane, thread) in self.lanes.drain(..).zip(&self.threads) {
            let mut task = make(&mut lane);
            let (shared, running) = (Arc::clone(&shared), Arc::clone(&running));
            driven.push(thread.run(move || {
                let outcome = lane.drive(&mut task, &shared);
                if outcome.is_err() {
                    shared.failed.store(true, Release);
                }
                running.fetch_sub(1, Release);
                (lane, outcome.map(|()| task))
            }));
        }
        let supervised = supervise(&supervisor);
        shared.stop.store(true, Release);
        let mut tasks = Vec::with_capacity(lanes);
        for driven in driven {
            let (lane, task) = driven.wait();
            self.lanes.push(lane);
            tasks.push(task);
        }
        self.broadcasts = shared.board.sent.load(Relaxed);
        let tasks = tasks.into_iter().collect::<anyhow::Result<_>>()?;
        Ok((supervised?, tasks, shared))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let lanes = self.lanes.drain(..).zip(&self.threads);
        let dropped: Vec<_> = lanes
            .map(|(lane, thread)| thread.run(move || drop(lane)))
            .collect();
        dropped.into_iter().for_each(Pending::wait);
    }
}

/// The view of the thread that supervises a phase.
#[derive(Debug)]
pub(super) struct Supervisor<'a> {
    shared: &'a Shared,
    running: &'a AtomicUsize,
    clock: Clock,
    server: Option<&'a Process>,
    /// Before any lane began.
    start: Reading,
}

impl Supervisor<'_> {
    /// Everything as it is now.
    pub(super) fn read(&self) -> anyhow::Result<Reading> {
        let cpu = self.server.map(Process::cpu).transpose()?;
        Ok(Reading {
            at: self.clock.now(),
            sums: self.shared.sums(),
            cpu,
        })
    }

    /// What happened from `before` to `after`, without latency.
    pub(super) fn between(&self, before: &Reading, after: &Reading) -> Measured {
        let nanos = after.at.saturating_sub(before.at).max(1);
        let idle = after.sums.idle.saturating_sub(before.sums.idle) as f64;
        let capacity = nanos as f64 * self.shared.lanes.len() as f64;
        let cpu = after.cpu.as_ref().zip(before.cpu.as_ref());
        Measured {
            messages: after.sums.messages.saturating_sub(before.sums.messages),
            seconds: nanos as f64 / 1e9,
            cpu: cpu.map(|(after, before)| after.since(before)),
            generator_busy: (1.0 - idle / capacity).clamp(0.0, 1.0),
            frame_bytes: after.sums.frame_bytes_since(&before.sums),
            latency: stats::delays(),
        }
    }

    /// One look: false when the phase cannot go on.
    ///
    /// # Errors
    /// When the process was told to stop.
    fn look(&self) -> anyhow::Result<bool> {
        interrupt::pause(LOOK)?;
        Ok(!self.shared.failed.load(Acquire) && self.running.load(Acquire) > 0)
    }

    /// Waits until every lane is done with the `total` steps of its task.
    ///
    /// # Errors
    /// When nothing has moved for a long time.
    pub(super) fn until_done(
        &self,
        total: u64,
        progress: &mut Progress,
    ) -> anyhow::Result<Measured> {
        let before = &self.start;
        let (mut last, mut moved_at) = (0, before.at);
        while self.look()? {
            let messages = self.shared.sums().messages;
            progress.set(messages);
            let now = self.clock.now();
            if messages != last {
                (last, moved_at) = (messages, now);
            }
            if now > moved_at + self.shared.patience {
                bail!(
                    "{messages} of {total}, then nothing for {} s",
                    self.shared.patience / 1_000_000_000
                );
            }
        }
        let mut after = self.read()?;
        // The supervisor sees the end a little late.
        after.at = self.shared.finished_at.load(Relaxed).max(before.at);
        Ok(self.between(before, &after))
    }

    /// Lets the phase run for `duration`, or until a lane fails. `watch` is called now and then.
    pub(super) fn linger(
        &self,
        duration: Duration,
        progress: &mut Progress,
        mut watch: impl FnMut(),
    ) -> anyhow::Result<()> {
        let began = self.clock.now();
        let end = began + u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let before = progress.position();
        while self.clock.now() < end && self.look()? {
            progress.set(before + (self.clock.now() - began) / 1_000_000);
            watch();
        }
        Ok(())
    }

    /// Measures for `duration` after `warm_up`.
    pub(super) fn window(
        &self,
        warm_up: Duration,
        duration: Duration,
        progress: &mut Progress,
        watch: impl FnMut(),
    ) -> anyhow::Result<Measured> {
        self.linger(warm_up, progress, || {})?;
        let before = self.read()?;
        self.shared.window.open(before.at);
        self.linger(duration, progress, watch)?;
        let after = self.read()?;
        self.shared.window.close(after.at);
        Ok(self.between(&before, &after))
    }

    /// Measures from now until `count` broadcasts have reached everybody, or nothing moves any
    /// more.
    pub(super) fn broadcasts(
        &self,
        count: u64,
        limit: Duration,
        progress: &mut Progress,
    ) -> anyhow::Result<Measured> {
        let board = &self.shared.board;
        let last = board.base + count;
        let before = &self.start;
        self.shared.window.open(0);
        let end = before.at + u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        while board.complete.load(Relaxed) < last && self.clock.now() < end && self.look()? {
            progress.set((self.clock.now() - before.at) / 1_000_000);
        }
        // A lane counts a delivery on the board first and for itself a moment later.
        self.look()?;
        let after = self.read()?;
        Ok(self.between(before, &after))
    }
}
