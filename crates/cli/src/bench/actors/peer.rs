//! The other side of every row: plain tokio, written as its users write it.
//!
//! An actor is a task that owns its state and receives from an mpsc channel: unbounded, the
//! cheaper form, except where the mailbox itself is the subject (many to one), which takes the
//! bounded channel of 1,024 that its documentation recommends for back-pressure. A request carries
//! a oneshot channel for the reply.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "unbounded channels are what is measured"
)]

mod calls;
mod messages;
mod spawning;

use std::future::Future;

use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

use vaxel_bench_rows::{OpenLoop, Outcome, Plan, Sample, Side};

/// Plain tokio tasks.
pub(crate) struct Tokio;

fn runtime(plan: &Plan) -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(plan.workers).enable_all().build()?)
}

/// Another runtime, of one thread, for callers from elsewhere.
pub(super) fn foreign_runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).build()?)
}

/// Runs `future` on a worker of a fresh runtime, where an actor of ours would run.
fn on_worker<F>(plan: &Plan, future: F) -> anyhow::Result<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = runtime(plan)?;
    Ok(runtime.block_on(runtime.spawn(future))?)
}

/// The least task with a mailbox: a number that grows by one a message.
fn counter(on_message: impl Fn(u64) + Send + 'static) -> UnboundedSender<()> {
    let (sender, mut receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut n = 0u64;
        while receiver.recv().await.is_some() {
            n += 1;
            on_message(n);
        }
    });
    sender
}

impl Side for Tokio {
    const NAME: &'static str = "tokio";

    fn memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        spawning::idle_memory(plan, few, many)
    }

    fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>> {
        spawning::spawn(plan, count, rounds)
    }

    fn ping_pong(plan: &Plan, messages: u64) -> anyhow::Result<Sample> {
        messages::ping_pong(plan, messages)
    }

    fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample> {
        messages::many_to_one(plan, senders, each)
    }

    fn ring(plan: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample> {
        messages::ring(plan, members, hops)
    }

    fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample> {
        spawning::skynet(plan, levels)
    }

    fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample> {
        messages::fan_out(plan, receivers, rounds)
    }

    fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
        calls::call(plan, calls)
    }

    fn call_foreign(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
        calls::call_foreign(plan, calls)
    }

    fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
        calls::recover(plan, crashes)
    }

    fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome> {
        calls::beside_spinners(plan, load)
    }
}
