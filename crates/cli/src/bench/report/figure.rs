//! One figure: what was measured, of whom, and the value.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::contest::in_colour;
use crate::bench::stats::{self, Comparison, Interval, Verdict};

/// Which direction is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// More is better: rates.
    Higher,
    /// Less is better: cost, memory, delay.
    Lower,
}

/// The tail of a distribution, in the unit of the figure it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    /// Half of the values are at most this.
    pub(crate) p50: f64,
    /// 99 % of the values are at most this.
    pub(crate) p99: f64,
    /// 99.9 % of the values are at most this.
    pub(crate) p999: f64,
    /// The largest value seen.
    pub(crate) max: f64,
}

impl Quantiles {
    /// The quantiles of `histogram`, whose values are divided by `divisor`: nanoseconds become
    /// milliseconds with `1e6`. None when nothing was recorded.
    pub(crate) fn of(histogram: &Histogram<u64>, divisor: f64) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / divisor;
        Some(Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / divisor,
        })
    }
}

/// One measured value; see [`Report`](super::Report).
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    case: String,
    subject: String,
    unit: &'static str,
    value: f64,
    better: Better,
    runs: usize,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    quantiles: Option<Quantiles>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    interval: Option<Interval>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
}

#[derive(Debug, Clone, Serialize)]
struct Claim {
    against: String,
    /// Who was compared with itself.
    control: String,
    control_low: f64,
    control_high: f64,
    goal: f64,
    verdict: Verdict,
}

impl Figure {
    /// A figure without a value yet: give it one by [`runs`](Self::runs) or
    /// [`value`](Self::value).
    pub(crate) fn new(
        case: impl Into<String>,
        subject: impl Into<String>,
        unit: &'static str,
        better: Better,
    ) -> Self {
        Self {
            case: case.into(),
            subject: subject.into(),
            unit,
            value: f64::NAN,
            better,
            runs: 0,
            quantiles: None,
            interval: None,
            claim: None,
        }
    }

    /// The value of a single run.
    pub(crate) fn value(self, value: f64) -> Self {
        self.runs(&[value])
    }

    /// The median of several runs, with the interval in which it lies when there are enough.
    pub(crate) fn runs(mut self, values: &[f64]) -> Self {
        self.value = stats::median(values);
        self.runs = values.len();
        self.interval = (values.len() > 1).then(|| stats::median_interval(values));
        self
    }

    /// Adds the tail of a distribution, in this figure's unit.
    pub(crate) fn quantiles(mut self, quantiles: impl Into<Option<Quantiles>>) -> Self {
        self.quantiles = quantiles.into();
        self
    }

    /// The ratio of `subject` to `against` in `case`, claimed to be at most `goal`. Its own case
    /// is called `CASE-ratio`.
    pub(crate) fn ratio(
        case: impl Into<String>,
        subject: impl Into<String>,
        against: impl Into<String>,
        comparison: &Comparison,
        goal: f64,
    ) -> Self {
        let case = format!("{}-ratio", case.into());
        let mut figure = Self::new(case, subject, "x", Better::Lower);
        figure.value = comparison.ratio;
        figure.runs = comparison.pairs;
        figure.interval = Some(comparison.interval);
        let against = against.into();
        figure.claim = Some(Claim {
            control: against.clone(),
            against,
            control_low: comparison.control.low,
            control_high: comparison.control.high,
            goal,
            verdict: comparison.at_most(goal),
        });
        figure
    }

    /// Names whose runs the control compares, where it is not the one compared against.
    pub(crate) fn control_of(mut self, subject: &str) -> Self {
        if let Some(claim) = &mut self.claim {
            subject.clone_into(&mut claim.control);
        }
        self
    }

    pub(crate) fn case(&self) -> &str {
        &self.case
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    pub(crate) fn unit(&self) -> &'static str {
        self.unit
    }

