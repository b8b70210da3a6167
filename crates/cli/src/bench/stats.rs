//! What a row of runs says: the median, how sure it is, and whether a claim about it holds.
//!
//! Absolute times on a shared machine move by a quarter from hour to hour, so a comparison is the
//! median of the ratios of neighbouring runs, and a control (the denominator against itself) says
//! how much of such a ratio is noise.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest delay that is told from longer ones, in nanoseconds: an hour.
const DELAY_MAX: u64 = 3_600_000_000_000;

/// An empty histogram of delays in nanoseconds, exact to three digits.
pub(crate) fn delays() -> Histogram<u64> {
    Histogram::new_with_bounds(1, DELAY_MAX, 3).expect("the bounds are constant")
}

/// Adds all of `parts`, which come from [`delays`], to `sum`, which does too.
pub(crate) fn merge<'a>(
    sum: &mut Histogram<u64>,
    parts: impl IntoIterator<Item = &'a Histogram<u64>>,
) {
    for part in parts {
        sum.add(part)
            .expect("histograms of delays have the same bounds");
    }
}

/// A range of values, `low` never above `high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Interval {
    /// The lower end.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
}

impl Interval {
    /// How far the interval strays from `centre` at its farther end.
    pub(crate) fn deviation_from(self, centre: f64) -> f64 {
        (self.low - centre).abs().max((self.high - centre).abs())
    }

    fn contains(self, value: f64) -> bool {
        self.low < value && value < self.high
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The middle value; of an even number of values the mean of the two in the middle.
///
/// Not a number when there are no values, so that an empty row cannot pass for a result.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Where the true median lies with 95 % confidence (94 % for five values), from order statistics
/// (the sign test), which assume nothing about the shape of the noise.
///
/// Of nine values it reaches from the second to the eighth. Of five and fewer it is the whole
/// range, which below five means little.
pub(crate) fn median_interval(values: &[f64]) -> Interval {
    let sorted = sorted(values);
    if sorted.is_empty() {
        return Interval {
            low: f64::NAN,
            high: f64::NAN,
        };
    }
    let cut = outliers_cut(sorted.len());
    Interval {
        low: sorted[cut],
        high: sorted[sorted.len() - 1 - cut],
    }
}

/// How many values may be cut off each end of `n` sorted ones so that the rest still covers the
/// median with 95 % confidence.
fn outliers_cut(n: usize) -> usize {
    let mut term = 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut tail = 0.0;
    let mut cut = 0;
    while cut < n / 2 {
        tail += term;
        if 2.0 * tail > 0.05 {
            break;
        }
        term *= (n - cut) as f64 / (cut + 1) as f64;
        cut += 1;
    }
    cut.saturating_sub(1)
}

/// The fewest pairs from which anything follows: the range of five holds the true median with
/// 94 % confidence, that of four with 88 %.
const PAIRS_MIN: usize = 5;

/// What may be concluded from a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// The whole interval is within the goal, and the control is quieter than the margin.
    Pass,
    /// The whole interval is beyond the goal, and the control is quieter than the margin.
    Fail,
    /// Noise and claim are of one size: nothing follows from these runs.
    Inconclusive,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// The ratio of two subjects over neighbouring runs, beside the noise of the same procedure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comparison {
    /// The median of the ratios of the pairs.
    pub(crate) ratio: f64,
    /// Where that median lies with 95 % confidence.
    pub(crate) interval: Interval,
    /// The same interval for the denominator paired with itself; 1 in a silent world.
    pub(crate) control: Interval,
    /// How many pairs there are.
    pub(crate) pairs: usize,
}

impl Comparison {
    /// Compares pairs of (numerator, denominator); `control` pairs the denominator with itself.
    pub(crate) fn of_pairs(pairs: &[(f64, f64)], control: &[(f64, f64)]) -> Self {
        let ratios = |pairs: &[(f64, f64)]| -> Vec<f64> {
            pairs.iter().map(|(above, below)| above / below).collect()
        };
        let (ours, noise) = (ratios(pairs), ratios(control));
        Self {
            ratio: median(&ours),
            interval: median_interval(&ours),
            control: median_interval(&noise),
            pairs: pairs.len(),
        }
    }

