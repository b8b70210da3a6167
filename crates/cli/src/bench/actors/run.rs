//! Turns, medians and ratios.
//!
//! One run of a row is three measurements: tokio, ours, tokio again. The middle one over the first
//! is the ratio; the third over the first is the control, which shows how much of a ratio is noise.

use std::time::Duration;

use anyhow::Context;

use super::{
    ActorsArgs, Plan, Subject,
    case::{Case, Measure},
    fresh::{self, Side},
    measure::Sample,
    open_loop::{OpenLoop, Outcome},
    ours::Vaxel,
    peer::Tokio,
};
use crate::bench::{
    progress::Progress,
    report::{Better, Figure, Quantiles, Report},
    stats::{Comparison, median},
};

/// Measures every row asked for.
pub(crate) fn all(args: &ActorsArgs, plan: &Plan) -> anyhow::Result<()> {
    let cases = if args.cases.is_empty() {
        Case::ALL.to_vec()
    } else {
        args.cases.clone()
    };
    let mut report = Report::stdout("actors", args.json);
    let workers = plan.workers;
    report.heading(&format!(
        "actors, {workers} workers, beside tokio tasks with mpsc mailboxes"
    ))?;
    report.note("x is our cost over tokio's in neighbouring runs, so lower is better")?;
    for case in cases {
        let mut progress = Progress::new(case.name(), u64::from(args.runs));
        let mut row = Row::default();
        for run in 0..args.runs {
            progress.set(u64::from(run));
            row.measure(case, plan).with_context(|| case.name())?;
        }
        drop(progress);
        row.print(case, &mut report)?;
    }
    report.finish()
}

/// The runs of one row.
#[derive(Default)]
struct Row {
    ours: Vec<Run>,
    peer: Vec<Run>,
    control: Vec<Run>,
}

/// One measurement of one side. `cost` is what is compared: bytes, or seconds.
struct Run {
    cost: f64,
    outcome: Option<Outcome>,
    sample: Option<Sample>,
}

impl Run {
    fn of_cost(cost: f64) -> Self {
        Self {
            cost,
            outcome: None,
            sample: None,
        }
    }

    fn of_sample(case: Case, sample: Sample) -> Self {
        let delays = sample.delays.as_ref();
        let cost = match case.measure() {
            Measure::Delay => delays.map_or(f64::NAN, |d| d.value_at_quantile(0.5) as f64 / 1e9),
            Measure::Whole => sample.elapsed.as_secs_f64(),
            _ => 1.0 / sample.per_second(),
        };
        Self {
            cost,
            outcome: None,
            sample: Some(sample),
        }
    }

    fn of_outcome(outcome: Outcome) -> Self {
        let delays = outcome.all.delays.as_ref();
        let cost = delays.map_or(f64::NAN, |d| d.value_at_quantile(0.99) as f64 / 1e9);
        Self {
            cost,
            outcome: Some(outcome),
            sample: None,
        }
    }
}

impl Row {
    fn measure(&mut self, case: Case, plan: &Plan) -> anyhow::Result<()> {
        if case == Case::MemorySupervised {
            self.ours.push(of_side(Side::Vaxel, case, plan)?);
            return Ok(());
        }
        self.peer.push(of_side(Side::Tokio, case, plan)?);
        self.ours.push(of_side(Side::Vaxel, case, plan)?);
        // Where nothing is claimed as a ratio, no control is needed.
        if case.goal().is_some() {
            self.control.push(of_side(Side::Tokio, case, plan)?);
        }
        Ok(())
    }

    fn print(&self, case: Case, report: &mut Report) -> anyhow::Result<()> {
        if case.measure() == Measure::Stall {
            return self.print_stall(case, report);
        }
        for (subject, runs) in [(Vaxel::NAME, &self.ours), (Tokio::NAME, &self.peer)] {
            if !runs.is_empty() {
                report.figure(&figure(case, subject, runs))?;
            }
        }
        if let Some(goal) = case.goal() {
            let comparison = Comparison::of_pairs(
                &pairs(&self.ours, &self.peer),
                &pairs(&self.control, &self.peer),
            );
            report.figure(&Figure::ratio(
                case.name(),
                Vaxel::NAME,
                Tokio::NAME,
                &comparison,
                goal,
            ))?;
        }
        Ok(())
    }

