//! Many actors, many threads, everything at once: nothing is lost, leaked or left waiting.
//!
//! Also the program to run under an address sanitizer, since it passes through every path of a
//! cell's life: inline and queued starts, failed starts, crashes before and after an await, kills
//! of suspended handlers, restarts in place, last references dropped anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use vaxel_runtime::{
    Actor, ActorRef, CallError, Child, ChildExit, Context, Down, ExitReason, Handler, Mailbox,
    Message, Random, System, time,
};

/// Counts live states: every one that is made must be dropped.
struct Live(Arc<AtomicU64>);

impl Live {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

struct Victim {
    _live: Live,
    peer: Option<ActorRef<Victim>>,
}

enum Deed {
    Nothing,
    Panic,
    Nap,
    PanicAfterNap,
    Stop,
    SpawnPeer(Arc<AtomicU64>),
    MonitorPeer,
    TellPeer,
    KeepMe,
    Tick,
}

impl Message for Deed {
    type Reply = u64;
}

impl Actor for Victim {
    type Args = (Arc<AtomicU64>, u64);
    const MAILBOX: Mailbox = Mailbox::bounded(32);

    async fn init((live, nature): Self::Args, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let victim = Self {
            _live: Live::new(&live),
            peer: None,
        };
        match nature % 8 {
            // tidy: allow(sleep-in-test): it suspends an init, nothing waits for it
            0 => time::sleep(Duration::from_micros(200)).await,
            1 if nature % 64 == 1 => panic!("a failed start"),
            2 if nature % 64 == 2 => return Err(ExitReason::error("refused")),
            3 => _ = cx.me(),
            _ => {}
        }
        Ok(victim)
    }

    async fn terminate(&mut self, _: &ExitReason, cx: &mut Context<Self>) {
        // Takes a reference from zero, and gives it back.
        drop(cx.me());
    }
}

impl Handler<Deed> for Victim {
    async fn handle(&mut self, deed: Deed, cx: &mut Context<Self>) -> u64 {
        match deed {
            Deed::Nothing | Deed::Tick => {}
            Deed::Panic => panic!("on request"),
            // tidy: allow(sleep-in-test): it suspends a handler, nothing waits for it
            Deed::Nap => time::sleep(Duration::from_micros(100)).await,
            Deed::PanicAfterNap => {
                // tidy: allow(sleep-in-test): it suspends a handler, nothing waits for it
                time::sleep(Duration::from_micros(100)).await;
                panic!("after a nap");
            }
            Deed::Stop => cx.stop(),
            Deed::SpawnPeer(live) => self.peer = Some(cx.spawn::<Self>((live, 3))),
            Deed::MonitorPeer => {
                if let Some(peer) = self.peer.clone() {
                    cx.monitor(&peer);
                }
            }
            Deed::TellPeer => {
                if let Some(peer) = &self.peer {
                    let _ = peer.cast(Deed::Nothing);
                    let _ = peer
                        .call(Deed::Nap)
                        .timeout(Duration::from_millis(50))
                        .await;
                }
            }
            Deed::KeepMe => {
                cx.send_after(Duration::from_millis(1), Deed::Tick);
            }
        }
        1
    }
}

impl Handler<Down> for Victim {
    async fn handle(&mut self, _: Down, _: &mut Context<Self>) {
        self.peer = None;
    }
}

/// Restarts each child until it has crashed often enough.
struct Parent {
    children: Vec<Option<Child>>,
    exits: u64,
}

struct Adopt(Arc<AtomicU64>);
impl Message for Adopt {
    type Reply = ActorRef<Victim>;
}

impl Actor for Parent {
    type Args = ();

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self {
            children: Vec::new(),
            exits: 0,
        })
    }
}

impl Handler<Adopt> for Parent {
    async fn handle(&mut self, Adopt(live): Adopt, cx: &mut Context<Self>) -> ActorRef<Victim> {
        let tag = self.children.len() as u64;
        let args = move || (live.clone(), 5);
        let parent = cx.me().recipient();
        let (child, actor) = cx.system().spawn_child::<Victim>(args, &parent, tag);
        self.children.push(Some(child));
        actor
    }
}

