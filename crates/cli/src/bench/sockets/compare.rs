//! Vaxel, or a peer, against the bare loop, in pairs.
//!
//! The servers take turns: loop, Vaxel, loop, Vaxel, … loop. Each turn is a fresh process, a fresh
//! fleet and the same phases. A pair is a turn of Vaxel's and the loop's before it; the control
//! pairs each turn of the loop with the next one, two places on, and so is exposed to more drift
//! of the machine than the pairs it is a control for.

mod metrics;

use super::{
    args::{Case, SocketsArgs},
    fleet::Measured,
    script::Script,
    session::Session,
    step::Step,
    target::Target,
};
use crate::bench::{
    child::Server,
    outsider::Outsider,
    process, progress,
    report::{Better, Contest, Figure, Report},
    stats::{Comparison, median},
};

use self::metrics::{Kind, Metrics};

/// What is measured when no case is named: those with a goal.
const CASES: [Case; 4] = [
    Case::BroadcastSaturated,
    Case::BroadcastRate,
    Case::RequestClosed,
    Case::RequestOpen,
];
/// Frames may differ by this part of their length, in the mean.
const WIRE_TOLERANCE: f64 = 0.001;
/// Above this the clients limit what is measured.
const BUSY_MAX: f64 = 0.95;

/// Who takes a turn.
#[derive(Debug, Clone, Copy)]
enum Subject<'a> {
    Loop,
    Vaxel,
    Peer(&'a Outsider),
}

impl<'a> Subject<'a> {
    /// Who is compared with the loop.
    fn challenger(args: &'a SocketsArgs) -> Self {
        args.peer.as_ref().map_or(Self::Vaxel, Self::Peer)
    }

    fn is_loop(self) -> bool {
        matches!(self, Self::Loop)
    }

    fn name(self) -> &'a str {
        match self {
            Self::Loop => "loop",
            Self::Vaxel => "vaxel",
            Self::Peer(outsider) => &outsider.name,
        }
    }

    /// Starts the server on `cores`.
    fn start(self, args: &SocketsArgs, cores: &[usize]) -> anyhow::Result<Server> {
        let shards = ["--shards".to_owned(), args.shards.to_string()];
        let workers = ["--workers".to_owned(), args.workers.to_string()];
        let mut words = match self {
            Self::Loop => [&["bench".to_owned(), "loop".to_owned()], &shards[..]].concat(),
            Self::Vaxel => [&["demo".to_owned()], &shards[..], &workers[..]].concat(),
            Self::Peer(Outsider { program, words, .. }) => {
                return Server::start_program(program, words, cores);
            }
        };
        if args.file_tables() > 1 {
            words.extend(["--file-tables", "per-shard"].map(str::to_owned));
        }
        Server::start(&words, cores)
    }
}

