//! `vaxel bench soak`: good clients that must notice nothing while bad ones do their worst, and
//! the server's memory before and after.
//!
//! A fleet joins and goes on asking and broadcasting. Beside it, every kind of [`Mischief`] has a
//! thread of its own: clients that come and go, crash their channels, trickle, fall silent, do not
//! read, flood, break the protocol, send compressed bombs, or only look at the port. Memory is
//! read before and after, each time when they are gone and the server has settled; what the first
//! of them leave behind for good is not a leak, so a part of the time goes before the first
//! reading.
//!
//! The run fails when a good client is lost, an answer or a delivery is missing, memory has grown
//! by more than a twentieth, or a kind of mischief did nothing or met a server that did not behave.

mod bad;
mod bomb;
mod each;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use self::bad::{Mischief, Seen};
use super::{
    fleet::Crew,
    scale::{Cores, crash_workers},
    script::{Conversation, Script},
    session::{Plan, Session},
    suite::p99_millis,
    target::Target,
};
use crate::bench::{
    child::Server,
    interrupt,
    report::{Better, Figure, Quantiles, Report},
    stats,
};

/// What memory may have grown by.
const GROWTH_MAX: f64 = 1.05;
/// Broadcasts to all good clients, and how long a round of requests lasts.
const BROADCASTS_PER_SECOND: f64 = 2.0;
const ROUND: Duration = Duration::from_secs(2);
/// Supervised workers that crash in a round.
const WORKERS_PER_ROUND: usize = 1;
/// How long bad clients may take to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Torment a server and see that its good clients notice nothing and its memory comes back.
///
/// Starts the demo, joins good clients that ask and broadcast all the time, and lets bad ones
/// loose: churn, crashes, slow writers, half-open connections, slow readers, floods, violations of
/// the protocol, compressed bombs, port scans. Ends with an error when a good client is lost, an
/// answer or a delivery is missing, or memory is not back within 5 %.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArgs {
    /// How long the bad clients are at it.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,
    /// Clients that must not notice anything.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=18_000))]
    clients: u32,
    /// Requests of theirs in a second, together.
    #[arg(long, value_name = "N", default_value_t = 500.0)]
    requests_per_second: f64,
    /// Threads that own sockets.
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: u16,
    /// Instead: the p99 of the good clients beside each kind of bad client and without it, in so
    /// many pairs. Nobody else's p99 may move by more than half.
    #[arg(long, value_name = "PAIRS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=99))]
    each: Option<u32>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the soak and prints what came of it.
pub(crate) fn run(args: &SoakArgs) -> anyhow::Result<()> {
    interrupt::install()?;
    let total = Duration::try_from_secs_f64(args.minutes * 60.0)?;
    let mut report = Report::stdout("soak", args.json);
    let shards = args.shards.to_string();
    let words = ["demo", "--compress", "--workers", "2", "--shards", &shards];
    let cores = Cores::choose(&mut report)?;
    let server = Server::start(&words.map(str::to_owned), &cores.server)?;
    let target = Target::parse(&format!("ws://{}/socket", server.address()))?;
    let script = Script::phoenix(&conversation())?;
    let mut session = Session::new(plan(args), target, &script, Some(server.process()?))?;
    let clients = args.clients as usize;
    session.connect(clients)?;
    session.join()?;

    let mut soak = Soak {
        args,
        server: &server,
        session,
        requests: stats::delays(),
        rounds: 0,
        restarts: 0,
    };
    if let Some(pairs) = args.each {
        soak.each(pairs, &mut report)?;
        soak.print_faults(&mut report)?;
        return report.finish();
    }
    soak.torment(total / 6)?;
    let before = soak.memory()?;
    let seen = soak.torment(total)?;
    let after = soak.memory()?;
    soak.print(&seen, before, after, &mut report)?;
    report.finish()
}

fn conversation() -> Conversation {
    Conversation {
        topic: "room:good".to_owned(),
        join_payload: "{}".to_owned(),
        broadcast_event: "shout".to_owned(),
        request_event: "ping".to_owned(),
        broadcast_bytes: 200,
        request_bytes: 64,
    }
}

