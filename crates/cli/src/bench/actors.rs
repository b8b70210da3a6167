//! `vaxel bench actors`: our actors beside plain tokio tasks, in one run.
//!
//! Every row is measured in turns (tokio, ours, tokio, …) with the same number of workers, and
//! compared as the median of the ratios of neighbouring runs. The other side is written as users
//! of tokio write it; what each row takes is said where it is written ([`peer`]). Memory and
//! spawning are measured in fresh processes, started for the purpose, since a process that has
//! touched its memory once no longer pays for it.

mod case;
mod fresh;
mod measure;
mod open_loop;
mod ours;
mod peer;
mod run;

use clap::Args;

use case::Case;
use measure::Sample;
use open_loop::OpenLoop;

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

    /// Workers of ours and of tokio; the number of cores by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Option<u32>,

    /// Divides the size of every row, for a quick look rather than a figure to quote.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    scale_down: u64,

    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,

    /// Measures one side of one row in this process and prints the figures; used for rows that
    /// need a fresh process.
    #[arg(long, hide = true, value_name = "SIDE")]
    fresh: Option<fresh::Side>,
}

/// How large everything is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Worker threads on either side.
    pub(crate) workers: usize,
    scale_down: u64,
}

impl Plan {
    fn of(args: &ActorsArgs) -> Self {
        let cores = || std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            workers: args.workers.map_or_else(cores, |workers| workers as usize),
            scale_down: args.scale_down,
        }
    }

    /// `full`, or less of it in a quick look.
    pub(crate) fn scaled(&self, full: u64) -> u64 {
        (full / self.scale_down).max(1)
    }
}

/// One side of every row.
pub(crate) trait Subject {
    /// As it is printed.
    const NAME: &'static str;

    /// Bytes per actor, from the growth between `few` and `many`.
    fn memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64>;
    /// One sample per round, the first of them cold.
    fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>>;
    fn ping_pong(plan: &Plan, messages: u64) -> anyhow::Result<Sample>;
    fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample>;
    fn ring(plan: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample>;
    fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample>;
    fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample>;
    fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample>;
    fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample>;
    fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<open_loop::Outcome>;
}

/// Runs the rows asked for and prints their figures.
pub(crate) fn run(args: &ActorsArgs) -> anyhow::Result<()> {
    let plan = Plan::of(args);
    match args.fresh {
        Some(side) => fresh::measure_here(side, &args.cases, &plan),
        None => run::all(args, &plan),
    }
}
