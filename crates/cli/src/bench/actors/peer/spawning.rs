//! Tasks that come and go: memory, spawning, skynet.

use std::time::{Duration, Instant};

use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

use super::{counter, runtime};
use vaxel_bench_rows::{Plan, Sample, Tally, resident_bytes};

static HANDLED: Tally = Tally::new();

/// Resident bytes per task that has handled a message and waits for the next; its sender, which
/// every design has, is not counted.
pub(super) fn idle_memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
    let runtime = runtime(plan)?;
    let mut senders = Vec::with_capacity(many as usize);
    grow(&runtime, &mut senders, few)?;
    let before = resident_bytes()?;
    grow(&runtime, &mut senders, many)?;
    let grown = resident_bytes()?.saturating_sub(before);
    Ok(grown as f64 / (many - few) as f64 - size_of::<UnboundedSender<()>>() as f64)
}

fn grow(runtime: &Runtime, senders: &mut Vec<UnboundedSender<()>>, to: u64) -> anyhow::Result<()> {
    runtime.block_on(async {
        while (senders.len() as u64) < to {
            let sender = counter(|_| HANDLED.add_one());
            sender.send(()).expect("the task listens");
            senders.push(sender);
            if senders.len().is_multiple_of(10_000) {
                HANDLED.wait_for(senders.len() as u64)?;
            }
        }
        HANDLED.wait_for(to)
    })
}

/// One sample per round, the first of them cold: until every task has begun, from inside.
pub(super) fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>> {
    static BEGUN: Tally = Tally::new();
    let runtime = runtime(plan)?;
    let mut samples = Vec::new();
    for round in 1..=rounds {
        let begun = Instant::now();
        let spawning = runtime.spawn(async move {
            let mut senders = Vec::with_capacity(count as usize);
            for _ in 0..count {
                let (sender, mut receiver) = unbounded_channel::<()>();
                tokio::spawn(async move {
                    BEGUN.add_one();
                    let mut n = 0u64;
                    while receiver.recv().await.is_some() {
                        n += 1;
                    }
                    n
                });
                senders.push(sender);
            }
            senders
        });
        let senders = runtime.block_on(spawning)?;
        BEGUN.wait_for(count * round)?;
        samples.push(Sample::new(count, begun.elapsed()));
        drop(senders);
        while runtime.metrics().num_alive_tasks() > 0 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    Ok(samples)
}

/// A tree of tasks, ten below each, a million leaves, whose numbers are summed on the way up.
pub(super) fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample> {
    let leaves = 10u64.pow(levels);
    let runtime = runtime(plan)?;
    let begun = Instant::now();
    let root = runtime.spawn(async move {
        let (to_root, mut at_root) = unbounded_channel();
        node(levels, 0, to_root);
        at_root.recv().await
    });
    let sum = runtime.block_on(root)?;
    let elapsed = begun.elapsed();
    anyhow::ensure!(
        sum == Some(leaves * (leaves - 1) / 2),
        "the tree adds up to {sum:?}"
    );
    Ok(Sample::new(leaves, elapsed))
}

/// Starts a task that is an actor like all others: with a mailbox, and a sender for whom it tells.
fn node(level: u32, number: u64, parent: UnboundedSender<u64>) -> UnboundedSender<u64> {
    let (to_me, mut mailbox) = unbounded_channel();
    let me = to_me.clone();
    tokio::spawn(async move {
        if level == 0 {
            let _ = parent.send(number);
            return;
        }
        let step = 10u64.pow(level - 1);
        for child in 0..10 {
            node(level - 1, number + child * step, me.clone());
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += mailbox.recv().await.unwrap_or_default();
        }
        let _ = parent.send(sum);
    });
    to_me
}