fn plan(args: &SoakArgs) -> Plan {
    Plan {
        crew: Crew {
            connections: args.clients as usize,
            threads: 1,
            patience_nanos: PATIENCE.as_nanos() as u64,
            heartbeat_nanos: Some(5_000_000_000),
        },
        in_flight: 64,
        connects_per_second: None,
        warm_up: Duration::ZERO,
        duration: ROUND,
    }
}

struct Soak<'a> {
    args: &'a SoakArgs,
    server: &'a Server,
    session: Session,
    /// Nanoseconds of every request of a good client.
    requests: hdrhistogram::Histogram<u64>,
    rounds: u64,
    restarts: usize,
}

impl Soak<'_> {
    /// Good clients go on with their work while the bad ones are at it for so long.
    fn torment(&mut self, time: Duration) -> anyhow::Result<Vec<(Mischief, Seen)>> {
        let stop = Arc::new(AtomicBool::new(false));
        let address = self.server.address();
        let bad: Vec<_> = Mischief::ALL
            .into_iter()
            .map(|kind| {
                let stop = Arc::clone(&stop);
                (kind, thread::spawn(move || kind.commit(address, &stop)))
            })
            .collect();
        let outcome = self.work(time);
        stop.store(true, Ordering::Relaxed);
        let mut seen = Vec::new();
        for (kind, thread) in bad {
            let one = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            seen.push((kind, one));
        }
        outcome.map(|()| seen)
    }

    /// At least one round of everything.
    fn work(&mut self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        let clients = self.args.clients as usize;
        loop {
            let rate = self.args.requests_per_second;
            let asked = self.session.requests_open(clients, rate)?;
            stats::merge(&mut self.requests, [&asked.latency]);
            self.session.broadcast_at_rate(BROADCASTS_PER_SECOND)?;
            self.restarts += crash_workers(self.server.address(), WORKERS_PER_ROUND)?;
            self.rounds += 1;
            if began.elapsed() >= time {
                return Ok(());
            }
        }
    }

    /// Once the server has settled.
    fn memory(&mut self) -> anyhow::Result<u64> {
        let memory = self.session.memory()?;
        Ok(memory.map_or(0, |memory| memory.user_bytes))
    }

    /// What the good clients have noticed.
    fn print_faults(&self, report: &mut Report) -> anyhow::Result<()> {
        for fault in self.session.faults.in_words() {
            report.failure(fault)?;
        }
        Ok(())
    }

    fn print(
        &self,
        seen: &[(Mischief, Seen)],
        before: u64,
        after: u64,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let figure = |case: &str, unit, better, value: f64| {
            Figure::new(case, "vaxel", unit, better).value(value)
        };
        for (kind, seen) in seen {
            let acts = figure(kind.name(), "acts", Better::Higher, seen.acts as f64);
            report.figure(&acts)?;
            kind.judge(seen, report)?;
        }
        let (low, high) = (Better::Lower, Better::Higher);
        report.figure(&figure("rounds", "rounds", high, self.rounds as f64))?;
        report.figure(&figure("restarts", "restarts", high, self.restarts as f64))?;
        let p99 = p99_millis(&self.requests);
        let quantiles = Quantiles::of(&self.requests, 1e6);
        report.figure(&figure("request", "ms", low, p99).quantiles(quantiles))?;
        let ratio = after as f64 / before as f64;
        report.figure(&figure("memory-before", "B", low, before as f64))?;
        report.figure(&figure("memory-after", "B", low, after as f64))?;
        report.figure(&figure("memory-ratio", "x", low, ratio))?;
        self.print_faults(report)?;
        if ratio > GROWTH_MAX {
            report.failure(format!(
                "memory grew from {before} to {after} bytes, by more than {:.0} %",
                (GROWTH_MAX - 1.0) * 100.0
            ))?;
        }
        Ok(())
    }
}
