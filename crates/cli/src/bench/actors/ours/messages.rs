//! Messages between actors that exist: ping-pong, ring, many to one, fan-out.

use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use vaxel::prelude::*;

use super::Fresh;
use vaxel_bench_rows::{Plan, Sample, Tally};

/// Passes a message on with one hop less; the one with no hop left is reported.
struct Player {
    next: Option<PlayerRef>,
    done: SyncSender<()>,
}

#[actor]
impl Player {
    fn init(done: SyncSender<()>) -> Self {
        Player { next: None, done }
    }

    #[call]
    fn meet(&mut self, next: PlayerRef) {
        self.next = Some(next);
    }

    #[cast]
    fn hop(&mut self, left: u64) {
        match &self.next {
            Some(next) if left > 0 => next.hop(left - 1).expect("one message finds room"),
            _ => {
                self.next = None;
                let _ = self.done.send(());
            }
        }
    }
}

pub(super) fn ping_pong(plan: &Plan, messages: u64) -> anyhow::Result<Sample> {
    ring(plan, 2, messages)
}

pub(super) fn ring(plan: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample> {
    let system = Fresh::new(plan);
    let (done, finished) = sync_channel(1);
    let players: Vec<_> = (0..members)
        .map(|_| Player::spawn_in(&system.0, done.clone()))
        .collect();
    for (player, next) in players.iter().zip(players.iter().cycle().skip(1)) {
        system.on_worker(player.meet(next.clone()))??;
    }
    let begun = Instant::now();
    players[0].hop(hops)?;
    finished.recv()?;
    let elapsed = begun.elapsed();
    // The ring holds itself alive.
    players.iter().for_each(|player| player.kill());
    Ok(Sample::new(hops, elapsed))
}

/// Counts, and says when it has counted enough. Its mailbox is the default one, of 1,024.
struct Sink {
    left: u64,
    done: SyncSender<()>,
}

#[actor]
impl Sink {
    fn init(expected: u64, done: SyncSender<()>) -> Self {
        Sink {
            left: expected,
            done,
        }
    }

    #[cast]
    fn take(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            let _ = self.done.send(());
        }
    }
}

/// Sends until the sink's mailbox is full, then lets others run and tries again; it also lets them
/// run now and then, as tokio's budget makes its senders do.
struct Source;

#[actor]
impl Source {
    fn init() -> Self {
        Source
    }

    #[cast]
    async fn pour(&mut self, count: u64, into: SinkRef) {
        for sent in 1..=count {
            while let Err(refused) = into.take() {
                assert!(refused.is_full(), "the sink has ended");
                tokio::task::yield_now().await;
            }
            if sent % 128 == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

pub(super) fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample> {
    let system = Fresh::new(plan);
    let (done, finished) = sync_channel(1);
    let sink = Sink::spawn_in(&system.0, senders * each, done);
    let sources: Vec<_> = (0..senders).map(|_| Source::spawn_in(&system.0)).collect();
    let begun = Instant::now();
    for source in &sources {
        source
            .pour(each, sink.clone())
            .map_err(|_| anyhow::anyhow!("a source has ended"))?;
    }
    finished.recv()?;
    Ok(Sample::new(senders * each, begun.elapsed()))
}

static HANDLED: Tally = Tally::new();

/// The least actor: a number that grows by one a message.
struct Receiver {
    n: u64,
}

#[actor]
impl Receiver {
    fn init() -> Self {
        Receiver { n: 0 }
    }

    #[cast]
    fn take(&mut self) {
        self.n += 1;
        HANDLED.add_one();
    }
}

struct Speaker {
    audience: Arc<Vec<ReceiverRef>>,
}

#[actor]
impl Speaker {
    fn init(audience: Arc<Vec<ReceiverRef>>) -> Self {
        Speaker { audience }
    }

    #[cast]
    fn speak(&mut self) {
        for receiver in self.audience.iter() {
            receiver.take().expect("one message finds room");
        }
    }
}

pub(super) fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample> {
    let system = Fresh::new(plan);
    let before = HANDLED.sum();
    let audience: Vec<_> = (0..receivers)
        .map(|_| Receiver::spawn_in(&system.0))
        .collect();
    let speaker = Speaker::spawn_in(&system.0, Arc::new(audience));
    let mut elapsed = Duration::ZERO;
    for round in 1..=rounds {
        let begun = Instant::now();
        speaker.speak()?;
        HANDLED.wait_for(before + receivers * round)?;
        elapsed += begun.elapsed();
    }
    Ok(Sample::new(receivers * rounds, elapsed))
}
