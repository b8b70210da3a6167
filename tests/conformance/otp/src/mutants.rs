//! Runs the scenarios of each rule with that rule's fault: one of them at least must fail.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::beam::{self, Traces};
use crate::compare::{chosen, scratch};
use crate::mutation::{self, ACTIVE, Mutation};
use crate::scenario::Scenario;
use crate::world::STUCK_MS;
use crate::{folder, scenario_files};

/// Mutants that run at the same time.
const AT_ONCE: usize = 4;

/// A mutant that runs longer hangs, which is a failure as well.
const LIMIT: Duration = Duration::from_secs(30);

/// How long a step of a mutant may take: it is often stuck.
const STUCK: &str = "700";

/// What became of a rule with its fault.
enum Verdict {
    /// These scenarios failed, of so many.
    Caught(Vec<String>, usize),
    Survived,
    /// There is no fault for it.
    Unplanted,
    /// Vaxel does not show what OTP shows in any of its scenarios.
    Missing,
}

/// True when every fault was caught.
pub(crate) fn main(rules: &[String]) -> Result<bool, Box<dyn Error>> {
    let scenarios = chosen(rules)?;
    let mutations = read(&folder().join("mutations"))?;
    let mutant = build(&mutations)?;
    let files = scenario_files(&folder())?;
    let traces = beam::run(&folder().join("erlang"), &files, &scratch())?;
    // Without a fault the copy must show what OTP shows; what does not cannot notice anything.
    let healthy = run(&mutant, None)?;
    let sound: Vec<&Scenario> = scenarios
        .iter()
        .filter(|one| one.differs.is_none() && same(&healthy, &traces, &one.name))
        .collect();
    let meant = scenarios.iter().filter(|one| one.differs.is_none());
    let known: BTreeSet<&str> = meant
        .flat_map(|scenario| &scenario.rules)
        .map(String::as_str)
        .filter(|rule| rules.is_empty() || rules.iter().any(|wanted| wanted == rule))
        .collect();
    let known: Vec<&str> = known.into_iter().collect();
    let of_rule = |rule: &str| judge(rule, &mutations, &mutant, &sound, &traces);
    let verdicts = side_by_side(&known, of_rule)?;
    Ok(report(&known, &verdicts))
}

fn read(folder: &Path) -> Result<Vec<Mutation>, Box<dyn Error>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let mutations = mutation::parse(&std::fs::read_to_string(&path)?);
        all.extend(mutations.map_err(|what| format!("{}: {what}", path.display()))?);
    }
    Ok(all)
}

/// Builds the copy with all faults.
fn build(mutations: &[Mutation]) -> Result<PathBuf, Box<dyn Error>> {
    let root = folder().join("../../..").canonicalize()?;
    let (copy, target) = (scratch().join("mutants"), scratch().join("mutants-target"));
    mutation::plant(&root, &copy, mutations)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "-p", "vaxel-otp"])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_BUILD_BUILD_DIR")
        .env("RUSTFLAGS", "--cap-lints allow")
        .status()?;
    match status.success() {
        true => Ok(target.join("debug/vaxel-otp")),
        false => Err("the copy with the faults cannot be built, see above".into()),
    }
}

fn judge(
    rule: &str,
    mutations: &[Mutation],
    mutant: &Path,
    scenarios: &[&Scenario],
    otp: &Traces,
) -> io::Result<Verdict> {
    let of_rule: Vec<_> = scenarios
        .iter()
        .filter(|scenario| scenario.rules.iter().any(|one| one == rule))
        .collect();
    if of_rule.is_empty() {
        return Ok(Verdict::Missing);
    }
    if !mutations
        .iter()
        .any(|mutation| mutation.rules.iter().any(|one| one == rule))
    {
        return Ok(Verdict::Unplanted);
    }
    let shown = run(mutant, Some(rule))?;
    let failed: Vec<String> = of_rule
        .iter()
        .filter(|scenario| !same(&shown, otp, &scenario.name))
        .map(|scenario| scenario.name.clone())
        .collect();
    Ok(match failed.is_empty() {
        true => Verdict::Survived,
        false => Verdict::Caught(failed, of_rule.len()),
    })
}

fn same(shown: &Traces, otp: &Traces, name: &str) -> bool {
    let trace = |traces: &Traces| traces.get(name).map(|text| text.trim_end().to_owned());
    trace(shown) == trace(otp)
}

/// What the mutant shows with this fault, or with none; nothing if it hangs.
fn run(mutant: &Path, rule: Option<&str>) -> io::Result<Traces> {
    let output = scratch().join(format!("{}.txt", rule.unwrap_or("healthy")));
    let mut child = Command::new(mutant)
        .arg("vaxel")
        .args(rule)
        .env(ACTIVE, rule.unwrap_or_default())
        .env(STUCK_MS, STUCK)
        .stdout(std::fs::File::create(&output)?)
        .stderr(Stdio::null())
        .spawn()?;
    let begin = Instant::now();
    while child.try_wait()?.is_none() {
        if begin.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(beam::read(&std::fs::read_to_string(output)?))
}

fn side_by_side(
    rules: &[&str],
    run: impl Fn(&str) -> io::Result<Verdict> + Sync,
) -> io::Result<Vec<Verdict>> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = rules.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    let Some(rule) = rules.get(index) else { break };
                    let verdict = run(rule);
                    *results[index]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = Some(verdict);
                }
            });
        }
    });
    let taken = results.into_iter().map(|slot| {
        let slot = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        slot.expect("every rule has been run")
    });
    taken.collect()
}

/// Prints a line for each rule; true when every fault was caught and every rule has one.
fn report(rules: &[&str], verdicts: &[Verdict]) -> bool {
    let (mut caught, mut survived, mut unplanted, mut missing) = (0, 0, 0, 0);
    for (rule, verdict) in rules.iter().zip(verdicts) {
        match verdict {
            Verdict::Caught(failed, of) => {
                caught += 1;
                println!("caught    {rule}: {} of {of}, {}", failed.len(), failed[0]);
            }
            Verdict::Survived => {
                survived += 1;
                println!("SURVIVED  {rule}: no scenario notices its fault");
            }
            Verdict::Unplanted => {
                unplanted += 1;
                println!("UNPLANTED {rule}: there is no mutation of it");
            }
            Verdict::Missing => {
                missing += 1;
                println!("MISSING   {rule}: Vaxel shows none of its scenarios");
            }
        }
    }
    let failed = survived + unplanted + missing;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\n{caught} caught, {survived} survived, {unplanted} without a fault, {missing} missing"
    );
    println!("test result: {word}. {caught} passed; {failed} failed; 0 ignored");
    failed == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_fault_fits_the_sources() {
        let root = folder().join("../../..");
        let mutations = read(&folder().join("mutations")).unwrap();
        let misfits = mutations.iter().filter_map(|one| one.misfit(&root));
        assert_eq!(misfits.collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn every_rule_has_three_scenarios_and_every_fault_a_rule() {
        let scenarios = chosen(&[]).unwrap();
        let mutations = read(&folder().join("mutations")).unwrap();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        let sound = scenarios.iter().filter(|one| one.differs.is_none());
        for rule in sound.flat_map(|one| &one.rules) {
            *counts.entry(rule).or_default() += 1;
        }
        for (rule, count) in &counts {
            assert!(*count >= 3, "{rule} has {count} scenarios");
        }
        for rule in mutations.iter().flat_map(|one| &one.rules) {
            assert!(counts.contains_key(rule.as_str()), "nothing shows {rule}");
        }
    }
}
