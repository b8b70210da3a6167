//! `cargo xtask socket-peers`: other WebSocket servers, the bare epoll loop and Vaxel in one run.
//!
//! Installs and builds what it can ([`side`]), has each server measured beside the bare loop by
//! `vaxel bench sockets --compare loop`, and writes what was printed ([`saved`]) as a table
//! ([`table`]) and plots ([`plot`]) into the documents ([`document`]). Nothing there is typed: the
//! figures lie beside the plots as JSON, and a test makes table and plots of them again.
//!
//! # Rounds
//! A round is one turn of every server, each between two turns of the loop. Figures are medians
//! over the rounds, ratios medians of ratios within a turn. One server of one round can be measured
//! by itself (`--only`, `--round`); what was measured before is kept, so that a run can be made in
//! pieces.
//!
//! # Failure
//! A server that cannot be had, or fails while it is measured, is NOT MEASURED: the table says so
//! with the reason. Only Vaxel's own failure makes the command fail.

mod document;
mod plot;
mod saved;
mod side;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::test::Session;
use crate::test::process::Show;
use saved::Saved;
use side::{SIDES, Side};

/// What is measured of each server.
const CASES: &str = "connect,memory,broadcast-saturated,broadcast-rate,request-closed,request-open";

/// No build and no turn takes longer.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Measure Vaxel's connections beside the bare loop and other WebSocket servers, in one run.
///
/// uWebSockets (in PyPI's socketify), Node's ws, Go's gorilla, tungstenite, fastwebsockets, axum.
/// What cannot be installed is NOT MEASURED.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these servers; figures of the others that an earlier run left are kept.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each server is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measure this round only, and keep what an earlier run left of the others.
    #[arg(long, value_name = "N")]
    round: Option<u32>,
    /// Clients; at most what the file limit allows.
    #[arg(long, default_value_t = 18_000)]
    connections: u32,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// A `vaxel` built elsewhere, instead of building it.
    #[arg(long, value_name = "FILE")]
    vaxel: Option<PathBuf>,
    /// Install and build, measure nothing.
    #[arg(long)]
    build_only: bool,
    /// Write table and plots of what has been measured so far into the documents.
    #[arg(long)]
    write: bool,
    /// Measure nothing: only write what has been measured.
    #[arg(long, requires = "write")]
    write_only: bool,
}

impl Options {
    fn chosen(&self) -> Result<Vec<&'static Side>> {
        for name in &self.only {
            let is_known = SIDES.iter().any(|side| side.name == name);
            ensure!(is_known, "there is no server `{name}` among {}", names());
        }
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|one| one == name);
        Ok(SIDES.iter().filter(|side| wanted(side.name)).collect())
    }

    /// Whether nothing that an earlier run left is to be kept.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.round.is_none() && !self.build_only
    }

    fn rounds(&self) -> std::ops::RangeInclusive<u32> {
        self.round.map_or(1..=self.rounds, |round| round..=round)
    }
}

fn names() -> String {
    Vec::from_iter(SIDES.iter().map(|side| side.name)).join(", ")
}

pub(crate) fn main(root: &Path, options: &Options) -> Result<bool> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |target| root.join(target));
    let place = target.join("socket-peers");
    let figures = place.join("figures");
    let mut is_ours_good = true;
    if !options.write_only {
        if options.is_whole() && figures.exists() {
            std::fs::remove_dir_all(&figures)?;
        }
        std::fs::create_dir_all(&figures)?;
        is_ours_good = measure(root, &target, &place, options)?;
    }
    let saved = Saved::read(&figures)?;
    println!("\n{}", table::markdown(&saved));
    if options.write {
        document::write(root, &saved)?;
    }
    Ok(is_ours_good)
}

/// False when Vaxel itself was not measured.
fn measure(root: &Path, target: &Path, place: &Path, options: &Options) -> Result<bool> {
    let mut session = Session::new(root, PATIENCE)?;
    let vaxel = match &options.vaxel {
        Some(file) => file.clone(),
        None => build_vaxel(&mut session, target)?,
    };
    let mut ready = Vec::new();
    for side in options.chosen()? {
        match side.prepare(root, place)? {
            Ok(command) => ready.push((side, command)),
            Err(reason) => not_measured(place, side, &reason)?,
        }
    }
    let mut is_ours_good = true;
    if options.build_only {
        return Ok(is_ours_good);
    }
    for round in options.rounds() {
        for (side, command) in &ready {
            println!("\n=== {}, round {round}", side.name);
            if let Err(error) = turn(root, &vaxel, (side, command), (place, round), options) {
                not_measured(place, side, &format!("{error:#}"))?;
                is_ours_good &= !side.is_ours();
            }
        }
    }
    Ok(is_ours_good)
}

/// One server between two turns of the loop.
fn turn(
    root: &Path,
    vaxel: &Path,
    (side, command): (&Side, &str),
    (place, round): (&Path, u32),
    options: &Options,
) -> Result<()> {
    let mut session = Session::new(root, PATIENCE)?;
    let words = [
        "bench",
        "sockets",
        "--compare",
        "loop",
        "--pairs",
        "1",
        "--json",
        "--case",
        CASES,
    ];
    let mut bench = session.command(vaxel, words);
    bench.args(["--connections", &options.connections.to_string()]);
    bench.args(["--seconds", &options.seconds.to_string()]);
    if !side.is_ours() {
        bench.arg("--peer").arg(format!("{}={command}", side.name));
    }
    let finished = session.run(bench, Show::All)?;
    let last = finished.output.lines().rfind(|line| !line.starts_with('{'));
    ensure!(finished.status.success(), "{}", last.unwrap_or("no word"));
    let lines = finished.output.lines().filter(|line| line.starts_with('{'));
    saved::save(&figures_of(place, side, round), lines)
}

fn figures_of(place: &Path, side: &Side, round: u32) -> PathBuf {
    place.join(format!("figures/{}.{round}.json", side.name))
}

/// Says so now and, in what is saved, to the table. What was measured before no longer counts.
fn not_measured(place: &Path, side: &Side, reason: &str) -> Result<()> {
    eprintln!("{} is NOT MEASURED: {reason}", side.name);
    for round in 1.. {
        let file = figures_of(place, side, round);
        if !file.exists() {
            break;
        }
        std::fs::remove_file(file)?;
    }
    saved::save_reason(&figures_of(place, side, 1), side.name, reason)
}

fn build_vaxel(session: &mut Session, target: &Path) -> Result<PathBuf> {
    let words = ["build", "--locked", "--release", "-p", "vaxel-cli"];
    let build = session.command("cargo", words);
    let finished = session
        .run(build, Show::All)
        .context("the build of vaxel")?;
    ensure!(finished.status.success(), "vaxel does not build");
    Ok(target.join("release/vaxel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_chosen_by_name() {
        let options = |only: &[&str]| Options {
            only: only.iter().map(|&name| name.into()).collect(),
            rounds: 3,
            round: None,
            connections: 1,
            seconds: 1.0,
            vaxel: None,
            build_only: false,
            write: false,
            write_only: false,
        };
        assert_eq!(options(&[]).chosen().unwrap().len(), SIDES.len());
        assert!(options(&[]).is_whole());
        let two = options(&["axum", "vaxel"]);
        assert_eq!(two.chosen().unwrap().len(), 2);
        assert!(!two.is_whole());
        let error = options(&["nobody"]).chosen().unwrap_err().to_string();
        assert!(error.contains("fastwebsockets"), "{error}");
    }
}
