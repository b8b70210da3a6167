//! Development tasks of this repository: `cargo xtask tidy` and `cargo xtask test`.
//!
//! `tidy` holds the rules that neither the compiler nor clippy knows: which crate may depend on
//! which, where `unsafe` may live, how long a file may grow. `test` is the one command that runs
//! every check there is, tidy included, and installs what the checks need. `peers` measures our
//! actors beside other libraries', `socket-peers` our connections.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a task is what it prints"
)]

mod peers;
mod socket_peers;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks of the Vaxel repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the rules of the house that neither the compiler nor clippy knows.
    Tidy,
    /// Run every check: format, lints, docs, tests, models, real clients, a real browser.
    Test(test::Options),
    Peers(peers::Options),
    SocketPeers(socket_peers::Options),
}

fn main() -> ExitCode {
    let root = workspace_root();
    let outcome = match Arguments::parse().task {
        Task::Tidy => tidy::main(&root),
        Task::Test(options) => test::main(&root, &options),
        Task::Peers(options) => peers::main(&root, &options),
        Task::SocketPeers(options) => socket_peers::main(&root, &options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder above this crate's, so that a task works from any folder. Cargo says at run time
/// where that is; what was true when the binary was built may be another checkout.
fn workspace_root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().unwrap_or(&here).to_path_buf()
}