impl Handler<ChildExit> for Parent {
    async fn handle(&mut self, exit: ChildExit, _: &mut Context<Self>) {
        self.exits += 1;
        let slot = &mut self.children[exit.tag as usize];
        if exit.reason.is_abnormal() && !self.exits.is_multiple_of(7) {
            if let Some(child) = slot {
                child.restart();
            }
        } else {
            *slot = None;
        }
    }
}

fn deed(random: &mut Random, live: &Arc<AtomicU64>) -> Deed {
    match random.below(40) {
        0 => Deed::Panic,
        1 => Deed::PanicAfterNap,
        2 => Deed::Stop,
        3..=6 => Deed::Nap,
        7..=9 => Deed::SpawnPeer(live.clone()),
        10..=12 => Deed::MonitorPeer,
        13..=16 => Deed::TellPeer,
        17..=18 => Deed::KeepMe,
        _ => Deed::Nothing,
    }
}

async fn provoke(system: System, seed: u64, rounds: u64, live: Arc<AtomicU64>) -> u64 {
    let mut random = Random::seeded(seed);
    let parent = system.spawn::<Parent>(());
    let mut victims: Vec<ActorRef<Victim>> = Vec::new();
    let mut answered = 0;
    for _ in 0..rounds {
        match random.below(10) {
            0 => victims.push(system.spawn((live.clone(), random.bits()))),
            1 => victims.push(system.spawn_queued((live.clone(), random.bits()))),
            2 => victims.extend(parent.call(Adopt(live.clone())).await.ok()),
            3 if victims.len() > 20 => {
                let at = random.below(victims.len() as u64) as usize;
                let gone = victims.swap_remove(at);
                match random.below(4) {
                    0 => gone.kill(),
                    1 => gone.stop(),
                    2 => gone.shutdown(),
                    _ => {}
                }
            }
            _ if victims.is_empty() => {}
            way => {
                let at = random.below(victims.len() as u64) as usize;
                let deed = deed(&mut random, &live);
                if way < 6 {
                    let _ = victims[at].cast(deed);
                } else {
                    let limit = Duration::from_secs(10);
                    match victims[at].call(deed).timeout(limit).await {
                        Ok(count) => answered += count,
                        Err(CallError::Timeout) => {
                            panic!("a call without an end (STORM_SEED={seed})")
                        }
                        Err(_) => victims.truncate(at),
                    }
                }
            }
        }
    }
    answered
}

#[test]
fn a_storm_leaves_nothing_behind() {
    let rounds = if cfg!(miri) { 50 } else { 3_000 };
    let system = System::builder().workers(3).build();
    let live = Arc::new(AtomicU64::new(0));
    let seed = std::env::var("STORM_SEED").map_or(7, |seed| seed.parse().unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (system, live) = (system.clone(), live.clone());
            scope.spawn(move || {
                let (done, answer) = std::sync::mpsc::sync_channel(1);
                let storm = provoke(system.clone(), seed + thread, rounds, live);
                let task = system.spawn_future(async move { done.send(storm.await) });
                let answer = answer.recv_timeout(Duration::from_secs(120));
                drop(task);
                assert!(answer.expect("the end of the storm") > 0);
            });
        }
    });
    // Every reference is gone: the last actors end by themselves, naps and timers included.
    let deadline = system.now() + Duration::from_secs(20);
    while system.counters().actors_alive > 0 {
        assert!(
            system.now() < deadline,
            "still alive (STORM_SEED={seed}): {:?}",
            system.types()
        );
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert_eq!(
        live.load(Relaxed),
        0,
        "every state that was made has been dropped"
    );
    let counters = system.counters();
    assert!(counters.crashes > 0 && counters.restarts > 0 && counters.timers_fired > 0);
    assert_eq!(counters.pids, 0, "every pid was given back");
    system.shutdown();
}
