//! `vaxel bench scale`: very many connections held at once, and what each of them costs.
//!
//! # Life of a run
//! For each number of connections the bare loop and Vaxel's demo take turns, each a process of its
//! own with as many shards as the number needs ([`Layout`]); shards and clients have file tables of
//! their own where the number of open files is bounded. A turn ([`turn`]) connects, joins, and
//! measures what a message costs; Vaxel's also measures memory and idle time, and crashes channels
//! and workers while everybody is connected ([`restart`]). Heartbeats go on all the time, and the
//! server's idle time-out stays at its default, so a client that fell silent would be lost, and
//! one that is lost fails the run.
//!
//! What was measured goes to the report, and as tables and a plot to a file ([`page`]).

mod args;
mod page;
mod plot;
mod restart;
mod turn;

use crate::bench::{
    child::Server,
    interrupt, process, progress,
    report::{Better, Contest, Figure, Report},
    stats::Comparison,
};

use args::Layout;
pub(crate) use args::ScaleArgs;
use page::Page;
pub(super) use restart::crash_workers;
use turn::{Turn, Values};

/// What a message may cost, measured in the loop's cost at the same number.
const GOAL: f64 = 1.15;
/// More than so many connections are measured once: a turn takes minutes.
const REPEATED_MAX: usize = 100_000;

/// Measures all numbers and prints the figures.
pub(crate) fn run(args: &ScaleArgs) -> anyhow::Result<()> {
    interrupt::install()?;
    args.check()?;
    let mut report = Report::stdout("scale", args.json);
    let cores = Cores::choose(&mut report)?;
    let mut page = Page::default();
    for &total in args.joined.iter().filter(|&&total| total > 0) {
        joined(args, total, &cores, &mut report, &mut page)?;
    }
    if args.connected > 0 {
        connected(args, &cores, &mut report, &mut page)?;
    }
    if let Some(path) = &args.markdown {
        page.write(path)?;
    }
    report.finish()
}

/// The server has the first core and the clients the next, where there are two.
pub(super) struct Cores {
    pub(super) server: Vec<usize>,
}

impl Cores {
    pub(super) fn choose(report: &mut Report) -> anyhow::Result<Self> {
        let allowed = process::allowed_cores()?;
        if let [server, clients, ..] = allowed[..] {
            process::pin_this_thread(&[clients])?;
            return Ok(Self {
                server: vec![server],
            });
        }
        report.note("there is one core for the server and the clients")?;
        Ok(Self { server: Vec::new() })
    }
}

/// `total` clients join: the loop and Vaxel in turns, one more of the loop's.
fn joined(
    args: &ScaleArgs,
    total: usize,
    cores: &Cores,
    report: &mut Report,
    page: &mut Page,
) -> anyhow::Result<()> {
    let layout = Layout::of(total, args.per_shard);
    let (shards, tables) = (layout.shards, layout.tables_in_words());
    report.heading(&format!("{total} joined, {shards} shards, {tables}"))?;
    let pairs = if total > REPEATED_MAX { 1 } else { args.pairs };
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        progress::set_context(format!("{total}, loop: "));
        bare.push(take_turn(args, &layout, cores, report, Turn::Loop)?);
        progress::set_context(format!("{total}, vaxel: "));
        let turn = if pair == 0 { Turn::Whole } else { Turn::Costs };
        ours.push(take_turn(args, &layout, cores, report, turn)?);
    }
    if pairs > 1 {
        bare.push(take_turn(args, &layout, cores, report, Turn::Loop)?);
    }
    progress::set_context("");
    for (key, unit) in turn::COSTS {
        contest(key, unit, &bare, &ours, report)?;
    }
    page.add(total, &layout, &bare, &ours);
    Ok(())
}

fn contest(
    key: &str,
    unit: &'static str,
    bare: &[Values],
    ours: &[Values],
    report: &mut Report,
) -> anyhow::Result<()> {
    let of = |turns: &[Values]| -> Vec<f64> { turns.iter().map(|turn| turn.value(key)).collect() };
    let (bare, ours) = (of(bare), of(ours));
    if ours.len() < 2 {
        // One pair without a control proves nothing: the two figures are printed.
        for (subject, values) in [("loop", &bare), ("vaxel", &ours)] {
            report.figure(&Figure::new(key, subject, unit, Better::Lower).runs(values))?;
        }
        let ratio = Figure::new(format!("{key}-ratio"), "vaxel", "x", Better::Lower);
        return Ok(report.figure(&ratio.value(ours[0] / bare[0]))?);
    }
    let pairs: Vec<(f64, f64)> = ours.iter().copied().zip(bare.iter().copied()).collect();
    let control: Vec<(f64, f64)> = bare.windows(2).map(|two| (two[1], two[0])).collect();
    Ok(report.contest(&Contest {
        case: key,
        unit,
        ours: ("vaxel", &ours),
        theirs: ("loop", &bare),
        comparison: Comparison::of_pairs(&pairs, &control),
        goal: GOAL,
    })?)
}

/// Clients that are connected and have joined nothing: Vaxel alone.
fn connected(
    args: &ScaleArgs,
    cores: &Cores,
    report: &mut Report,
    page: &mut Page,
) -> anyhow::Result<()> {
    let total = args.connected;
    let layout = Layout::of(total, args.per_shard);
    let (shards, tables) = (layout.shards, layout.tables_in_words());
    report.heading(&format!("{total} connected, {shards} shards, {tables}"))?;
    progress::set_context(format!("{total} connected: "));
    let values = take_turn(args, &layout, cores, report, Turn::Connected)?;
    progress::set_context("");
    page.add_connected(total, &layout, &values);
    Ok(())
}

/// One server from its start to its end.
fn take_turn(
    args: &ScaleArgs,
    layout: &Layout,
    cores: &Cores,
    report: &mut Report,
    turn: Turn,
) -> anyhow::Result<Values> {
    let server = Server::start(&layout.words(turn), &cores.server)?;
    let mut session = turn.session(args, layout, &server)?;
    let mut values = Values::default();
    turn.take(args, layout, &server, &mut session, &mut values)?;
    let name = turn.name();
    values.print(name, report)?;
    for fault in session.faults.in_words() {
        report.failure(format!("{name}, {} connections: {fault}", layout.total))?;
    }
    Ok(values)
}
