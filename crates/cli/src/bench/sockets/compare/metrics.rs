//! What one turn of a comparison yields: values by name, in the order measured.

use super::Measured;
use crate::bench::{
    report::{Better, Quantiles},
    sockets::{step::Step, suite::p99_millis},
};

/// What a value is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A figure, and the ratio to the loop that is claimed for it.
    Figure {
        /// Its unit.
        unit: &'static str,
        /// The ratio is to be at most this.
        goal: f64,
    },
    /// A figure without a ratio.
    Alone {
        /// Its unit.
        unit: &'static str,
        /// Which direction is an improvement.
        better: Better,
    },
    /// Bytes of a frame, which must be equal.
    Wire,
    /// How busy the clients were.
    Busy,
}

/// The values of one turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(Vec<(String, Kind, f64)>);

impl Metrics {
    /// Adds everything that is compared of a phase, whose steps are called `step`.
    pub(super) fn add(&mut self, name: &str, step: Step, measured: &Measured) {
        let unit = step.cost_unit();
        let cpu = measured.cpu_micros().unwrap_or(f64::NAN);
        let p99 = p99_millis(&measured.latency);
        for (suffix, unit, value) in [("cpu", unit, cpu), ("p99", "ms", p99)] {
            let key = format!("{name}-{suffix}");
            let goal = goal(&key);
            self.0.push((key, Kind::Figure { unit, goal }, value));
        }
        if step.has_equal_frames() {
            let (down, up) = measured.frame_bytes;
            self.0
                .push((format!("{name}: frames from the server"), Kind::Wire, down));
            self.0
                .push((format!("{name}: frames to the server"), Kind::Wire, up));
        }
        self.0
            .push((name.to_owned(), Kind::Busy, measured.generator_busy));
    }

    /// Adds figures that stand alone.
    pub(super) fn add_alone(&mut self, unit: &'static str, figures: &[(&str, f64)]) {
        let better = Better::Lower;
        let kind = Kind::Alone { unit, better };
        let figures = figures.iter();
        self.0
            .extend(figures.map(|&(key, value)| (key.to_owned(), kind, value)));
    }

    /// Adds how many steps a phase took in a second.
    pub(super) fn add_rate(&mut self, name: &str, step: Step, measured: &Measured) {
        let kind = Kind::Alone {
            unit: step.rate_unit(),
            better: Better::Higher,
        };
        self.0
            .push((format!("{name}-rate"), kind, measured.per_second()));
    }

    /// Adds the median of the latency, where it is a figure of its own.
    pub(super) fn add_p50(&mut self, name: &str, measured: &Measured) {
        let key = format!("{name}-p50");
        let quantiles = Quantiles::of(&measured.latency, 1e6);
        let kind = Kind::Figure {
            unit: "ms",
            goal: goal(&key),
        };
        let p50 = quantiles.map_or(f64::NAN, |quantiles| quantiles.p50);
        self.0.push((key, kind, p50));
    }

    /// The value called `key`; not a number when there is none.
    pub(super) fn value(&self, key: &str) -> f64 {
        self.0
            .iter()
            .find(|(name, ..)| name == key)
            .map_or(f64::NAN, |(.., value)| *value)
    }

    /// All names with what they are for.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.0.iter().map(|(name, kind, _)| (name.as_str(), *kind))
    }

    #[cfg(test)]
    pub(super) fn with(key: &str, value: f64) -> Self {
        let kind = Kind::Figure {
            unit: "us/delivery",
            goal: goal(key),
        };
        Self(vec![(key.to_owned(), kind, value)])
    }
}

/// The ratio to the loop that each figure is to keep.
///
/// A broadcast is the server's own loop over its members, so it has the least excuse. A request
/// crosses to an actor and back: with many under way the crossing is shared by a whole batch, at a
/// low rate each request pays for its own wake-up.
fn goal(key: &str) -> f64 {
    match key {
        "broadcast-saturated-cpu"
        | "broadcast-rate-cpu"
        | "broadcast-rate-p50"
        | "broadcast-rate-p99"
        | "request-closed-1000-cpu" => 1.15,
        "request-closed-all-cpu" => 1.2,
        _ if key.starts_with("connect") || key.starts_with("join") => 1.5,
        _ if key.starts_with("request-open") => 1.5,
        _ => 1.3,
    }
}
