//! Two subjects measured in pairs: three JSON lines for programs, one row for people.

use super::figure::{Better, Figure, number};
use crate::bench::stats::{Comparison, Verdict, median};

/// One figure of two subjects and the ratio claimed between them. Lower is better.
#[derive(Debug)]
pub(crate) struct Contest<'a> {
    /// What was measured.
    pub(crate) case: &'a str,
    /// The unit of both figures.
    pub(crate) unit: &'static str,
    /// The numerator and its runs.
    pub(crate) ours: (&'a str, &'a [f64]),
    /// The denominator and its runs.
    pub(crate) theirs: (&'a str, &'a [f64]),
    /// The ratio over the pairs.
    pub(crate) comparison: Comparison,
    /// What the ratio is claimed to be at most.
    pub(crate) goal: f64,
}

impl Contest<'_> {
    pub(super) fn figures(&self) -> [Figure; 3] {
        let figure = |(subject, runs): (&str, &[f64])| {
            Figure::new(self.case, subject, self.unit, Better::Lower).runs(runs)
        };
        let (ours, theirs) = (self.ours.0, self.theirs.0);
        [
            figure(self.theirs),
            figure(self.ours),
            Figure::ratio(self.case, ours, theirs, &self.comparison, self.goal),
        ]
    }

    /// The line above the rows of one table.
    pub(super) fn to_head(&self) -> String {
        format!(
            "  {:<26}{:>9}{:>9}  {:<14}{:>6}  {:<13} {:<13} goal",
            "",
            self.theirs.0,
            self.ours.0,
            "",
            "ratio",
            "within",
            format!("{0}/{0}", self.theirs.0),
        )
    }

    pub(super) fn to_row(&self, paint: bool) -> String {
        let verdict = self.comparison.at_most(self.goal);
        let range = |low: f64, high: f64| format!("{low:.2} … {high:.2}");
        let Comparison {
            ratio,
            interval,
            control,
            ..
        } = &self.comparison;
        format!(
            "  {:<26}{:>9}{:>9}  {:<14}{:>6}  {:<13} {:<13} ≤ {:.2} {}",
            self.case,
            number(median(self.theirs.1)),
            number(median(self.ours.1)),
            self.unit,
            number(*ratio),
            range(interval.low, interval.high),
            range(control.low, control.high),
            self.goal,
            in_colour(verdict, paint),
        )
    }
}

/// The verdict as it is printed.
pub(super) fn in_colour(verdict: Verdict, paint: bool) -> String {
    match verdict {
        Verdict::Pass if paint => "\x1b[38;5;71mpass\x1b[0m".to_owned(),
        Verdict::Fail if paint => "\x1b[38;5;203mfail\x1b[0m".to_owned(),
        verdict => verdict.to_string(),
    }
}
