//! Turns, medians and ratios.
//!
//! One run of a row measures tokio, ours, tokio again, and every other program. Ours over the best
//! other side is the ratio; tokio's third over its first is the control, which shows how much of a
//! ratio is noise.

use anyhow::Context;
use hdrhistogram::Histogram;
use vaxel_bench_rows::{Case, Measure, Measured, Plan, Stall};

use super::{ActorsArgs, alive, side::Within, table::Table};
use crate::bench::{
    outsider::Outsider,
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
    report.note("x is our cost over the best other side's, in one run, so lower is better")?;
    let mut table = Table::new(&args.peers);
    for case in cases {
        let mut progress = Progress::new(case.name(), u64::from(args.runs));
        let mut row = Row::new(case, &args.peers);
        for run in 0..args.runs {
            progress.set(u64::from(run));
            row.measure(plan).with_context(|| case.name())?;
        }
        drop(progress);
        row.print(&mut report, &mut table)?;
    }
    if args.cases.is_empty() {
        let count = plan.scaled(alive::affordable());
        alive::run(count, plan, &mut report)?;
    }
    if let Some(file) = &args.markdown {
        std::fs::write(file, table.to_markdown())
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    report.finish()
}

/// The runs of one side in one row.
struct Column {
    name: String,
    runs: Vec<Measured>,
}

impl Column {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            runs: Vec::new(),
        }
    }

    /// What is compared, run by run: bytes, or seconds.
    fn costs(&self, case: Case) -> Vec<f64> {
        let cost = |run: &Measured| match (case, run.costs.as_slice()) {
            (Case::SpawnWarm, [_, warm @ ..]) if !warm.is_empty() => Some(median(warm)),
            (_, [first, ..]) => Some(*first),
            (_, []) => None,
        };
        self.runs.iter().filter_map(cost).collect()
    }

    fn not_possible(&self) -> Option<&str> {
        self.runs.iter().find_map(|run| run.not_possible.as_deref())
    }
}

/// One row with everybody's runs.
struct Row<'a> {
    case: Case,
    outsiders: &'a [Outsider],
    ours: Column,
    tokio: Column,
    control: Column,
    others: Vec<Column>,
}

impl<'a> Row<'a> {
    fn new(case: Case, outsiders: &'a [Outsider]) -> Self {
        Self {
            case,
            outsiders,
            ours: Column::new(Within::Vaxel.name()),
            tokio: Column::new(Within::Tokio.name()),
            control: Column::new(Within::Tokio.name()),
            others: outsiders.iter().map(|o| Column::new(&o.name)).collect(),
        }
    }

    fn measure(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let case = self.case;
        self.tokio.runs.push(Within::Tokio.measure(case, plan)?);
        self.ours.runs.push(Within::Vaxel.measure(case, plan)?);
        // Where nothing is claimed as a ratio, no control is needed.
        if case.goal().is_some() {
            self.control.runs.push(Within::Tokio.measure(case, plan)?);
        }
        for (outsider, column) in self.outsiders.iter().zip(&mut self.others) {
            // What cannot be done once need not be tried again: a stall may take a minute.
            if column.not_possible().is_none() {
                let measured = outsider.measure(case, plan);
                column
                    .runs
                    .push(measured.with_context(|| outsider.name.clone())?);
            }
        }
        Ok(())
    }

    /// Ours first.
    fn columns(&self) -> impl Iterator<Item = &Column> {
        [&self.ours, &self.tokio].into_iter().chain(&self.others)
    }

    fn print(&self, report: &mut Report, table: &mut Table) -> anyhow::Result<()> {
        for column in self.columns() {
            if let Some(why) = column.not_possible() {
                report.note(&format!("{}: {} – {why}", self.case.name(), column.name))?;
            }
        }
        if self.case.measure() == Measure::Stall {
            return self.print_stall(report, table);
        }
        for column in self.columns() {
            let costs = column.costs(self.case);
            if !costs.is_empty() {
                let figure = figure(self.case, column, &costs);
                table.add(&figure);
                report.figure(&figure)?;
            }
        }
        self.print_ratio(report, table)
    }

