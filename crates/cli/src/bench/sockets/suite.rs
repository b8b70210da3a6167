//! Every case against one server.

use hdrhistogram::Histogram;

use super::{
    args::{Case, SocketsArgs},
    fleet::Measured,
    script::Script,
    session::{Memory, Session},
    target::Target,
};
use crate::bench::{
    process::Process,
    report::{Better, Figure, Quantiles, Report},
    stats,
};

/// Above this the clients limit what is measured.
const BUSY_MAX: f64 = 0.95;
const MILLISECOND: f64 = 1e6;

/// Puts the server at `target` through the cases that `args` names.
///
/// # Errors
/// When a phase cannot be run. What must not happen is reported as failures instead.
pub(super) fn run(
    args: &SocketsArgs,
    target: Target,
    server: Option<Process>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let script = Script::phoenix(&args.conversation())?;
    let is_local = target.is_loopback();
    let session = Session::new(args.plan()?, target, &script, server)?;
    let mut suite = Suite {
        args,
        report,
        session,
        is_local,
        idle: None,
    };
    suite.set_up()?;
    suite.idle()?;
    suite.broadcasts()?;
    suite.requests()?;
    suite.storm()?;
    suite.finish()
}

struct Suite<'a> {
    args: &'a SocketsArgs,
    report: &'a mut Report,
    session: Session,
    is_local: bool,
    /// The server's memory before the first connection.
    idle: Option<Memory>,
}

