//! Compares what the two sides have shown.

use std::error::Error;
use std::path::PathBuf;

use crate::beam;
use crate::driver::{self, Shown};
use crate::scenario::{self, Scenario};
use crate::{folder, scenario_files};

/// What became of one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Equal,
    /// The traces differ, line by line.
    Differs(String),
    /// They differ, and that is meant.
    DiffersByDesign(String),
    /// They should differ and do not.
    NoLongerDiffers,
    /// A step that only OTP's side knows.
    Unsupported(String),
}

/// Where the compiled modules and the traces go.
pub(crate) fn scratch() -> PathBuf {
    let built = std::env::current_exe().ok();
    let target = built.as_deref().and_then(|path| path.parent()?.parent());
    target
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("otp")
}

/// Prints what Vaxel shows.
pub(crate) fn show(names: &[String]) -> Result<bool, Box<dyn Error>> {
    let scenarios = chosen(names)?;
    for (scenario, shown) in scenarios.iter().zip(driver::run_all(&scenarios)) {
        println!("== {}\n{}", scenario.name, shown.trace.trim_end());
    }
    Ok(true)
}

/// Runs both sides and prints every difference; true when there is none that is not meant.
pub(crate) fn main(names: &[String]) -> Result<bool, Box<dyn Error>> {
    if !beam::is_installed() {
        return Err("erl and erlc are not installed (apt-get install erlang-base)".into());
    }
    let scenarios = chosen(names)?;
    let files = scenario_files(&folder())?;
    let traces = std::thread::scope(|scope| {
        let running = scope.spawn(|| beam::run(&folder().join("erlang"), &files, &scratch()));
        let shown = driver::run_all(&scenarios);
        (
            running.join().expect("the thread only runs a command"),
            shown,
        )
    });
    let (beam, vaxel) = (traces.0?, traces.1);
    let verdicts = scenarios.iter().zip(&vaxel).map(|(scenario, shown)| {
        let otp = beam.get(&scenario.name).map_or("", String::as_str);
        let verdict = judge(scenario, otp, shown);
        print(scenario, &verdict);
        verdict
    });
    Ok(sum_up(&verdicts.collect::<Vec<_>>()))
}

/// Prints the totals; true when nothing failed.
fn sum_up(verdicts: &[Verdict]) -> bool {
    let count = |fits: fn(&Verdict) -> bool| verdicts.iter().filter(|&v| fits(v)).count();
    let missing = count(|verdict| matches!(verdict, Verdict::Unsupported(_)));
    let design = count(|verdict| matches!(verdict, Verdict::DiffersByDesign(_)));
    let equal = count(|verdict| matches!(verdict, Verdict::Equal));
    let failed = verdicts.len() - design - equal;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\n{equal} equal, {design} different by design, {} different, {missing} missing",
        failed - missing
    );
    println!(
        "test result: {word}. {} passed; {failed} failed; 0 ignored",
        equal + design
    );
    failed == 0
}

pub(crate) fn chosen(names: &[String]) -> Result<Vec<Scenario>, Box<dyn Error>> {
    let files = scenario_files(&folder())?;
    let mut scenarios = scenario::read(&files)?;
    let fits = |scenario: &Scenario| {
        let known = |name: &String| *name == scenario.name || scenario.rules.contains(name);
        names.is_empty() || names.iter().any(known)
    };
    scenarios.retain(fits);
    match scenarios.is_empty() {
        true => Err("no scenario and no rule has that name".into()),
        false => Ok(scenarios),
    }
}

fn judge(scenario: &Scenario, otp: &str, vaxel: &Shown) -> Verdict {
    if let Some(what) = &vaxel.unsupported {
        return Verdict::Unsupported(what.clone());
    }
    match (&scenario.differs, otp == vaxel.trace) {
        (None, true) => Verdict::Equal,
        (None, false) => Verdict::Differs(difference(otp, &vaxel.trace)),
        (Some(why), false) => Verdict::DiffersByDesign(why.clone()),
        (Some(_), true) => Verdict::NoLongerDiffers,
    }
}

fn print(scenario: &Scenario, verdict: &Verdict) {
    let name = &scenario.name;
    match verdict {
        Verdict::Equal => println!("ok       {name}"),
        Verdict::DiffersByDesign(why) => println!("design   {name}: {why}"),
        Verdict::Differs(lines) => {
            println!("DIFFERS  {name}: {}\n{lines}", scenario.about);
        }
        Verdict::NoLongerDiffers => {
            println!("EQUAL    {name}: is described as a difference, and there is none");
        }
        Verdict::Unsupported(what) => println!("MISSING  {name}: cannot do `{what}`"),
    }
}

/// Both traces, what is common only once: `-` is OTP's, `+` is Vaxel's.
fn difference(otp: &str, vaxel: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (otp.lines().collect(), vaxel.lines().collect());
    // The length of the longest common rest, from each place on.
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < a.len() || j < b.len() {
        let (sign, line);
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (sign, line) = (' ', a[i]);
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || common[i + 1][j] >= common[i][j + 1]) {
            (sign, line) = ('-', a[i]);
            i += 1;
        } else {
            (sign, line) = ('+', b[j]);
            j += 1;
        }
        text.push_str(&format!("    {sign} {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(differs: Option<&str>) -> Scenario {
        Scenario {
            differs: differs.map(str::to_owned),
            ..Scenario::default()
        }
    }

    fn shown(trace: &str) -> Shown {
        Shown {
            trace: trace.to_owned(),
            unsupported: None,
        }
    }

    #[test]
    fn equal_traces_pass_and_others_show_each_line() {
        let verdict = judge(&scenario(None), "a: 1\na: 2\n", &shown("a: 1\na: 2\n"));
        assert_eq!(verdict, Verdict::Equal);
        let verdict = judge(&scenario(None), "a: 1\na: 2\n", &shown("a: 1\na: 3\n"));
        let lines = "      a: 1\n    - a: 2\n    + a: 3\n";
        assert_eq!(verdict, Verdict::Differs(lines.to_owned()));
    }

    #[test]
    fn a_difference_by_design_must_be_one() {
        let meant = scenario(Some("addresses survive"));
        assert_eq!(
            judge(&meant, "a\n", &shown("a\n")),
            Verdict::NoLongerDiffers
        );
        let verdict = judge(&meant, "a\n", &shown("b\n"));
        assert_eq!(
            verdict,
            Verdict::DiffersByDesign("addresses survive".to_owned())
        );
    }
}