/// Measures all pairs and prints every figure, every ratio and what may be concluded.
///
/// # Errors
/// When a server cannot be started or a phase cannot be run.
pub(super) fn run(args: &SocketsArgs, report: &mut Report) -> anyhow::Result<()> {
    // A peer inherits the limit, and not every one of them raises its own.
    process::raise_file_limit();
    let args = &args.spread()?;
    let cores = Cores::choose(usize::from(args.shards), args.plan()?.crew.threads, report)?;
    let total = args.connections();
    let challenger = Subject::challenger(args);
    report.heading(&format!(
        "{}, {} pairs with the bare loop, {total} connections, shards {}, workers {}",
        challenger.name(),
        args.pairs,
        args.shards,
        args.workers
    ))?;
    let mut turns: Vec<(Subject<'_>, Metrics)> = Vec::new();
    let count = 2 * args.pairs as usize + 1;
    for turn in 0..count {
        let subject = if turn % 2 == 0 {
            Subject::Loop
        } else {
            challenger
        };
        progress::set_context(format!("{} of {count}, {}: ", turn + 1, subject.name()));
        let (metrics, faults) = take_turn(args, subject, &cores)?;
        for fault in faults {
            report.failure(format!("{}: {fault}", subject.name()))?;
        }
        turns.push((subject, metrics));
    }
    progress::set_context("");
    Summary::of(challenger, &turns).print(args, report)
}

/// Which cores the server and the clients run on. Empty means anywhere.
struct Cores {
    server: Vec<usize>,
}

impl Cores {
    /// The first cores for the server and the next ones for the clients: this thread moves there.
    fn choose(shards: usize, threads: usize, report: &mut Report) -> anyhow::Result<Self> {
        let allowed = process::allowed_cores()?;
        if allowed.len() < 2 {
            report.note("there is one core for the server and the clients")?;
            return Ok(Self { server: Vec::new() });
        }
        let count = cores_of_server(allowed.len(), shards, threads);
        if count < shards {
            report.note(&format!(
                "of {} cores the server's {shards} shards share {count}",
                allowed.len()
            ))?;
        }
        let (server, rest) = allowed.split_at(count);
        process::pin_this_thread(&rest[..threads.min(rest.len())])?;
        Ok(Self {
            server: server.to_vec(),
        })
    }
}

/// One core for each shard where that leaves one for each thread of clients, and its part of them
/// otherwise.
fn cores_of_server(cores: usize, shards: usize, threads: usize) -> usize {
    match shards + threads {
        needed if needed <= cores => shards,
        needed => (cores * shards / needed).clamp(1, cores - 1),
    }
}

/// One server through all phases, from its start to its end.
fn take_turn(
    args: &SocketsArgs,
    subject: Subject<'_>,
    cores: &Cores,
) -> anyhow::Result<(Metrics, Vec<String>)> {
    let server = subject.start(args, &cores.server)?;
    let conversation = args.conversation();
    let (target, script) = match subject {
        Subject::Loop | Subject::Peer(_) => {
            (Target::bare(server.address()), Script::bare(&conversation)?)
        }
        Subject::Vaxel => {
            let target = Target::parse(&format!("ws://{}/socket", server.address()))?;
            (target, Script::phoenix(&conversation)?)
        }
    };
    let mut session = Session::new(args.plan()?, target, &script, Some(server.process()?))?;
    let metrics = measure(args, &mut session)?;
    // The clients go before the server does.
    Ok((metrics, session.faults.in_words()))
}

fn measure(args: &SocketsArgs, session: &mut Session) -> anyhow::Result<Metrics> {
    let wants = |case| {
        if args.case.is_empty() {
            CASES.contains(&case)
        } else {
            args.case.contains(&case)
        }
    };
    let total = args.connections();
    let mut metrics = Metrics::default();
    let opening = session.open_up(total, wants(Case::Memory) || wants(Case::Storm))?;
    if wants(Case::Connect) {
        metrics.add("connect", Step::Connection, &opening.connected);
        metrics.add_rate("connect", Step::Connection, &opening.connected);
    }
    if wants(Case::Join) {
        metrics.add("join", Step::Join, &opening.joined);
    }
    if let Some(growth) = opening.growth.filter(|_| wants(Case::Memory)) {
        metrics.add_alone("B/connection", &growth.slopes());
    }
    if wants(Case::Idle) {
        let measured = session.idle()?;
        metrics.add_alone(
            "cores",
            &[("idle-cpu", measured.cores().unwrap_or(f64::NAN))],
        );
    }
    if wants(Case::BroadcastSaturated) {
        let measured = session.broadcast_saturated(args.broadcasts_in_flight)?;
        metrics.add("broadcast-saturated", Step::Delivery, &measured);
    }
    if wants(Case::RequestClosed) {
        for busy in &args.busy {
            let measured = session.requests_closed(busy.of(total), 1, || {})?;
            metrics.add(&format!("request-closed-{busy}"), Step::Message, &measured);
        }
    }
    if wants(Case::RequestOpen) {
        let busy = args.busy.first().map_or(total, |busy| busy.of(total));
        let rate = args.requests_per_second;
        let measured = session.requests_open(busy, rate)?;
        metrics.add(&format!("request-open-{rate}"), Step::Message, &measured);
    }
    if wants(Case::BroadcastRate) {
        let measured = session.broadcast_at_rate(args.rate.0)?;
        metrics.add("broadcast-rate", Step::Delivery, &measured);
        metrics.add_p50("broadcast-rate", &measured);
    }
    if wants(Case::Storm) {
        let storm = session.storm(args.storm_depth)?;
        metrics.add("storm", Step::Message, &storm.measured);
        if let Some((bytes, ratio)) = storm.memory {
            metrics.add_alone("B/connection", &bytes);
            metrics.add_alone("x", &[("storm-memory-ratio", ratio)]);
        }
    }
    Ok(metrics)
}

/// The turns of each subject, in order: one more of the loop's than of the challenger's.
struct Summary<'a> {
    challenger: Subject<'a>,
    bare: Vec<&'a Metrics>,
    ours: Vec<&'a Metrics>,
}

