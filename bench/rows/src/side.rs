//! A side of every row, and how a row is asked of it.

use std::time::Duration;

use crate::{Case, Measured, OpenLoop, Outcome, Sample};

/// How large everything is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Worker threads of every side.
    pub workers: usize,
    /// Divides the size of every row; one for a figure to quote.
    pub scale_down: u64,
}

impl Plan {
    /// `full`, or less of it in a quick look.
    pub fn scaled(&self, full: u64) -> u64 {
        (full / self.scale_down).max(1)
    }
}

/// A row that a side cannot do, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotPossible(pub &'static str);

/// One way to write actors. Each method does the work of one row.
pub trait Side {
    /// As it is printed.
    const NAME: &'static str;

    /// Bytes per actor that nobody supervises, from the growth between `few` and `many`.
    fn memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64>;

    /// The same of a supervisor's children, entries in the supervisor included.
    fn memory_supervised(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        let _ = (plan, few, many);
        Err(NotPossible("it has no supervisor with children added at run time").into())
    }

    /// One sample per round, the first of them cold.
    fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>>;

    /// Two actors, one message between them.
    fn ping_pong(plan: &Plan, messages: u64) -> anyhow::Result<Sample>;

    /// So many senders, one receiver, in this side's default mailbox.
    fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample>;

    /// Actors in a ring, one message going round.
    fn ring(plan: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample>;

    /// A tree of actors, ten below each, whose leaves' numbers are added up.
    fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample>;

    /// One sender, many receivers.
    fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample>;

    /// Calls of one actor to another, one after another, with each delay.
    fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample>;

    /// Calls of a tokio task to an actor on other threads, one after another, with each delay.
    fn call_foreign(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
        let _ = (plan, calls);
        Err(NotPossible("measured beside plain tokio only").into())
    }

    /// From the message that crashes an actor to its successor's answer, each time.
    fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample>;

    /// Calls at a fixed rate while other actors compute.
    fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome>;
}

/// Memory is the slope between these two, so that what a runtime needs anyway does not count.
const FEW: u64 = 100_000;
const MANY: u64 = 1_000_000;

/// Actors in one round of spawning.
const SPAWNED: u64 = 1_000_000;

/// Rounds of spawning in one process; the first is cold.
const ROUNDS: u64 = 4;

/// Measures one row of one side in this process.
///
/// # Errors
/// When the work goes wrong: messages are lost, sums do not add up, calls are not answered.
pub fn measure<S: Side>(case: Case, plan: &Plan) -> anyhow::Result<Measured> {
    match measure_or_fail::<S>(case, plan) {
        Err(error) => match error.downcast::<NotPossible>() {
            Ok(NotPossible(why)) => Ok(Measured {
                not_possible: Some(why.to_owned()),
                ..Measured::default()
            }),
            Err(error) => Err(error),
        },
        measured => measured,
    }
}

fn measure_or_fail<S: Side>(case: Case, plan: &Plan) -> anyhow::Result<Measured> {
    let (few, many) = (plan.scaled(FEW), plan.scaled(MANY));
    let rate = |sample: anyhow::Result<Sample>| sample.map(|sample| Measured::rate(&sample));
    match case {
        Case::Memory => S::memory(plan, few, many).map(Measured::cost),
        Case::MemorySupervised => S::memory_supervised(plan, few, many).map(Measured::cost),
        Case::SpawnCold | Case::SpawnWarm => {
            let samples = S::spawn(plan, plan.scaled(SPAWNED), ROUNDS)?;
            let costs = samples.iter().map(|sample| 1.0 / sample.per_second());
            Ok(Measured {
                costs: costs.collect(),
                ..Measured::default()
            })
        }
        Case::PingPong => rate(S::ping_pong(plan, plan.scaled(4_000_000))),
        Case::ManyToOne => rate(S::many_to_one(plan, 16, plan.scaled(500_000))),
        Case::Ring => rate(S::ring(plan, 1_000, plan.scaled(4_000_000).max(2_000))),
        Case::Skynet => {
            let levels = if plan.scale_down > 1 { 4 } else { 6 };
            S::skynet(plan, levels).map(|sample| Measured::whole(&sample))
        }
        Case::FanOut => rate(S::fan_out(plan, 100_000, plan.scaled(20))),
        Case::Call => S::call(plan, plan.scaled(1_000_000)).map(Measured::delays),
        Case::CallForeign => S::call_foreign(plan, plan.scaled(50_000)).map(Measured::delays),
        Case::Recover => S::recover(plan, plan.scaled(20_000)).map(Measured::delays),
        Case::Spinners0 => beside::<S>(plan, 0, None),
        Case::Spinners => beside::<S>(plan, 2, None),
        Case::Spinners8 => beside::<S>(plan, 8, None),
        Case::Spinners50 => beside::<S>(plan, 50, None),
        Case::Unseen => beside::<S>(plan, 2, Some(Duration::from_millis(4))),
    }
}

fn beside<S: Side>(
    plan: &Plan,
    spinners: usize,
    slice: Option<Duration>,
) -> anyhow::Result<Measured> {
    let duration = Duration::from_millis(plan.scaled(5_000).max(200));
    let load = OpenLoop {
        spinners,
        slice,
        duration,
        calls_per_second: 1_000,
    };
    S::beside_spinners(plan, &load).map(Measured::stall)
}
