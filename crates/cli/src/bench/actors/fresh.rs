//! Rows that need a process of their own: the same binary, started again for one side of one row.
//!
//! The child prints its figures as one JSON array of numbers on its standard output. What they
//! mean is known to both sides, since both are the same program.

use std::process::{Command, Stdio};

use anyhow::Context;
use clap::ValueEnum;

use super::{Plan, Subject, case::Case, ours::Vaxel, peer::Tokio};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    Vaxel,
    Tokio,
}

/// Memory is the slope between these two, so that what a runtime needs anyway does not count.
const FEW: u64 = 100_000;
const MANY: u64 = 1_000_000;

/// Actors in one round of spawning.
const SPAWNED: u64 = 1_000_000;

/// Rounds of spawning in one process; the first is cold.
const ROUNDS: u64 = 4;

/// Measures in a fresh process: bytes for the memory rows, seconds per actor and round for
/// spawning.
pub(crate) fn measure(side: Side, case: Case, plan: &Plan) -> anyhow::Result<Vec<f64>> {
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let output = Command::new(program)
        .args(["bench", "actors", "--case", &case.name()])
        .args([
            "--fresh",
            side.to_possible_value()
                .expect("no side is skipped")
                .get_name(),
        ])
        .args(["--workers", &plan.workers.to_string()])
        .args(["--scale-down", &plan.scale_down.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("a fresh process could not be started")?;
    anyhow::ensure!(
        output.status.success(),
        "the fresh process failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("the fresh process printed something else")
}

/// The child's half of [`measure`].
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn measure_here(side: Side, cases: &[Case], plan: &Plan) -> anyhow::Result<()> {
    let [case] = *cases else {
        anyhow::bail!("a fresh process measures one row")
    };
    let (few, many) = (plan.scaled(FEW), plan.scaled(MANY));
    let figures = match (case, side) {
        (Case::Memory, Side::Vaxel) => vec![Vaxel::memory(plan, few, many)?],
        (Case::Memory, Side::Tokio) => vec![Tokio::memory(plan, few, many)?],
        (Case::MemorySupervised, Side::Vaxel) => vec![super::ours::supervised(plan, few, many)?],
        (Case::SpawnCold | Case::SpawnWarm, side) => spawn(side, plan)?,
        (case, _) => anyhow::bail!("{} needs no fresh process", case.name()),
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn spawn(side: Side, plan: &Plan) -> anyhow::Result<Vec<f64>> {
    let count = plan.scaled(SPAWNED);
    let samples = match side {
        Side::Vaxel => Vaxel::spawn(plan, count, ROUNDS)?,
        Side::Tokio => Tokio::spawn(plan, count, ROUNDS)?,
    };
    Ok(samples
        .iter()
        .map(|sample| 1.0 / sample.per_second())
        .collect())
}
