//! Our side of every row, written with what users write with: the `#[actor]` macro, typed
//! references, the supervisor.

mod calls;
mod messages;
mod spawning;

use std::{future::Future, sync::mpsc::sync_channel};

use vaxel::System;

use vaxel_bench_rows::{OpenLoop, Outcome, Plan, Sample, Side};

/// Actors of ours.
pub(crate) struct Vaxel;

/// A system of its own for one measurement, shut down when dropped.
pub(super) struct Fresh(pub(super) System);

impl Fresh {
    pub(super) fn new(plan: &Plan) -> Self {
        Fresh(System::builder().workers(plan.workers).build())
    }

    /// Runs `future` on a worker and waits for its output.
    fn on_worker<F>(&self, future: F) -> anyhow::Result<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let (sender, receiver) = sync_channel(1);
        let running = self
            .0
            .spawn_future(async move { sender.send(future.await) });
        let output = receiver.recv();
        drop(running);
        Ok(output?)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

impl Side for Vaxel {
    const NAME: &'static str = "vaxel";

    fn memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        spawning::idle_memory(plan, few, many)
    }

    fn memory_supervised(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        spawning::supervised(plan, few, many)
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

    fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
        calls::recover(plan, crashes)
    }

    fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome> {
        calls::beside_spinners(plan, load)
    }
}
