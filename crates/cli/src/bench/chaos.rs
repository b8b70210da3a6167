//! `vaxel bench chaos`: actors are killed at random in a large tree under load, and everything is
//! counted.
//!
//! A tree of supervisors with a thousand children each is called without a pause by several
//! callers, while so many children a second are killed or made to panic, also in the middle of a
//! handler that awaits. Afterwards: every call has ended, none of them by its time limit; as many
//! incarnations have begun as have ended, but for those that live; every child answers at its old
//! address; every supervisor still has all its children; and the memory is what it was after a
//! first, shorter bout.

mod member;
mod storm;

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use vaxel::System;
use vaxel_bench_rows::resident_bytes;

use super::{
    interrupt,
    report::{Better, Figure, Report},
};
use member::Tree;
use storm::{Seen, Storm};

/// Kill actors at random in a large tree under load, and count everything.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Actors in the tree.
    #[arg(long, default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    actors: u64,

    /// How long actors are killed.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// Actors killed a second, half of them by a panic.
    #[arg(long, default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    kills: u64,

    /// Who calls without a pause meanwhile.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    callers: u64,

    /// Which actors are hit; a random one unless told.
    #[arg(long)]
    seed: Option<u64>,

    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// How much more memory than before counts as a leak.
const GROWTH_MAX: f64 = 1.05;

/// How long memory may take to come back: the allocator returns it within a second or two.
const REST: Duration = Duration::from_secs(4);

/// Runs the storm and judges what is left.
pub(crate) fn run(args: &ChaosArgs) -> anyhow::Result<()> {
    interrupt::install()?;
    let seed = args.seed.unwrap_or_else(random_seed);
    let mut report = Report::stdout("chaos", args.json);
    report.heading(&format!(
        "{} kills a second among {} actors, {} callers, {} s, seed {seed}",
        args.kills, args.actors, args.callers, args.seconds
    ))?;
    // The panics are the point; telling each of them would cost more than all the rest.
    std::panic::set_hook(Box::new(|_| {}));
    let system = System::builder().build();
    let outcome = in_system(args, seed, &system, &mut report);
    system.shutdown();
    outcome?;
    report.finish()
}

fn in_system(
    args: &ChaosArgs,
    seed: u64,
    system: &System,
    report: &mut Report,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the operating system gives no threads")?;
    let tree = runtime.block_on(Tree::grow(system, args.actors))?;
    let storm = |seconds: u64, seed| Storm {
        seconds,
        seed,
        kills_per_second: args.kills,
        callers: args.callers,
    };
    // What the first restarts leave behind for good is not a leak.
    storm((args.seconds / 6).max(1), seed.rotate_left(32)).run(system, &tree)?;
    tree.wait_until_whole()?;
    interrupt::pause(REST)?;
    let before = resident_bytes()?;
    let seen = storm(args.seconds, seed).run(system, &tree)?;
    tree.wait_until_whole()?;
    interrupt::pause(REST)?;
    let after = resident_bytes()?;
    print(report, &seen, before, after)?;
    for complaint in seen.complaints() {
        report.failure(complaint)?;
    }
    for complaint in runtime.block_on(tree.complaints(system)) {
        report.failure(complaint)?;
    }
    if after as f64 > before as f64 * GROWTH_MAX {
        report.failure(format!(
            "memory grew from {before} to {after} bytes, by more than {:.0} %",
            (GROWTH_MAX - 1.0) * 100.0
        ))?;
    }
    Ok(())
}

fn print(report: &mut Report, seen: &Seen, before: u64, after: u64) -> anyhow::Result<()> {
    let figure = |case: &str, unit, better, value: f64| {
        Figure::new(case, "vaxel", unit, better).value(value)
    };
    let (low, high) = (Better::Lower, Better::Higher);
    report.figure(&figure("hit", "actors", high, seen.hit as f64))?;
    report.figure(&figure("restarts", "restarts", high, seen.restarts as f64))?;
    report.figure(&figure("calls", "calls", high, seen.calls as f64))?;
    report.figure(&figure("calls-crashed", "calls", low, seen.crashed as f64))?;
    let delays = figure("call", "us", low, seen.p99_us()).quantiles(seen.quantiles());
    report.figure(&delays)?;
    let ratio = after as f64 / before as f64;
    report.figure(&figure("memory-before", "B", low, before as f64))?;
    report.figure(&figure("memory-after", "B", low, after as f64))?;
    Ok(report.figure(&figure("memory-ratio", "x", low, ratio))?)
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
