//! The binary `vaxel`: the demo, which is also what it runs when called without a word, and the
//! benchmarks that print every figure the documentation claims.

#![forbid(unsafe_code)]

mod bench;
mod demo;
mod file_table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gives memory back after a storm, which is what `vaxel bench sockets --case storm` measures; how
/// it is set up stands in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A realtime backend in one binary: actors, channels that speak Phoenix's protocol, and the
/// benchmarks that measure both.
#[derive(Debug, Parser)]
#[command(
    name = "vaxel",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    /// Without a command these are the demo's.
    #[command(flatten)]
    demo: demo::args::DemoArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the demo page: a chat, a live dashboard and a supervision tree to crash.
    ///
    /// One process and no service; no file either, unless `--data` names a folder. This is what
    /// `vaxel` alone does.
    Demo(demo::args::DemoArgs),
    /// Measure: sockets (any server that speaks Phoenix Channels), actors, the bare loop.
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => demo::run(cli.demo),
        Some(Command::Demo(args)) => demo::run(args),
        Some(Command::Bench(args)) => bench::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// The last line of a failed run: the error and what caused it, on the error stream.
#[expect(
    clippy::print_stderr,
    reason = "a command line program speaks through its streams"
)]
fn print_error(error: &anyhow::Error) {
    eprintln!("vaxel: {error:#}");
}
