//! The table at the end.

use std::time::Duration;

use super::Outcome;
use super::count::Count;

/// How one check went.
pub(super) struct Report {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) time: Duration,
    pub(super) count: Count,
}

/// Prints the summary; true when nothing failed.
pub(super) fn print(reports: &[Report]) -> bool {
    print!("{}", text(reports));
    !reports
        .iter()
        .any(|report| matches!(report.outcome, Outcome::Failed(_)))
}

fn text(reports: &[Report]) -> String {
    let mut lines = vec![
        String::new(),
        format!("{:<12} {:<8} {:>9}", "check", "result", "time"),
    ];
    let mut not_run = Vec::new();
    let mut total = Count::default();
    for report in reports {
        let (result, why) = match &report.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::NotRun(why) => ("NOT RUN", why.as_str()),
        };
        let time = format!("{:.1} s", report.time.as_secs_f64());
        let line = format!("{:<12} {result:<8} {time:>9}  {why}", report.name);
        lines.push(line.trim_end().to_owned());
        if let Outcome::NotRun(why) = &report.outcome {
            not_run.push(format!("NOT RUN: {}: {why}", report.name));
        }
        total = total.plus(report.count);
    }
    lines.push(String::new());
    lines.extend(not_run);
    let Count {
        passed,
        failed,
        skipped,
    } = total;
    lines.push(format!(
        "{passed} passed, {failed} failed, {skipped} skipped\n"
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &'static str, outcome: Outcome) -> Report {
        let count = Count::default().of_check(&outcome);
        Report {
            name,
            outcome,
            time: Duration::from_millis(1_250),
            count,
        }
    }

    #[test]
    fn the_last_line_holds_the_total_and_what_did_not_run_is_named_above_it() {
        let reports = [
            report("fmt", Outcome::Passed),
            report("miri", Outcome::NotRun("no nightly".into())),
            report("doc", Outcome::Failed("exit status 1".into())),
        ];
        let text = text(&reports);
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(
            last,
            ["1 passed, 1 failed, 1 skipped", "NOT RUN: miri: no nightly"]
        );
        assert!(
            text.contains("doc          FAILED       1.2 s  exit status 1"),
            "{text}"
        );
        assert!(!print(&reports) && print(&reports[..2]));
    }
}
