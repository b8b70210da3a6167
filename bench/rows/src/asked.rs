//! What a program is asked when it is started to measure one row.

use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;

use crate::{Case, Measured, Plan, Side, measure};

/// One row, and how large it is to be.
#[derive(Debug, Clone, Copy, Args)]
pub struct Asked {
    /// The row.
    #[arg(long, value_name = "CASE")]
    pub case: Case,
    /// Worker threads.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: u32,
    /// Divides the size of the row.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub scale_down: u64,
}

impl Asked {
    /// Measures it in this process and prints what a parent reads with [`ask`].
    ///
    /// # Errors
    /// When the measurement fails; that a row is not possible for this side is an answer.
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    pub fn answer<S: Side>(self) -> anyhow::Result<()> {
        let plan = Plan {
            workers: self.workers as usize,
            scale_down: self.scale_down,
        };
        let measured = measure::<S>(self.case, &plan)?;
        println!("{}", serde_json::to_string(&measured)?);
        Ok(())
    }
}

/// Starts `program` with `words` and asks it for one row.
///
/// # Errors
/// When the program cannot be started, fails, or prints something else.
pub fn ask(
    program: &std::ffi::OsStr,
    words: &[String],
    case: Case,
    plan: &Plan,
) -> anyhow::Result<Measured> {
    let output = Command::new(program)
        .args(words)
        .args(["--case", &case.name()])
        .args(["--workers", &plan.workers.to_string()])
        .args(["--scale-down", &plan.scale_down.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} could not be started", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} failed: {}",
        program.display(),
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    // Some virtual machines greet before they answer.
    let line = text.lines().rfind(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("{} printed no figures", program.display()))?;
    serde_json::from_str(line)
        .with_context(|| format!("{} printed something else: {line}", program.display()))
}
