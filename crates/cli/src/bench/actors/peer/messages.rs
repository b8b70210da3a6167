//! Messages between tasks that exist: ping-pong, ring, many to one, fan-out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{
    mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

use super::{counter, on_worker};
use vaxel_bench_rows::{Plan, Sample, Tally};

/// What travels: how many hops are left.
type Hops = u64;

pub(super) fn ping_pong(plan: &Plan, messages: u64) -> anyhow::Result<Sample> {
    let elapsed = on_worker(plan, async move {
        let (to_ping, at_ping) = unbounded_channel::<Hops>();
        let (to_pong, at_pong) = unbounded_channel::<Hops>();
        let (done, finished) = oneshot::channel();
        let begun = Instant::now();
        tokio::spawn(pass_on(at_ping, to_pong.clone(), Some(done)));
        tokio::spawn(pass_on(at_pong, to_ping, None));
        to_pong.send(messages).expect("pong listens");
        finished.await.map(|()| begun.elapsed())
    })??;
    Ok(Sample::new(messages, elapsed))
}

pub(super) fn ring(plan: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample> {
    // The last hop must arrive at the member that reports.
    let hops = hops - hops % members as u64;
    let elapsed = on_worker(plan, async move {
        let (done, finished) = oneshot::channel();
        let (to_first, at_first) = unbounded_channel::<Hops>();
        let mut next = to_first.clone();
        for _ in 1..members {
            let (to_member, at_member) = unbounded_channel();
            tokio::spawn(pass_on(at_member, next, None));
            next = to_member;
        }
        tokio::spawn(pass_on(at_first, next, Some(done)));
        let begun = Instant::now();
        to_first.send(hops).expect("the first listens");
        finished.await.map(|()| begun.elapsed())
    })??;
    Ok(Sample::new(hops, elapsed))
}

/// Forwards each message with one hop less; the one with no hop left ends the task.
async fn pass_on(
    mut mailbox: UnboundedReceiver<Hops>,
    next: UnboundedSender<Hops>,
    done: Option<oneshot::Sender<()>>,
) {
    while let Some(hops) = mailbox.recv().await {
        // A neighbour that has ended is no longer of interest.
        let _ = next.send(hops.saturating_sub(1));
        if hops == 0 {
            break;
        }
    }
    if let Some(done) = done {
        let _ = done.send(());
    }
}

pub(super) fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample> {
    let total = senders * each;
    let elapsed = on_worker(plan, async move {
        let (sender, mut receiver) = mpsc::channel::<()>(1024);
        let begun = Instant::now();
        let counting = tokio::spawn(async move {
            let mut n = 0u64;
            while receiver.recv().await.is_some() {
                n += 1;
            }
            n
        });
        for _ in 0..senders {
            let sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    sender.send(()).await.expect("the receiver listens");
                }
            });
        }
        drop(sender);
        counting.await.map(|n| (n, begun.elapsed()))
    })??;
    anyhow::ensure!(
        elapsed.0 == total,
        "{} of {total} messages arrived",
        elapsed.0
    );
    Ok(Sample::new(total, elapsed.1))
}

pub(super) fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample> {
    static HANDLED: Tally = Tally::new();
    let before = HANDLED.sum();
    let runtime = super::runtime(plan)?;
    let members: Vec<_> = runtime.block_on(async {
        (0..receivers)
            .map(|_| counter(|_| HANDLED.add_one()))
            .collect()
    });
    let members = Arc::new(members);
    let mut elapsed = Duration::ZERO;
    for round in 1..=rounds {
        let members = members.clone();
        let begun = Instant::now();
        runtime.spawn(async move {
            for member in members.iter() {
                member.send(()).expect("the member listens");
            }
        });
        HANDLED.wait_for(before + receivers * round)?;
        elapsed += begun.elapsed();
    }
    Ok(Sample::new(receivers * rounds, elapsed))
}
