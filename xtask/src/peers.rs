//! `cargo xtask peers`: the rows of `vaxel bench actors` for every library at hand, in one run.
//!
//! Builds the `vaxel` binary and the peers with the same profile, compiles the Erlang module when
//! `erl` is installed (it says so when it is not), and hands all of them to `vaxel bench actors`,
//! which measures in turns and prints.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

/// The libraries that `bench/peers` holds.
const LIBRARIES: [&str; 3] = ["ractor", "kameo", "actix"];

/// Measure our actors beside tokio, ractor, kameo, actix and the BEAM, in one run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Handed to `vaxel bench actors`: --case, --runs, --scale-down, --json, --markdown FILE …
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn main(root: &Path, options: &Options) -> Result<bool> {
    let mut build = Command::new("cargo");
    build.args(["build", "--locked", "--release"]);
    build.args(["-p", "vaxel-cli", "-p", "vaxel-peers"]);
    run(build.current_dir(root), "the build")?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |target| root.join(target));
    let mut bench = Command::new(target.join("release/vaxel"));
    bench.args(["bench", "actors"]);
    let peers = target.join("release/vaxel-peers");
    for library in LIBRARIES {
        bench.arg(format!("--peer={library}={} {library}", peers.display()));
    }
    match beam(root, &target)? {
        Some(words) => {
            bench.arg(format!("--peer=beam={words}"));
        }
        None => eprintln!("the BEAM is NOT MEASURED: install it with apt-get install erlang-base"),
    }
    let status = bench.args(&options.rest).current_dir(root).status();
    Ok(status.context("vaxel cannot be started")?.success())
}

/// Compiles the Erlang module and says how it is started. `None`: there is no Erlang here.
fn beam(root: &Path, target: &Path) -> Result<Option<String>> {
    let module = root.join("bench/peers/beam/peers.erl");
    let into: PathBuf = target.join("beam");
    std::fs::create_dir_all(&into)?;
    let mut compile = Command::new("erlc");
    compile.arg("-o").arg(&into).arg(&module);
    match compile.status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        status => ensure!(status?.success(), "{} does not compile", module.display()),
    }
    // Room for the million processes of the rows; the default ends at a quarter of that.
    Ok(Some(format!(
        "erl +P 4000000 -noshell -pa {} -s peers main -extra",
        into.display()
    )))
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().context("cargo cannot be started")?;
    ensure!(status.success(), "{what} failed");
    Ok(())
}
