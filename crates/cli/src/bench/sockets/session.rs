//! One server, one fleet, and the phases it can be put through.
//!
//! A session knows nothing of output. Each phase returns what was measured and adds what must not
//! happen to [`Faults`].

pub(super) mod memory;

use std::time::Duration;

use hdrhistogram::Histogram;

use self::memory::Growth;
use super::{
    fleet::{Crew, Fleet, Measured},
    script::Script,
    target::Target,
    task::{self, Broadcast, ClosedLoop, Connect, Crash, Idle, Join, OpenLoop, Pace, Requests},
};
use crate::bench::{
    process::Process,
    progress::Progress,
    stats::{self, merge},
};

/// Heartbeats are sent every 30 s, and servers wait for 60 s.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How the phases are to run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) crew: Crew,
    /// Connections and joins that may wait for their answer, of all lanes together.
    pub(super) in_flight: usize,
    /// Connections a second, if bounded.
    pub(super) connects_per_second: Option<f64>,
    /// Before a measurement: as long as this the load runs unmeasured.
    pub(super) warm_up: Duration,
    /// How long a measurement takes.
    pub(super) duration: Duration,
}

/// What must not happen, counted over all phases of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Connections lost, and what the first died of.
    pub(super) lost: u64,
    pub(super) first_loss: Option<String>,
    /// Deliveries of a broadcast that never came.
    pub(super) missing: u64,
    /// Deliveries that came twice.
    pub(super) repeated: u64,
    /// Requests without an answer.
    pub(super) unanswered: u64,
    /// Answers that were no `ok`.
    pub(super) refused: u64,
    /// Answers to nothing that was asked.
    pub(super) strange: u64,
}

impl Faults {
    fn add_requests(&mut self, requests: &Requests) {
        self.unanswered += requests.under_way + requests.lost;
        self.refused += requests.refused;
        self.strange += requests.strange;
    }

    /// Each fault in words.
    pub(super) fn in_words(&self) -> Vec<String> {
        let reason = self.first_loss.as_deref().unwrap_or("unknown");
        [
            (
                self.lost,
                format!("connections lost, the first one so: {reason}"),
            ),
            (
                self.missing,
                "deliveries of broadcasts are missing".to_owned(),
            ),
            (
                self.repeated,
                "deliveries of broadcasts came twice".to_owned(),
            ),
            (self.unanswered, "requests were not answered".to_owned()),
            (
                self.refused,
                "requests were answered with an error".to_owned(),
            ),
            (
                self.strange,
                "replies answer nothing that was asked".to_owned(),
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
    }
}

/// A server and its clients.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) fleet: Fleet,
    pub(super) faults: Faults,
    plan: Plan,
    server: Option<Process>,
    growth: Option<Growth>,
}

impl Session {
    /// A fleet as `plan` says, not connected yet.
    ///
    /// # Errors
    /// As [`Fleet::new`].
    pub(super) fn new(
        plan: Plan,
        target: Target,
        script: &Script,
        server: Option<Process>,
    ) -> anyhow::Result<Self> {
        let fleet = Fleet::new(&plan.crew, target, script, server.clone())?;
        Ok(Self {
            fleet,
            faults: Faults::default(),
            plan,
            server,
            growth: None,
        })
    }

    /// The server's process, if it is known.
    pub(super) fn server(&self) -> Option<&Process> {
        self.server.as_ref()
    }

    /// Connects until `total` clients are.
    pub(super) fn connect(&mut self, total: usize) -> anyhow::Result<Measured> {
        let (threads, already) = (self.plan.crew.threads, self.fleet.connected());
        let new = total.saturating_sub(already) as u64;
        let in_flight = self.plan.in_flight.div_ceil(threads);
        let rate = self
            .plan
            .connects_per_second
            .map(|rate| rate / threads as f64);
        let mut progress = Progress::new("connecting", new);
        let make = |lane: &mut super::lane::Lane| {
            let (from, end) = (
                task::share(already, lane.index, threads),
                task::share(total, lane.index, threads),
            );
            Connect::new(from, end, in_flight, rate)
        };
        let (mut measured, tasks, _) = self
            .fleet
            .run(make, |supervisor| supervisor.until_done(new, &mut progress))?;
        merge(
            &mut measured.latency,
            tasks.iter().map(|task| &task.latency),
        );
        self.note_losses();
        Ok(measured)
    }

    /// Joins everybody who is connected.
    pub(super) fn join(&mut self) -> anyhow::Result<Measured> {
        let new = (self.fleet.connected() - self.fleet.members()) as u64;
        let in_flight = self.plan.in_flight.div_ceil(self.plan.crew.threads);
        let mut progress = Progress::new("joining", new);
        let (mut measured, tasks, _) = self.fleet.run(
            |_| Join::new(in_flight),
            |supervisor| supervisor.until_done(new, &mut progress),
        )?;
        merge(
            &mut measured.latency,
            tasks.iter().map(|task| &task.latency),
        );
        self.note_losses();
        Ok(measured)
    }

    /// Nothing but heartbeats, for the duration of a measurement.
    pub(super) fn idle(&mut self) -> anyhow::Result<Measured> {
        self.linger(self.plan.duration)
    }

    fn linger(&mut self, duration: Duration) -> anyhow::Result<Measured> {
        let mut progress = Progress::new("idle", duration.as_millis() as u64);
        let (measured, ..) = self.fleet.run(
            |_| Idle,
            |supervisor| supervisor.window(Duration::ZERO, duration, &mut progress, || {}),
        )?;
        self.note_losses();
        Ok(measured)
    }

