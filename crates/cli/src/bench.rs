//! `vaxel bench`: the measurements, one submodule each, and the output they share.

mod actors;
mod bare;
mod chaos;
mod child;
mod interrupt;
mod outsider;
mod process;
pub(crate) mod progress;
pub(crate) mod report;
mod sockets;
pub(crate) mod stats;

use clap::{Args, Subcommand};

/// What can be measured.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    Actors(actors::ActorsArgs),
    Chaos(chaos::ChaosArgs),
    Sockets(Box<sockets::SocketsArgs>),
    Scale(sockets::ScaleArgs),
    Soak(sockets::SoakArgs),
    Loop(bare::LoopArgs),
}

/// Runs one suite and prints its figures.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<()> {
    match args.suite {
        Suite::Actors(args) => actors::run(&args),
        Suite::Chaos(args) => chaos::run(&args),
        Suite::Sockets(args) => sockets::run(&args),
        Suite::Scale(args) => sockets::run_scale(&args),
        Suite::Soak(args) => sockets::run_soak(&args),
        Suite::Loop(args) => bare::run(&args),
    }
}