    /// Delays beside spinning actors are three figures: all calls, those after the recovery, and
    /// the recovery itself.
    fn print_stall(&self, case: Case, report: &mut Report) -> anyhow::Result<()> {
        for (subject, runs) in [(Vaxel::NAME, &self.ours), (Tokio::NAME, &self.peer)] {
            let outcomes: Vec<_> = runs.iter().filter_map(|run| run.outcome.as_ref()).collect();
            for (name, part) in [
                (
                    case.name(),
                    (|outcome| &outcome.all) as fn(&Outcome) -> &Sample,
                ),
                (format!("{}-after-recovery", case.name()), |outcome| {
                    &outcome.after
                }),
            ] {
                let samples: Vec<_> = outcomes.iter().map(|outcome| part(outcome)).collect();
                report.figure(&p99_figure(name, subject, &samples))?;
            }
            let recoveries: Vec<_> = outcomes
                .iter()
                .map(|outcome| outcome.recovery.as_secs_f64() * 1e3)
                .collect();
            let name = format!("{}-recovery", case.name());
            report.figure(&Figure::new(name, subject, "ms", Better::Lower).runs(&recoveries))?;
        }
        Ok(())
    }
}

fn pairs(above: &[Run], below: &[Run]) -> Vec<(f64, f64)> {
    above
        .iter()
        .zip(below)
        .map(|(above, below)| (above.cost, below.cost))
        .collect()
}

fn figure(case: Case, subject: &str, runs: &[Run]) -> Figure {
    let values: Vec<f64> = runs
        .iter()
        .map(|run| match case.measure() {
            Measure::Bytes => run.cost,
            Measure::Rate => 1.0 / run.cost,
            Measure::Whole => run.cost * 1e3,
            Measure::Delay | Measure::Stall => run.cost * 1e6,
        })
        .collect();
    let figure = Figure::new(case.name(), subject, case.unit(), case.better()).runs(&values);
    let samples: Vec<_> = runs.iter().filter_map(|run| run.sample.as_ref()).collect();
    figure.quantiles(merged(&samples))
}

/// The 99th percentile is the figure where a stall is what is looked for.
fn p99_figure(name: String, subject: &str, samples: &[&Sample]) -> Figure {
    let p99s: Vec<f64> = samples
        .iter()
        .filter_map(|sample| sample.delays.as_ref())
        // Nothing recorded is not a delay of nothing.
        .filter(|delays| !delays.is_empty())
        .map(|delays| delays.value_at_quantile(0.99) as f64 / 1e3)
        .collect();
    Figure::new(name, subject, "us", Better::Lower)
        .runs(&p99s)
        .quantiles(merged(samples))
}

/// The delays of all runs as one distribution, in microseconds.
fn merged(samples: &[&Sample]) -> Option<Quantiles> {
    let mut delays = samples.iter().filter_map(|sample| sample.delays.as_ref());
    let mut whole = delays.next()?.clone();
    for more in delays {
        whole
            .add(more)
            .expect("all histograms have the same bounds");
    }
    Quantiles::of(&whole, 1e3)
}

fn of_side(side: Side, case: Case, plan: &Plan) -> anyhow::Result<Run> {
    if case.needs_fresh_process() {
        let figures = fresh::measure(side, case, plan)?;
        let cost = match (case, figures.as_slice()) {
            (Case::SpawnWarm, [_, warm @ ..]) => median(warm),
            (_, [first, ..]) => *first,
            (_, []) => anyhow::bail!("the fresh process measured nothing"),
        };
        return Ok(Run::of_cost(cost));
    }
    match side {
        Side::Vaxel => in_process::<Vaxel>(case, plan),
        Side::Tokio => in_process::<Tokio>(case, plan),
    }
}

fn in_process<S: Subject>(case: Case, plan: &Plan) -> anyhow::Result<Run> {
    let sample = match case {
        Case::PingPong => S::ping_pong(plan, plan.scaled(4_000_000))?,
        Case::ManyToOne => S::many_to_one(plan, 16, plan.scaled(500_000))?,
        Case::Ring => S::ring(plan, 1_000, plan.scaled(4_000_000).max(2_000))?,
        Case::Skynet => S::skynet(plan, if plan.scaled(10) < 10 { 4 } else { 6 })?,
        Case::FanOut => S::fan_out(plan, 100_000, plan.scaled(20))?,
        Case::Call => S::call(plan, plan.scaled(1_000_000))?,
        Case::Recover => S::recover(plan, plan.scaled(20_000))?,
        Case::Spinners => {
            let load = OpenLoop {
                spinners: 2,
                duration: Duration::from_millis(plan.scaled(5_000).max(200)),
                calls_per_second: 1_000,
            };
            return S::beside_spinners(plan, &load).map(Run::of_outcome);
        }
        _ => anyhow::bail!("{} needs a fresh process", case.name()),
    };
    Ok(Run::of_sample(case, sample))
}