    /// Whether the ratio is at most `goal`.
    ///
    /// That takes at least [`PAIRS_MIN`] pairs.
    ///
    /// The margin claimed is the distance of the goal from 1. Where the control strays from 1 by
    /// more than that, or the interval reaches to both sides of the goal, or a value is missing,
    /// the answer is [`Verdict::Inconclusive`].
    pub(crate) fn at_most(&self, goal: f64) -> Verdict {
        let noise = self.control.deviation_from(1.0);
        let margin = (goal - 1.0).abs();
        let known = self.ratio.is_finite() && noise.is_finite();
        if !known || self.pairs < PAIRS_MIN || noise > margin || self.interval.contains(goal) {
            Verdict::Inconclusive
        } else if self.ratio <= goal {
            Verdict::Pass
        } else {
            Verdict::Fail
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn interval_of_nine_reaches_from_second_to_eighth() {
        let values = [9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0];
        assert_eq!(
            median_interval(&values),
            Interval {
                low: 2.0,
                high: 8.0
            }
        );
    }

    #[test]
    fn interval_of_few_is_the_whole_range() {
        assert_eq!(
            median_interval(&[2.0, 1.0, 3.0]),
            Interval {
                low: 1.0,
                high: 3.0
            }
        );
        assert_eq!(
            median_interval(&[2.0]),
            Interval {
                low: 2.0,
                high: 2.0
            }
        );
        assert!(median_interval(&[]).low.is_nan());
    }

    #[test]
    fn delays_are_kept_from_nanoseconds_to_an_hour() {
        let mut one = delays();
        one.saturating_record(250);
        let mut other = delays();
        other.saturating_record(2_000_000_000);
        other.saturating_record(u64::MAX);
        merge(&mut one, [&other]);
        assert_eq!(one.len(), 3);
        assert_eq!(one.min(), 250);
        assert!(one.max() >= DELAY_MAX);
        let middle = one.value_at_quantile(0.5);
        assert!(middle.abs_diff(2_000_000_000) < 2_000_000, "{middle}");
    }

    /// Published table of the sign test's two-sided 95 % intervals.
    #[test]
    fn cuts_agree_with_the_sign_test() {
        for (n, cut) in [
            (5, 0),
            (6, 0),
            (8, 0),
            (9, 1),
            (12, 2),
            (15, 3),
            (20, 5),
            (25, 7),
        ] {
            assert_eq!(outliers_cut(n), cut, "of {n} values");
        }
    }

    fn around(centre: f64, half_width: f64) -> Vec<(f64, f64)> {
        (-4..=4)
            .map(|step| (centre + half_width * f64::from(step) / 4.0, 1.0))
            .collect()
    }

    #[test]
    fn quiet_control_lets_a_claim_pass_or_fail() {
        let control = around(1.0, 0.05);
        let ours = Comparison::of_pairs(&around(1.05, 0.04), &control);
        assert_eq!(ours.at_most(1.15), Verdict::Pass);
        assert!((ours.ratio - 1.05).abs() < 1e-9);
        let slow = Comparison::of_pairs(&around(1.4, 0.04), &control);
        assert_eq!(slow.at_most(1.15), Verdict::Fail);
    }

    #[test]
    fn noisy_control_is_inconclusive_however_good_the_ratio() {
        let ours = Comparison::of_pairs(&around(1.0, 0.01), &around(1.0, 0.3));
        assert_eq!(ours.at_most(1.15), Verdict::Inconclusive);
        assert_eq!(
            ours.at_most(1.3),
            Verdict::Pass,
            "the control stays within 0.225"
        );
    }

    #[test]
    fn interval_across_the_goal_is_inconclusive() {
        let ours = Comparison::of_pairs(&around(1.12, 0.1), &around(1.0, 0.02));
        assert_eq!(ours.at_most(1.15), Verdict::Inconclusive);
    }

    #[test]
    fn missing_values_never_pass() {
        let empty = Comparison::of_pairs(&[], &[]);
        assert_eq!(empty.at_most(1.15), Verdict::Inconclusive);
        let few = Comparison::of_pairs(&[(1.0, 1.0); 4], &[(1.0, 1.0); 9]);
        assert_eq!(few.at_most(1.15), Verdict::Inconclusive);
        let no_control = Comparison::of_pairs(&around(1.0, 0.01), &[]);
        assert_eq!(no_control.at_most(1.15), Verdict::Inconclusive);
    }
}
