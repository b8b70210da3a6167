//! The binary `vaxel`: the demo, which is also what it runs when called without a word, and the
//! benchmarks that print every figure the documentation claims.

#![forbid(unsafe_code)]

mod bench;
mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Actors are small and many, and their messages are freed by other threads than those that made
/// them: both are what this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A realtime backend in one binary: actors, channels that speak Phoenix's protocol, and the
/// benchmarks that measure both.
#[derive(Debug, Parser)]
#[command(name = "vaxel", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the demo page: a chat, a live dashboard and a supervision tree to crash.
    ///
    /// One process, no file, no service. This is what `vaxel` alone does.
    Demo(demo::args::DemoArgs),
    /// Measure: sockets (any server that speaks Phoenix Channels), actors, the bare loop.
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        None => demo::run(demo::args::DemoArgs::default()),
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