    /// Ours over the best other side, where something is claimed.
    fn print_ratio(&self, report: &mut Report, table: &mut Table) -> anyhow::Result<()> {
        let Some(goal) = self.case.goal() else {
            return Ok(());
        };
        let others = self.columns().skip(1);
        let best = others
            .map(|column| (column, column.costs(self.case)))
            .filter(|(_, costs)| !costs.is_empty())
            .min_by(|(_, a), (_, b)| median(a).total_cmp(&median(b)));
        let Some((best, costs)) = best else {
            return Ok(());
        };
        let pairs = |above: Vec<f64>, below: &[f64]| -> Vec<_> {
            above.into_iter().zip(below.iter().copied()).collect()
        };
        let tokio = self.tokio.costs(self.case);
        let comparison = Comparison::of_pairs(
            &pairs(self.ours.costs(self.case), &costs),
            &pairs(self.control.costs(self.case), &tokio),
        );
        let ours = &self.ours.name;
        let figure = Figure::ratio(self.case.name(), ours, &best.name, &comparison, goal)
            .control_of(&self.control.name);
        table.add_ratio(&self.case.name(), &best.name, comparison.ratio, goal);
        Ok(report.figure(&figure)?)
    }

    /// Delays beside spinning actors are three figures: all calls, those after the recovery, and
    /// the recovery itself.
    fn print_stall(&self, report: &mut Report, table: &mut Table) -> anyhow::Result<()> {
        let name = self.case.name();
        for column in self.columns() {
            let stalls = || column.runs.iter().filter_map(|run| run.stall.as_ref());
            if stalls().next().is_none() {
                continue;
            }
            let all = stalls().filter_map(|stall| stall.all.as_ref());
            let after = stalls().filter_map(|stall| stall.after.as_ref());
            let recoveries: Vec<f64> = stalls().map(|stall: &Stall| stall.recovery * 1e3).collect();
            for figure in [
                p99_figure(name.clone(), &column.name, all.collect()),
                p99_figure(
                    format!("{name}-after-recovery"),
                    &column.name,
                    after.collect(),
                ),
                Figure::new(
                    format!("{name}-recovery"),
                    &column.name,
                    "ms",
                    Better::Lower,
                )
                .runs(&recoveries),
            ] {
                table.add(&figure);
                report.figure(&figure)?;
            }
        }
        Ok(())
    }
}

fn better(case: Case) -> Better {
    match case.measure() {
        Measure::Rate => Better::Higher,
        _ => Better::Lower,
    }
}

fn figure(case: Case, column: &Column, costs: &[f64]) -> Figure {
    let value = |cost: &f64| match case.measure() {
        Measure::Bytes => *cost,
        Measure::Rate => 1.0 / cost,
        Measure::Whole => cost * 1e3,
        Measure::Delay | Measure::Stall => cost * 1e6,
    };
    let values: Vec<f64> = costs.iter().map(value).collect();
    let delays = column.runs.iter().filter_map(|run| run.delays.as_ref());
    Figure::new(case.name(), &column.name, case.unit(), better(case))
        .runs(&values)
        .quantiles(merged(delays.collect()))
}

/// The 99th percentile is the figure where a stall is what is looked for.
fn p99_figure(name: String, subject: &str, delays: Vec<&Histogram<u64>>) -> Figure {
    // Nothing recorded is not a delay of nothing.
    let recorded = delays.iter().filter(|delays| !delays.is_empty());
    let p99s: Vec<f64> = recorded
        .map(|delays| delays.value_at_quantile(0.99) as f64 / 1e3)
        .collect();
    Figure::new(name, subject, "us", Better::Lower)
        .runs(&p99s)
        .quantiles(merged(delays))
}

/// The delays of all runs as one distribution, in microseconds.
fn merged(delays: Vec<&Histogram<u64>>) -> Option<Quantiles> {
    let (first, rest) = delays.split_first()?;
    let mut whole = (*first).clone();
    for more in rest {
        whole
            .add(*more)
            .expect("all histograms have the same bounds");
    }
    Quantiles::of(&whole, 1e3)
}