    /// The same without heartbeats, and never for so long that a client is taken for dead.
    pub(super) fn silence(&mut self) -> anyhow::Result<Measured> {
        self.pause_heartbeats(true);
        let measured = self.linger(self.plan.duration.min(SILENCE_MAX));
        self.pause_heartbeats(false);
        measured
    }

    fn pause_heartbeats(&mut self, is_paused: bool) {
        for lane in &mut self.fleet.lanes {
            lane.heartbeats.is_paused = is_paused;
        }
    }

    /// Crashes `count` channels of each lane, whose clients join again.
    pub(super) fn crash(&mut self, count: usize) -> anyhow::Result<Measured> {
        let total = (count * self.plan.crew.threads) as u64;
        let mut progress = Progress::new("crashing channels", total);
        let (mut measured, tasks, _) = self.fleet.run(
            |_| Crash::new(count),
            |supervisor| supervisor.until_done(total, &mut progress),
        )?;
        merge(
            &mut measured.latency,
            tasks.iter().map(|task| &task.latency),
        );
        self.note_losses();
        Ok(measured)
    }

    /// Broadcasts as fast as they arrive, with `under_way` of them on their way at any time.
    pub(super) fn broadcast_saturated(&mut self, under_way: u64) -> anyhow::Result<Measured> {
        let (warm_up, duration) = (self.plan.warm_up, self.plan.duration);
        let mut progress = self.progress("broadcasts, saturated");
        self.broadcast(Pace::UnderWay(under_way), |supervisor| {
            supervisor.window(warm_up, duration, &mut progress, || {})
        })
    }

    /// Broadcasts at a rate, for the duration of a measurement and at least three of them.
    pub(super) fn broadcast_at_rate(&mut self, per_second: f64) -> anyhow::Result<Measured> {
        let count = ((self.plan.duration.as_secs_f64() * per_second).ceil() as u64).max(3);
        let expected = Duration::from_secs_f64(count as f64 / per_second);
        let limit = expected + Duration::from_nanos(self.plan.crew.patience_nanos);
        let mut progress = Progress::new("broadcasts, at a rate", expected.as_millis() as u64);
        self.broadcast(Pace::Rate { per_second, count }, |supervisor| {
            supervisor.broadcasts(count, limit, &mut progress)
        })
    }

    fn broadcast(
        &mut self,
        pace: Pace,
        supervise: impl FnOnce(&super::fleet::Supervisor<'_>) -> anyhow::Result<Measured>,
    ) -> anyhow::Result<Measured> {
        let base = self.fleet.last_broadcast();
        let (mut measured, mut tasks, shared) = self
            .fleet
            .run(|lane| Broadcast::new(pace, base, lane), supervise)?;
        for (task, lane) in tasks.iter_mut().zip(&self.fleet.lanes) {
            task.settle(lane, &shared);
            self.faults.missing += task.missing;
            self.faults.repeated += task.repeated;
        }
        merge(
            &mut measured.latency,
            tasks.iter().map(|task| &task.latency),
        );
        self.note_losses();
        Ok(measured)
    }

    /// Requests in a closed loop by `busy` clients, `depth` at a time each. `watch` is called now
    /// and then during the measurement.
    pub(super) fn requests_closed(
        &mut self,
        busy: usize,
        depth: usize,
        watch: impl FnMut(),
    ) -> anyhow::Result<Measured> {
        let (warm_up, duration) = (self.plan.warm_up, self.plan.duration);
        let threads = self.plan.crew.threads;
        let mut progress = self.progress("requests, closed loop");
        let (mut measured, tasks, _) = self.fleet.run(
            |lane| {
                ClosedLoop::new(
                    task::spread(lane, task::share(busy, lane.index, threads)),
                    depth,
                )
            },
            |supervisor| supervisor.window(warm_up, duration, &mut progress, watch),
        )?;
        self.take_requests(&mut measured, tasks.iter().map(|task| &task.requests));
        Ok(measured)
    }

    /// Requests in an open loop, `per_second` of them dealt out to `busy` clients in turn.
    pub(super) fn requests_open(
        &mut self,
        busy: usize,
        per_second: f64,
    ) -> anyhow::Result<Measured> {
        let (warm_up, duration) = (self.plan.warm_up, self.plan.duration);
        let threads = self.plan.crew.threads;
        let mut progress = self.progress("requests, open loop");
        let (mut measured, tasks, _) = self.fleet.run(
            |lane| {
                let busy = task::spread(lane, task::share(busy, lane.index, threads));
                OpenLoop::new(busy, per_second / threads as f64)
            },
            |supervisor| supervisor.window(warm_up, duration, &mut progress, || {}),
        )?;
        self.take_requests(&mut measured, tasks.iter().map(|task| &task.requests));
        Ok(measured)
    }

    fn take_requests<'a>(
        &mut self,
        measured: &mut Measured,
        tasks: impl Iterator<Item = &'a Requests>,
    ) {
        for requests in tasks {
            self.faults.add_requests(requests);
            merge(&mut measured.latency, [&requests.latency]);
        }
        self.note_losses();
    }

    /// Nanoseconds from the intended time of every heartbeat so far to its answer.
    pub(super) fn heartbeats(&self) -> Histogram<u64> {
        let mut latency = stats::delays();
        merge(
            &mut latency,
            self.fleet.lanes.iter().map(|lane| &lane.heartbeats.latency),
        );
        latency
    }

    fn note_losses(&mut self) {
        self.faults.lost = self.fleet.lanes.iter().map(|lane| lane.lost).sum();
        let reason = self
            .fleet
            .lanes
            .iter()
            .find_map(|lane| lane.first_loss.clone());
        self.faults.first_loss = reason;
    }

    fn progress(&self, what: &str) -> Progress {
        Progress::new(
            what,
            (self.plan.warm_up + self.plan.duration).as_millis() as u64,
        )
    }
}