impl Suite<'_> {
    fn figure(&self, case: &str, unit: &'static str, better: Better) -> Figure {
        Figure::new(case, &self.args.subject, unit, better)
    }

    /// Connects and joins: a tenth first when memory is asked for, since what a server takes for
    /// its first connections is not the price of one more.
    fn set_up(&mut self) -> anyhow::Result<()> {
        let total = self.args.connections();
        self.report.heading(&format!("{total} connections"))?;
        let wants_memory = self.args.wants(Case::Memory) || self.args.wants(Case::Storm);
        if !wants_memory {
            let connected = self.session.connect(total)?;
            self.print_rate(Case::Connect, "connect", "connection", &[connected])?;
            let joined = self.session.join()?;
            return self.print_rate(Case::Join, "join", "join", &[joined]);
        }
        self.idle = self.session.memory()?;
        let first = (total / 10).max(1);
        self.session.connect(first)?;
        self.session.join()?;
        let few = self.session.memory()?;
        let connected = self.session.connect(total)?;
        self.print_rate(Case::Connect, "connect", "connection", &[connected])?;
        let idle = self.session.memory()?;
        let joined = self.session.join()?;
        self.print_rate(Case::Join, "join", "join", &[joined])?;
        let all = self.session.memory()?;
        self.print_memory(total - first, few.zip(idle).zip(all))
    }

    fn print_memory(
        &mut self,
        more: usize,
        memory: Option<((Memory, Memory), Memory)>,
    ) -> anyhow::Result<()> {
        if !self.args.wants(Case::Memory) {
            return Ok(());
        }
        let Some(((few, connected), joined)) = memory else {
            return Ok(self.report.note("memory is not measured without --pid")?);
        };
        let slope = |from: u64, to: u64| (to as f64 - from as f64) / more.max(1) as f64;
        for (case, bytes) in [
            (
                "memory-connected",
                slope(few.user_bytes, connected.user_bytes),
            ),
            ("memory-joined", slope(few.user_bytes, joined.user_bytes)),
            ("memory-kernel", slope(few.slab_bytes, joined.slab_bytes)),
        ] {
            let figure = self
                .figure(case, "B/connection", Better::Lower)
                .value(bytes);
            self.report.figure(&figure)?;
        }
        if self.is_local {
            self.report
                .note("kernel memory is that of both ends, as the clients are here too")?;
        }
        Ok(())
    }

    /// Steps a second, CPU and latency of a phase that is repeated `measured.len()` times.
    fn print_rate(
        &mut self,
        case: Case,
        name: &str,
        step: &str,
        measured: &[Measured],
    ) -> anyhow::Result<()> {
        if !self.args.wants(case) {
            return Ok(());
        }
        let unit = match step {
            "connection" => "connections/s",
            "join" => "joins/s",
            "delivery" => "deliveries/s",
            _ => "messages/s",
        };
        let rates: Vec<f64> = measured.iter().map(Measured::per_second).collect();
        self.report
            .figure(&self.figure(name, unit, Better::Higher).runs(&rates))?;
        self.print_cost(name, step, measured)
    }

    /// CPU and latency of a phase.
    fn print_cost(&mut self, name: &str, step: &str, measured: &[Measured]) -> anyhow::Result<()> {
        let unit = match step {
            "connection" => "us/connection",
            "join" => "us/join",
            "delivery" => "us/delivery",
            _ => "us/message",
        };
        let cpu: Vec<f64> = measured.iter().filter_map(Measured::cpu_micros).collect();
        if !cpu.is_empty() {
            let figure = self
                .figure(&format!("{name}-cpu"), unit, Better::Lower)
                .runs(&cpu);
            self.report.figure(&figure)?;
        }
        let p99: Vec<f64> = measured
            .iter()
            .map(|run| p99_millis(&run.latency))
            .collect();
        let mut all = stats::delays();
        stats::merge(&mut all, measured.iter().map(|run| &run.latency));
        let figure = self.figure(&format!("{name}-p99"), "ms", Better::Lower);
        let quantiles = Quantiles::of(&all, MILLISECOND);
        self.report
            .figure(&figure.runs(&p99).quantiles(quantiles))?;
        let busy = measured
            .iter()
            .map(|run| run.generator_busy)
            .fold(0.0, f64::max);
        if busy > BUSY_MAX {
            self.report.note(&format!(
                "the clients were busy for {:.0} % of the time: CPU for each {step} is the figure, \
                 not how many a second",
                busy * 100.0
            ))?;
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        mut phase: impl FnMut(&mut Session) -> anyhow::Result<Measured>,
    ) -> anyhow::Result<Vec<Measured>> {
        (0..self.args.runs)
            .map(|_| phase(&mut self.session))
            .collect()
    }

    /// Cores the server needs for its connections alone.
    fn idle(&mut self) -> anyhow::Result<()> {
        if !self.args.wants(Case::Idle) || self.session.server().is_none() {
            return Ok(());
        }
        self.report.heading("nothing but heartbeats")?;
        let before = self.session.heartbeats().len();
        let measured = self.repeat(Session::idle)?;
        let beats = self.session.heartbeats().len() - before;
        let cores = |run: &Measured| run.cpu.map(|cpu| cpu.as_secs_f64() / run.seconds);
        let cores: Vec<f64> = measured.iter().filter_map(cores).collect();
        let figure = self.figure("idle-cpu", "cores", Better::Lower).runs(&cores);
        self.report.figure(&figure)?;
        let seconds: f64 = measured.iter().map(|run| run.seconds).sum();
        let rate = beats as f64 / seconds;
        Ok(self.report.note(&format!(
            "answering {rate:.0} heartbeats a second meanwhile"
        ))?)
    }

    fn broadcasts(&mut self) -> anyhow::Result<()> {
        if self.args.wants(Case::BroadcastRate) {
            let rate = self.args.rate;
            self.report.heading(&format!("broadcasts at {rate}"))?;
            let measured = self.repeat(|session| session.broadcast_at_rate(rate.0))?;
            self.print_cost("broadcast-rate", "delivery", &measured)?;
        }
        if self.args.wants(Case::BroadcastSaturated) {
            let under_way = self.args.broadcasts_in_flight;
            self.report
                .heading(&format!("broadcasts, {under_way} at a time"))?;
            let measured = self.repeat(|session| session.broadcast_saturated(under_way))?;
            let case = Case::BroadcastSaturated;
            self.print_rate(case, "broadcast-saturated", "delivery", &measured)?;
        }
        Ok(())
    }

    fn requests(&mut self) -> anyhow::Result<()> {
        let total = self.args.connections();
        if self.args.wants(Case::RequestClosed) {
            for busy in &self.args.busy {
                let count = busy.of(total);
                self.report
                    .heading(&format!("requests in a closed loop, {count} busy clients"))?;
                let measured = self.repeat(|session| session.requests_closed(count, 1, || {}))?;
                let name = format!("request-closed-{busy}");
                self.print_rate(Case::RequestClosed, &name, "message", &measured)?;
            }
        }
        if self.args.wants(Case::RequestOpen) {
            let rate = self.args.requests_per_second;
            let busy = self.args.busy.first().map_or(total, |busy| busy.of(total));
            let text = format!("requests in an open loop, {rate} a second, {busy} busy clients");
            self.report.heading(&text)?;
            let measured = self.repeat(|session| session.requests_open(busy, rate))?;
            self.print_cost(&format!("request-open-{rate}"), "message", &measured)?;
        }
        Ok(())
    }

    /// Everybody asks several things at once, for as long as a measurement takes.
    fn storm(&mut self) -> anyhow::Result<()> {
        if !self.args.wants(Case::Storm) {
            return Ok(());
        }
        let (total, depth) = (self.args.connections(), self.args.storm_depth);
        self.report
            .heading(&format!("storm: {depth} requests of each client under way"))?;
        let before = self.session.memory()?;
        let mut peak = before.map_or(0, |memory| memory.user_bytes);
        let server = self.session.server().cloned();
        let measured = self.session.requests_closed(total, depth, || {
            let now = server
                .as_ref()
                .and_then(|server| server.memory_bytes().ok());
            peak = peak.max(now.unwrap_or(0));
        })?;
        self.print_rate(Case::Storm, "storm", "message", &[measured])?;
        let after = self.session.memory()?;
        if let (Some(idle), Some(before), Some(after)) = (self.idle, before, after) {
            let each = |bytes: u64| (bytes as f64 - idle.user_bytes as f64) / total as f64;
            let unit = "B/connection";
            for (case, bytes) in [
                ("storm-memory-before", before.user_bytes),
                ("storm-memory-peak", peak),
                ("storm-memory-after", after.user_bytes),
            ] {
                let figure = self.figure(case, unit, Better::Lower).value(each(bytes));
                self.report.figure(&figure)?;
            }
            let ratio = each(after.user_bytes) / each(before.user_bytes);
            let figure = self
                .figure("storm-memory-ratio", "x", Better::Lower)
                .value(ratio);
            self.report.figure(&figure)?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        let heartbeats = self.session.heartbeats();
        if let Some(quantiles) = Quantiles::of(&heartbeats, MILLISECOND) {
            self.report
                .heading(&format!("{} heartbeats meanwhile", heartbeats.len()))?;
            let figure = self.figure("heartbeat-p99", "ms", Better::Lower);
            let figure = figure.value(p99_millis(&heartbeats)).quantiles(quantiles);
            self.report.figure(&figure)?;
        }
        for fault in self.session.faults.in_words() {
            self.report.failure(fault)?;
        }
        Ok(())
    }
}

/// Not a number when nothing was recorded.
pub(super) fn p99_millis(latency: &Histogram<u64>) -> f64 {
    Quantiles::of(latency, MILLISECOND).map_or(f64::NAN, |quantiles| quantiles.p99)
}
