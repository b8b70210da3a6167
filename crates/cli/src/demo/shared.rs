//! What the parts of the demo know in common, and what outlives their crashes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;
use serde_json::value::RawValue;
use vaxel::supervisor::SupervisorRef;
use vaxel::{Endpoint, Figures, Pid, Server};

use super::data::Data;
use super::exchange;

/// Samples that a newcomer is given: two minutes.
pub(crate) const HISTORY_MAX: usize = 120;

/// Crossings longer than this count as this long.
const LATENCY_US_MAX: u64 = 60_000_000;

/// What the parts of the demo know in common.
pub(crate) struct Shared {
    started: Instant,
    running: OnceLock<Running>,
    /// Messages each worker has handled in its present life.
    handled: HashMap<&'static str, AtomicU64>,
    state: Mutex<State>,
    pub(crate) data: Data,
}

/// What there is once clients can connect.
pub(crate) struct Running {
    pub(crate) endpoint: Endpoint,
    pub(crate) figures: Figures,
    pub(crate) supervisor: SupervisorRef,
    /// Resident memory before the first connection.
    pub(crate) rss_bytes_idle: Option<u64>,
}

pub(crate) struct State {
    /// The last samples without their counters, oldest first.
    pub(crate) history: VecDeque<Box<RawValue>>,
    /// The newest sample, counters included.
    pub(crate) sample: Option<Box<RawValue>>,
    pub(crate) tree: Option<Box<RawValue>>,
    /// Which life of which supervisor reports to the board.
    pub(crate) watched: HashMap<&'static str, Pid>,
    /// What has been probed since the last sample.
    pub(crate) latency_us: Histogram<u32>,
    /// When frames were last counted, and how many there were.
    pub(crate) frames: Option<(Instant, u64)>,
}

impl Shared {
    pub(crate) fn new(data: Data) -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        let state = State {
            history: VecDeque::with_capacity(HISTORY_MAX),
            sample: None,
            tree: None,
            watched: HashMap::new(),
            latency_us: latency_us.expect("the bounds of the histogram are fit"),
            frames: None,
        };
        Self {
            started: Instant::now(),
            running: OnceLock::new(),
            handled: exchange::workers()
                .map(|name| (name, AtomicU64::new(0)))
                .collect(),
            state: Mutex::new(state),
            data,
        }
    }

    /// Clients can connect from now on.
    pub(crate) fn started(&self, server: &Server) {
        let supervisor = server
            .supervisor()
            .expect("the demo has a supervision tree")
            .clone();
        let running = Running {
            endpoint: server.endpoint().clone(),
            figures: server.figures(),
            supervisor,
            rss_bytes_idle: rss_bytes(),
        };
        _ = self.running.set(running);
        self.data.started(server);
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        self.running.get()
    }

    pub(crate) fn uptime_s(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// A crash while the lock was held leaves at worst a figure of the last second wrong.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life begins.
    pub(crate) fn begin(&self, worker: &str) {
        if let Some(handled) = self.handled.get(worker) {
            handled.store(0, Ordering::Relaxed);
        }
    }

    /// A worker has handled a message.
    pub(crate) fn count(&self, worker: &str) {
        if let Some(handled) = self.handled.get(worker) {
            handled.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn handled(&self, worker: &str) -> u64 {
        self.handled
            .get(worker)
            .map_or(0, |handled| handled.load(Ordering::Relaxed))
    }
}

impl State {
    /// Notes how long a crossing took.
    pub(crate) fn probed(&mut self, sent: Instant) {
        let us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(LATENCY_US_MAX);
        self.latency_us.saturating_record(us.max(1));
    }
}

/// Resident memory of this process; none where there is no `/proc`.
pub(crate) fn rss_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
