//! The Autobahn suite against the connection plane.
//!
//! The suite is the measure of WebSocket servers and runs on Python 2.7 only. It goes to
//! `.tools/autobahn`, in a virtual environment of the 2.7 that is on the machine; where there is
//! none the check is reported as NOT RUN.
//!
//! Ordinarily the cases that take milliseconds run: everything about frames, text and the close
//! handshake (sections 1 to 7 and 10) and each kind of compressed message. With `--deep` all of
//! them run, with those about limits (9) and the long ones of compression (12, 13).

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::tools::{self, Missing};
use super::{Outcome, Session, stages};

const FAST_CASES: &[&str] = &[
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.1", "12.1.4", "12.1.10",
    "12.2.4", "12.2.10", "12.3.4", "12.4.4", "12.5.4", "13.1.4", "13.2.4", "13.3.4", "13.4.4",
    "13.5.4", "13.6.4", "13.7.4",
];

/// What the suite calls a case in which the server did what it must.
const GOOD: &[&str] = &["OK", "INFORMATIONAL"];

const AGENT: &str = "vaxel";

pub(super) fn run(session: &mut Session) -> Result<Outcome> {
    let wstest = match tools::autobahn(session)? {
        Ok(wstest) => wstest,
        Err(Missing(why)) => return Ok(Outcome::NotRun(why)),
    };
    let server = stages::build(session, "vaxel-autobahn")?;
    let folder = session.root.join("target/autobahn");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let mut echo = session.command(&server, [""; 0]);
    echo.stdout(Stdio::piped()).kill_on_drop(true);
    let deadline = session.deadline;
    let (mut child, url) = session.runtime.block_on(async {
        let mut child = echo
            .spawn()
            .with_context(|| format!("cannot start `{server}`"))?;
        let output = child.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout_at(deadline.into(), lines.next_line()).await;
        let line = line.context("the server does not say that it listens")??;
        let line = line.context("the server ended before it listened")?;
        let url = line.strip_prefix("listening on ").map(str::to_owned);
        anyhow::Ok((
            child,
            url.context("the server does not say where it listens")?,
        ))
    })?;
    let cases = match session.is_deep {
        true => &["*"],
        false => FAST_CASES,
    };
    std::fs::write(
        folder.join("spec.json"),
        spec(&url, &folder, cases).to_string(),
    )?;
    let mut command = session.command(wstest, ["-m", "fuzzingclient", "-s"]);
    command.arg(folder.join("spec.json"));
    // Its library announces with each start that Python 2 is old.
    command.env("PYTHONWARNINGS", "ignore");
    let outcome = session.check(command);
    session.runtime.block_on(child.kill())?;
    if outcome? != Outcome::Passed {
        return Ok(Outcome::Failed(
            "the suite did not come to its end".to_owned(),
        ));
    }
    let report = std::fs::read_to_string(folder.join("index.json"))
        .context("the suite has left no report")?;
    judge(session, &serde_json::from_str(&report)?)
}

fn spec(url: &str, folder: &Path, cases: &[&str]) -> Value {
    json!({
        "outdir": folder,
        "servers": [{ "agent": AGENT, "url": url, "options": { "version": 18 } }],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    })
}

/// Counts the cases and lists those that are not good.
fn judge(session: &mut Session, report: &Value) -> Result<Outcome> {
    let cases = report[AGENT].as_object().context("the report is empty")?;
    ensure!(!cases.is_empty(), "no case ran");
    let bad: Vec<String> = cases
        .iter()
        .filter_map(|(case, result)| complaint(case, result))
        .collect();
    for complaint in &bad {
        println!("{complaint}");
    }
    session.count.passed += (cases.len() - bad.len()) as u64;
    session.count.failed += bad.len() as u64;
    println!(
        "{} cases, {} not good; see target/autobahn/index.html",
        cases.len(),
        bad.len()
    );
    Ok(match bad.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed(format!("{} cases", bad.len())),
    })
}

/// What is wrong with a case. NON-STRICT, which the suite forgives, is not forgiven here.
fn complaint(case: &str, result: &Value) -> Option<String> {
    let behaviors =
        ["behavior", "behaviorClose"].map(|key| result[key].as_str().unwrap_or("MISSING"));
    let is_good = behaviors.iter().all(|behavior| GOOD.contains(behavior));
    (!is_good).then(|| format!("case {case}: {}, close {}", behaviors[0], behaviors[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_good_cases_are_good() {
        let result = |behavior: &str, close: &str| {
            complaint(
                "1.1",
                &json!({ "behavior": behavior, "behaviorClose": close }),
            )
        };
        assert_eq!(result("OK", "OK"), None);
        assert_eq!(result("INFORMATIONAL", "INFORMATIONAL"), None);
        for (behavior, close) in [
            ("FAILED", "OK"),
            ("OK", "FAILED"),
            ("NON-STRICT", "OK"),
            ("OK", "WRONG CODE"),
            ("UNIMPLEMENTED", "OK"),
        ] {
            assert!(result(behavior, close).is_some());
        }
        assert!(complaint("1.1", &json!({})).is_some());
    }
}