impl<'a> Summary<'a> {
    fn of(challenger: Subject<'a>, turns: &'a [(Subject<'a>, Metrics)]) -> Self {
        let (bare, ours): (Vec<_>, Vec<_>) =
            turns.iter().partition(|(subject, _)| subject.is_loop());
        let metrics = |turns: Vec<&'a (Subject<'a>, Metrics)>| {
            turns.into_iter().map(|(_, metrics)| metrics).collect()
        };
        Self {
            challenger,
            bare: metrics(bare),
            ours: metrics(ours),
        }
    }

    /// The ratio of `key` over the pairs, with its control.
    fn comparison(&self, key: &str) -> Comparison {
        let bare: Vec<f64> = self.bare.iter().map(|turn| turn.value(key)).collect();
        let ours: Vec<f64> = self.ours.iter().map(|turn| turn.value(key)).collect();
        let pairs: Vec<_> = ours.into_iter().zip(bare.iter().copied()).collect();
        let control: Vec<_> = bare.windows(2).map(|two| (two[1], two[0])).collect();
        Comparison::of_pairs(&pairs, &control)
    }

    fn print(&self, args: &SocketsArgs, report: &mut Report) -> anyhow::Result<()> {
        let Some(first) = self.bare.first() else {
            return Ok(());
        };
        for (key, kind) in first.keys() {
            match kind {
                Kind::Figure { unit, goal } => {
                    self.print_figure(key, unit, args.goal.unwrap_or(goal), report)?;
                }
                Kind::Alone { unit, better } => self.print_alone(key, unit, better, report)?,
                Kind::Wire => self.check_wire(key, report)?,
                Kind::Busy => self.check_busy(key, report)?,
            }
        }
        Ok(())
    }

    fn print_figure(
        &self,
        key: &str,
        unit: &'static str,
        goal: f64,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let values =
            |turns: &[&Metrics]| -> Vec<f64> { turns.iter().map(|turn| turn.value(key)).collect() };
        let (bare, ours) = (values(&self.bare), values(&self.ours));
        Ok(report.contest(&Contest {
            case: key,
            unit,
            ours: (self.challenger.name(), &ours),
            theirs: (Subject::Loop.name(), &bare),
            comparison: self.comparison(key),
            goal,
        })?)
    }

    /// Absolute figures of both, for those that are no ratio to claim.
    fn print_alone(
        &self,
        key: &str,
        unit: &'static str,
        better: Better,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        for (subject, turns) in [(Subject::Loop, &self.bare), (self.challenger, &self.ours)] {
            let values: Vec<f64> = turns.iter().map(|turn| turn.value(key)).collect();
            let figure = Figure::new(key, subject.name(), unit, better);
            report.figure(&figure.runs(&values))?;
        }
        Ok(())
    }

    /// Ratios of work mean nothing unless both did the same work.
    fn check_wire(&self, key: &str, report: &mut Report) -> anyhow::Result<()> {
        let mean = |turns: &[&Metrics]| {
            median(&turns.iter().map(|turn| turn.value(key)).collect::<Vec<_>>())
        };
        let (bare, ours) = (mean(&self.bare), mean(&self.ours));
        let equal = (ours / bare - 1.0).abs() <= WIRE_TOLERANCE;
        if !equal {
            report.failure(format!(
                "{key} have {ours:.2} bytes, those of the loop {bare:.2}"
            ))?;
        }
        Ok(())
    }

    fn check_busy(&self, key: &str, report: &mut Report) -> anyhow::Result<()> {
        let turns = self.bare.iter().chain(&self.ours);
        let busy = turns.map(|turn| turn.value(key)).fold(0.0, f64::max);
        if busy > BUSY_MAX {
            report.note(&format!(
                "the clients were busy for {:.0} % of the time ({key}): CPU for each message is \
                 the figure, latency is theirs as well",
                busy * 100.0
            ))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(cpu: f64) -> Metrics {
        Metrics::with("broadcast-saturated-cpu", cpu)
    }

    #[test]
    fn server_and_clients_have_cores_of_their_own_however_few_there_are() {
        for (cores, shards, threads, expected) in [
            (2, 1, 1, 1),
            (2, 3, 3, 1),
            (8, 2, 2, 2),
            (8, 12, 4, 6),
            (3, 9, 1, 2),
        ] {
            assert_eq!(cores_of_server(cores, shards, threads), expected);
        }
    }

    #[test]
    fn pairs_are_neighbours_and_the_control_is_the_loop_with_its_next() {
        let turns: Vec<_> = [4.0, 5.0, 8.0, 10.0, 4.0]
            .into_iter()
            .enumerate()
            .map(|(at, cpu)| {
                (
                    if at % 2 == 0 {
                        Subject::Loop
                    } else {
                        Subject::Vaxel
                    },
                    turn(cpu),
                )
            })
            .collect();
        let comparison = Summary::of(Subject::Vaxel, &turns).comparison("broadcast-saturated-cpu");
        assert_eq!(comparison.pairs, 2);
        assert!(
            (comparison.ratio - 1.25).abs() < 1e-9,
            "5/4 and 10/8: {comparison:?}"
        );
        assert!(
            (comparison.control.low - 0.5).abs() < 1e-9,
            "4/8: {comparison:?}"
        );
        assert!(
            (comparison.control.high - 2.0).abs() < 1e-9,
            "8/4: {comparison:?}"
        );
    }
}
