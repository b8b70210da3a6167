//! `vaxel bench`: the measurements, one submodule each, and the output they share.

pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod stats;

use clap::{Args, Subcommand};

/// What can be measured.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {}

/// Runs one suite and prints its figures.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.suite {}
}
