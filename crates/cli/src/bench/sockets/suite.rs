//! Every case against one server.

use hdrhistogram::Histogram;

use super::{
    args::{Case, SocketsArgs},
    fleet::Measured,
    script::Script,
    session::Session,
    step::Step,
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
/// On every architecture whose pages have 4 KiB.
const HUGE_PAGE_BYTES: f64 = 2_097_152.0;

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
}

impl Suite<'_> {
    fn figure(&self, case: &str, unit: &'static str, better: Better) -> Figure {
        Figure::new(case, &self.args.subject, unit, better)
    }

    fn set_up(&mut self) -> anyhow::Result<()> {
        let total = self.args.connections();
        self.report.heading(&format!("{total} connections"))?;
        let wants_memory = self.args.wants(Case::Memory) || self.args.wants(Case::Storm);
        let opening = self.session.open_up(total, wants_memory)?;
        let connected = [opening.connected];
        self.print_rate(Case::Connect, "connect", Step::Connection, &connected)?;
        self.print_rate(Case::Join, "join", Step::Join, &[opening.joined])?;
        if !self.args.wants(Case::Memory) {
            return Ok(());
        }
        let Some(growth) = opening.growth else {
            return Ok(self.report.note("memory is not measured without --pid")?);
        };
        self.print_bytes(&growth.slopes())?;
        let server = self.session.server();
        if server.is_some_and(|server| server.uses_huge_pages().unwrap_or(false)) {
            let coarse = HUGE_PAGE_BYTES / growth.more();
            self.report.note(&format!(
                "the server's memory comes in huge pages: one is {coarse:.0} B/connection here"
            ))?;
        }
        if self.is_local {
            let text = "kernel memory is that of both ends, as the clients are here too";
            self.report.note(text)?;
        }
        Ok(())
    }

    fn print_bytes(&mut self, figures: &[(&str, f64)]) -> anyhow::Result<()> {
        for &(case, bytes) in figures {
            let figure = self.figure(case, "B/connection", Better::Lower);
            self.report.figure(&figure.value(bytes))?;
        }
        Ok(())
    }

    /// Steps a second, CPU and latency of a phase that is repeated `measured.len()` times.
    fn print_rate(
        &mut self,
        case: Case,
        name: &str,
        step: Step,
        measured: &[Measured],
    ) -> anyhow::Result<()> {
        if !self.args.wants(case) {
            return Ok(());
        }
        let unit = step.rate_unit();
        let rates: Vec<f64> = measured.iter().map(Measured::per_second).collect();
        self.report
            .figure(&self.figure(name, unit, Better::Higher).runs(&rates))?;
        self.print_cost(name, step, measured)
    }

    /// CPU and latency of a phase.
    fn print_cost(&mut self, name: &str, step: Step, measured: &[Measured]) -> anyhow::Result<()> {
        let unit = step.cost_unit();
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
        let cores: Vec<f64> = measured.iter().filter_map(Measured::cores).collect();
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
            self.print_cost("broadcast-rate", Step::Delivery, &measured)?;
        }
        if self.args.wants(Case::BroadcastSaturated) {
            let under_way = self.args.broadcasts_in_flight;
            self.report
                .heading(&format!("broadcasts, {under_way} at a time"))?;
            let measured = self.repeat(|session| session.broadcast_saturated(under_way))?;
            let case = Case::BroadcastSaturated;
            self.print_rate(case, "broadcast-saturated", Step::Delivery, &measured)?;
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
                self.print_rate(Case::RequestClosed, &name, Step::Message, &measured)?;
            }
        }
        if self.args.wants(Case::RequestOpen) {
            let rate = self.args.requests_per_second;
            let busy = self.args.busy.first().map_or(total, |busy| busy.of(total));
            let text = format!("requests in an open loop, {rate} a second, {busy} busy clients");
            self.report.heading(&text)?;
            let measured = self.repeat(|session| session.requests_open(busy, rate))?;
            self.print_cost(&format!("request-open-{rate}"), Step::Message, &measured)?;
        }
        Ok(())
    }

    /// Everybody asks several things at once, for as long as a measurement takes.
    fn storm(&mut self) -> anyhow::Result<()> {
        if !self.args.wants(Case::Storm) {
            return Ok(());
        }
        let depth = self.args.storm_depth;
        self.report
            .heading(&format!("storm: {depth} requests of each client under way"))?;
        let storm = self.session.storm(depth)?;
        self.print_rate(Case::Storm, "storm", Step::Message, &[storm.measured])?;
        if let Some((bytes, ratio)) = storm.memory {
            self.print_bytes(&bytes)?;
            let figure = self.figure("storm-memory-ratio", "x", Better::Lower);
            self.report.figure(&figure.value(ratio))?;
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
