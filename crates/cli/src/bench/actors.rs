//! `vaxel bench actors`: our actors beside plain tokio tasks, and beside other programs.
//!
//! Every row is measured in turns (tokio, ours, tokio, …) with the same number of workers, each
//! in a process of its own, and compared as the median of the ratios of neighbouring runs. The
//! other side is written as users of tokio write it; what each row takes is said where it is
//! written ([`peer`]). Other programs take part with `--peer NAME=COMMAND`: they are asked for a
//! row as [`vaxel_bench_rows`] says and measured in the same turns.

mod alive;
mod ours;
mod peer;
mod run;
mod side;
mod table;

use std::path::PathBuf;

use clap::Args;
use vaxel_bench_rows::{Asked, Case, Plan};

use crate::bench::{outsider::Outsider, report::Report};
use side::Within;

/// Our actors beside plain tokio tasks: memory, spawning, messages, calls, crashes, spinners.
///
/// Every row is measured in turns with the same number of workers, and compared as the median of
/// the ratios of neighbouring runs.
#[derive(Debug, Args)]
pub(crate) struct ActorsArgs {
    /// Only these rows; all by default.
    #[arg(long = "case", value_name = "CASE", value_delimiter = ',')]
    cases: Vec<Case>,

    /// How often each row is measured; figures are medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,

    /// Workers of every side; the number of cores by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Option<u32>,

    /// Divides the size of every row, for a quick look rather than a figure to quote.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    scale_down: u64,

    /// Another program that offers the rows, measured in the same turns; may be repeated.
    #[arg(long = "peer", value_name = "NAME=COMMAND")]
    peers: Vec<Outsider>,

    /// Holds so many actors at once, each of which has answered a call, instead of the rows; the
    /// largest number of processes of a BEAM unless told otherwise.
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "134217728")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    #[arg(conflicts_with = "cases")]
    alive: Option<u64>,

    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,

    /// Writes the figures of all sides, side by side, as a Markdown table to this file too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Measures one side of one row in this process and prints the figures.
    #[arg(long, hide = true, value_name = "SIDE")]
    within: Option<Within>,
}

/// Runs the rows asked for and prints their figures.
pub(crate) fn run(args: &ActorsArgs) -> anyhow::Result<()> {
    let cores = || std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let plan = Plan {
        workers: args.workers.map_or_else(cores, |workers| workers as usize),
        scale_down: args.scale_down,
    };
    if let Some(count) = args.alive {
        let mut report = Report::stdout("actors", args.json);
        report.heading(&format!("actors alive at once, {} workers", plan.workers))?;
        alive::run(count, &plan, &mut report)?;
        return report.finish();
    }
    let Some(side) = args.within else {
        return run::all(args, &plan);
    };
    let [case] = *args.cases else {
        anyhow::bail!("one process measures one row")
    };
    side.answer(Asked {
        case,
        workers: u32::try_from(plan.workers)?,
        scale_down: plan.scale_down,
    })
}
