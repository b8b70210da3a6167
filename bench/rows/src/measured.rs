//! What one run of one row yields, in a form that crosses a pipe.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::new_histogram;
use crate::{Outcome, Sample};

/// One run of one row.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Bytes, or seconds per operation, or seconds of the whole; one for each round.
    #[serde(default)]
    pub costs: Vec<f64>,
    /// Single delays in nanoseconds, where the row asks for them.
    #[serde(default, with = "pairs", skip_serializing_if = "Option::is_none")]
    pub delays: Option<Histogram<u64>>,
    /// Calls beside busy actors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<Stall>,
    /// Why this side has no such row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_possible: Option<String>,
}

/// What callers saw beside busy actors.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stall {
    /// Delays of all calls, in nanoseconds.
    #[serde(default, with = "pairs")]
    pub all: Option<Histogram<u64>>,
    /// Of those meant to be sent after the recovery.
    #[serde(default, with = "pairs")]
    pub after: Option<Histogram<u64>>,
    /// Seconds until calls were quick again and stayed so.
    pub recovery: f64,
}

impl Measured {
    pub(crate) fn cost(cost: f64) -> Self {
        Self {
            costs: vec![cost],
            ..Self::default()
        }
    }

    pub(crate) fn rate(sample: &Sample) -> Self {
        Self::cost(1.0 / sample.per_second())
    }

    pub(crate) fn whole(sample: &Sample) -> Self {
        Self::cost(sample.elapsed.as_secs_f64())
    }

    pub(crate) fn delays(sample: Sample) -> Self {
        let p50 = |delays: &Histogram<u64>| delays.value_at_quantile(0.5) as f64 / 1e9;
        Self {
            costs: sample.delays.as_ref().map(p50).into_iter().collect(),
            delays: sample.delays,
            ..Self::default()
        }
    }

    pub(crate) fn stall(outcome: Outcome) -> Self {
        let p99 = |delays: &Histogram<u64>| delays.value_at_quantile(0.99) as f64 / 1e9;
        Self {
            costs: outcome.all.delays.as_ref().map(p99).into_iter().collect(),
            stall: Some(Stall {
                all: outcome.all.delays,
                after: outcome.after.delays,
                recovery: outcome.recovery.as_secs_f64(),
            }),
            ..Self::default()
        }
    }
}

/// A histogram as pairs of value and count: exact, and any program can write it.
mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Histogram, new_histogram};

    pub(super) fn serialize<S: Serializer>(
        histogram: &Option<Histogram<u64>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let pairs = histogram.as_ref().map(|histogram| {
            let recorded = histogram.iter_recorded();
            recorded
                .map(|step| (step.value_iterated_to(), step.count_at_value()))
                .collect::<Vec<_>>()
        });
        pairs.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Histogram<u64>>, D::Error> {
        let pairs = Option::<Vec<(u64, u64)>>::deserialize(deserializer)?;
        Ok(pairs.map(|pairs| {
            let mut histogram = new_histogram();
            for (value, count) in pairs {
                histogram.saturating_record_n(value, count);
            }
            histogram
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Delays;

    #[test]
    fn delays_cross_a_pipe_unchanged() {
        let mut delays = Delays::new();
        (1..=1_000).for_each(|us| delays.record(Duration::from_micros(us)));
        let measured = Measured::delays(delays.finish());
        let text = serde_json::to_string(&measured).expect("figures are numbers");
        let read: Measured = serde_json::from_str(&text).expect("just written");
        let (sent, got) = (measured.delays.unwrap(), read.delays.unwrap());
        assert_eq!(got.len(), 1_000);
        for quantile in [0.5, 0.99, 0.999] {
            assert_eq!(
                sent.value_at_quantile(quantile),
                got.value_at_quantile(quantile)
            );
        }
        assert_eq!(read.costs, measured.costs);
    }
}
