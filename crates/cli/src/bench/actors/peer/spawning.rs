//! Tasks that come and go: memory, spawning, skynet.

use std::time::Instant;

use tokio::{
    runtime::Runtime,
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        oneshot,
    },
};

use super::{counter, runtime};
use crate::bench::actors::{
    Plan,
    measure::{Sample, Tally, resident_bytes},
};

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
            if senders.len() % 10_000 == 0 {
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
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    Ok(samples)
}

enum Skynet {
    Grow { level: u32, number: u64, parent: UnboundedSender<Skynet> },
    Sum(u64),
}

/// A tree of tasks, ten below each, a million leaves, whose numbers are summed on the way up.
pub(super) fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample> {
    let leaves = 10u64.pow(levels);
    let runtime = runtime(plan)?;
    let (done, finished) = oneshot::channel();
    let begun = Instant::now();
    runtime.spawn(async move {
        let (to_root, mut at_root) = unbounded_channel();
        node().send(Skynet::Grow { level: levels, number: 0, parent: to_root }).ok();
        if let Some(Skynet::Sum(sum)) = at_root.recv().await {
            let _ = done.send(sum);
        }
    });
    let sum = runtime.block_on(finished)?;
    let elapsed = begun.elapsed();
    anyhow::ensure!(sum == leaves * (leaves - 1) / 2, "the tree adds up to {sum}");
    Ok(Sample::new(leaves, elapsed))
}

fn node() -> UnboundedSender<Skynet> {
    let (to_me, mut mailbox) = unbounded_channel();
    let me = to_me.clone();
    tokio::spawn(async move {
        let (mut sum, mut missing, mut above) = (0, 0, None);
        while let Some(message) = mailbox.recv().await {
            match message {
                Skynet::Grow { level: 0, number, parent } => {
                    let _ = parent.send(Skynet::Sum(number));
                    break;
                }
                Skynet::Grow { level, number, parent } => {
                    let step = 10u64.pow(level - 1);
                    for child in 0..10 {
                        let number = number + child * step;
                        let grow = Skynet::Grow { level: level - 1, number, parent: me.clone() };
                        let _ = node().send(grow);
                    }
                    (missing, above) = (10, Some(parent));
                }
                Skynet::Sum(part) => {
                    sum += part;
                    missing -= 1;
                    if missing == 0 {
                        break;
                    }
                }
            }
        }
        if let Some(parent) = above {
            let _ = parent.send(Skynet::Sum(sum));
        }
    });
    to_me
}
