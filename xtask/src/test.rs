//! `cargo xtask test`: every check there is, in one command.
//!
//! The checks run one after the other, each under a time limit, and a failed one does not stop
//! the rest. A check that cannot run on this machine (no network for a tool, no nightly with
//! Miri) is never counted as passed: it is reported as NOT RUN with the reason, and again at the
//! end. Only failures make the command fail. The last line is always
//! `N passed, N failed, N skipped`, where a check that is no suite of tests counts as one.

mod autobahn;
mod count;
mod facade;
pub(crate) mod process;
mod stages;
mod summary;
pub(crate) mod tools;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use tokio::runtime::Runtime;

use count::Count;
use process::Interrupted;
use stages::STAGES;
use summary::Report;

/// How many times as long as otherwise a check may take with `--deep`.
const DEEP_PATIENCE: u64 = 8;

/// What to run; everything by default.
#[derive(Args)]
pub(crate) struct Options {
    /// Run this check only; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the checks and what they do.
    #[arg(long)]
    list: bool,
    /// Go deeper: more seeds, schedules and preemptions, and Miri on the behaviour tests too. Takes
    /// hours.
    #[arg(long)]
    deep: bool,
}

/// One check.
struct Stage {
    name: &'static str,
    what: &'static str,
    /// Everything the check starts is stopped after so many minutes, cold caches included.
    limit_minutes: u64,
    run: fn(&mut Session) -> Result<Outcome>,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    /// The check cannot run on this machine, and why.
    NotRun(String),
}

/// What a check works with.
pub(crate) struct Session {
    root: PathBuf,
    runtime: Runtime,
    /// When the check at hand has used up its time.
    deadline: Instant,
    /// Tests seen in the output of the check at hand.
    count: Count,
    /// Colours are asked for when a person watches.
    is_terminal: bool,
    /// Time is no object.
    is_deep: bool,
}

impl Session {
    /// For commands that are to end within `limit` from now, together.
    pub(crate) fn new(root: &Path, limit: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            root: root.to_path_buf(),
            runtime,
            deadline: Instant::now() + limit,
            count: Count::default(),
            is_terminal: std::io::stdout().is_terminal(),
            is_deep: false,
        })
    }
}

/// Runs what was asked for; true when nothing failed.
pub(crate) fn main(root: &Path, options: &Options) -> Result<bool> {
    if options.list {
        for stage in STAGES {
            println!(
                "{:<12} {} (at most {} min)",
                stage.name, stage.what, stage.limit_minutes
            );
        }
        return Ok(true);
    }
    let chosen = choose(&options.only)?;
    let mut session = Session::new(root, Duration::ZERO)?;
    session.is_deep = options.deep;
    let mut reports = Vec::new();
    for stage in chosen {
        match run(&mut session, stage) {
            Some(report) => reports.push(report),
            None => bail!("interrupted during `{}`", stage.name),
        }
    }
    Ok(summary::print(&reports))
}

fn choose(only: &[String]) -> Result<Vec<&'static Stage>> {
    for name in only {
        if !STAGES.iter().any(|stage| stage.name == name) {
            bail!("there is no check `{name}`; `cargo xtask test --list` shows all");
        }
    }
    let is_chosen = |stage: &&Stage| only.is_empty() || only.iter().any(|name| name == stage.name);
    Ok(STAGES.iter().filter(is_chosen).collect())
}

/// None when the person at the terminal asked to stop.
fn run(session: &mut Session, stage: &'static Stage) -> Option<Report> {
    println!("\n=== {}: {}", stage.name, stage.what);
    let begin = Instant::now();
    let patience = if session.is_deep { DEEP_PATIENCE } else { 1 };
    session.deadline = begin + Duration::from_secs(60 * stage.limit_minutes * patience);
    session.count = Count::default();
    let outcome = match (stage.run)(session) {
        Ok(outcome) => outcome,
        Err(error) if error.is::<Interrupted>() => return None,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    match &outcome {
        Outcome::Passed => {}
        Outcome::Failed(why) => println!("=== {} FAILED: {why}", stage.name),
        Outcome::NotRun(why) => println!("=== {} NOT RUN: {why}", stage.name),
    }
    let count = session.count.of_check(&outcome);
    Some(Report {
        name: stage.name,
        outcome,
        time: begin.elapsed(),
        count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_chosen_by_name_in_their_own_order() {
        let names = |only: &[&str]| -> Vec<&str> {
            let only: Vec<String> = only.iter().map(|&name| name.into()).collect();
            choose(&only)
                .unwrap()
                .iter()
                .map(|stage| stage.name)
                .collect()
        };
        assert_eq!(names(&["tidy", "fmt"]), ["fmt", "tidy"]);
        assert_eq!(names(&[]).len(), STAGES.len());
        assert!(choose(&["nothing".into()]).is_err());
    }

    #[test]
    fn names_of_checks_are_unique() {
        let mut names: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STAGES.len());
    }
}