    /// The value and, where there is one, the tail, for a table with a column per subject.
    pub(crate) fn to_cell(&self) -> String {
        let value = number(self.value);
        match self.quantiles {
            Some(q) => format!(
                "{value} (p99 {}, p99.9 {}, max {})",
                number(q.p99),
                number(q.p999),
                number(q.max)
            ),
            None => value,
        }
    }

    /// One line that parses by itself. A value that is not a number becomes null.
    pub(super) fn to_json(&self, suite: &str) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            suite: &'a str,
            #[serde(flatten)]
            figure: &'a Figure,
        }
        serde_json::to_string(&Line {
            suite,
            figure: self,
        })
        .expect("a figure holds nothing that JSON cannot")
    }

    /// One row of the table; `case` is empty when the row above is of the same case.
    pub(super) fn to_row(&self, case: &str, paint: bool) -> String {
        let unit = if self.unit == "x" { "×" } else { self.unit };
        let mut row = format!("  {case:<26} {:<10} {:>12} {unit:<16}", self.subject, {
            number(self.value)
        });
        if let Some(q) = self.quantiles {
            for (name, value) in [("p50", q.p50), ("p99", q.p99), ("p99.9", q.p999)] {
                row += &format!(" {name} {:<8}", number(value));
            }
            row += &format!(" max {}", number(q.max));
        } else if let Some(interval) = self.interval {
            row += &format!(" {} … {}", number(interval.low), number(interval.high));
            row += &format!(" in {} runs", self.runs);
        }
        if let Some(claim) = &self.claim {
            row += &claim.to_text(paint);
        }
        row.truncate(row.trim_end().len());
        row
    }
}

impl Claim {
    fn to_text(&self, paint: bool) -> String {
        let verdict = in_colour(self.verdict, paint);
        format!(
            " of {against}, {control} with itself {} … {}; goal ≤ {}: {verdict}",
            number(self.control_low),
            number(self.control_high),
            number(self.goal),
            against = self.against,
            control = self.control,
        )
    }
}

/// Digits as people read them: four that count, thousands apart by thin spaces.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    match value.abs() {
        v if v >= 999.5 => grouped(value),
        v if v >= 99.95 => format!("{value:.1}"),
        v if v >= 9.995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 {
        "-".to_owned()
    } else {
        String::new()
    };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        for (value, text) in [
            (0.034_567, "0.035"),
            (5.661, "5.661"),
            (16.1, "16.10"),
            (271.26, "271.3"),
            (1_000.0, "1\u{2009}000"),
            (22_000_000.0, "22\u{2009}000\u{2009}000"),
            (-1_234.0, "-1\u{2009}234"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn quantiles_scale_and_know_emptiness() {
        let mut histogram = stats::delays();
        assert_eq!(Quantiles::of(&histogram, 1e6), None);
        histogram.record(2_000_000).unwrap();
        let quantiles = Quantiles::of(&histogram, 1e6).unwrap();
        assert!((quantiles.p99 - 2.0).abs() < 0.01, "{quantiles:?}");
    }

    #[test]
    fn a_ratio_carries_its_claim_in_both_outputs() {
        let pairs = [(1.1, 1.0); 9];
        let comparison = Comparison::of_pairs(&pairs, &[(1.0, 1.0); 9]);
        let figure = Figure::ratio("broadcast-cpu", "vaxel", "loop", &comparison, 1.15);
        let json: serde_json::Value = serde_json::from_str(&figure.to_json("sockets")).unwrap();
        assert_eq!(json["case"], "broadcast-cpu-ratio");
        assert_eq!(json["verdict"], "pass");
        assert_eq!(json["against"], "loop");
        assert_eq!(json["runs"], 9);
        assert!(
            figure
                .to_row("broadcast-cpu", false)
                .ends_with("goal ≤ 1.150: pass")
        );
    }

    #[test]
    fn an_unknown_value_is_null_and_not_zero() {
        let figure = Figure::new("memory", "vaxel", "B", Better::Lower).runs(&[]);
        let json: serde_json::Value = serde_json::from_str(&figure.to_json("sockets")).unwrap();
        assert!(json["value"].is_null());
    }
}
