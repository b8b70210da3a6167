//! What callers and watchers see when things go wrong, under many schedules.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::sync::oneshot;
use vaxel_actor::Message;
use vaxel_actor::prelude::*;
use vaxel_testkit::{Check, Sim};

const SEEDS: u64 = 200;

struct Fragile {
    handled: u32,
}

#[actor(crate = vaxel_actor)]
impl Fragile {
    fn init() -> Self {
        Fragile { handled: 0 }
    }

    #[call]
    fn work(&mut self, n: u32) -> u32 {
        self.handled += 1;
        n
    }

    /// Asks the next one, who asks the next one, and so on.
    #[call]
    async fn relay(&mut self, mut others: Vec<FragileRef>) -> Result<usize, ExitReason> {
        let Some(next) = others.pop() else {
            return Ok(0);
        };
        match next.relay(others).await {
            Ok(hops) => Ok(hops + 1),
            Err(CallError::Crashed(reason) | CallError::Handler(reason)) => Err(reason),
            Err(_) => Err(ExitReason::NoProcess),
        }
    }

    #[call]
    fn panic_now(&mut self) -> u32 {
        panic!("out of {}", "luck");
    }

    #[call]
    async fn panic_after(&mut self, gate: oneshot::Receiver<()>) -> u32 {
        let _ = gate.await;
        panic!("woken up badly");
    }

    #[call]
    async fn answer_after(&mut self, gate: oneshot::Receiver<()>) -> u32 {
        let _ = gate.await;
        7
    }

    #[cast]
    fn stop(&mut self, cx: &mut Context<Self>) {
        cx.stop();
    }
}

/// What a watcher was told, for the test.
#[derive(Debug, PartialEq, Eq, Message)]
#[message(crate = vaxel_actor)]
struct Told(Pid, String);

struct Watcher(Recipient<Told>);

#[actor(crate = vaxel_actor)]
impl Watcher {
    fn init(tell: Recipient<Told>) -> Self {
        Watcher(tell)
    }

    #[cast]
    fn watch(&mut self, whom: FragileRef, cx: &mut Context<Self>) {
        cx.monitor(&whom);
    }

    #[cast]
    fn watch_for_nothing(&mut self, whom: FragileRef, cx: &mut Context<Self>) {
        let monitor = cx.monitor(&whom);
        cx.demonitor(monitor);
    }

    #[info]
    fn down(&mut self, down: Down) {
        let _ = self.0.cast(Told(down.pid, down.reason.to_string()));
    }
}

fn under_all_seeds<F: Future<Output = ()>>(test: impl Fn(Sim) -> F) {
    Check::new().seeds(SEEDS).run(test);
}

#[test]
fn everyone_who_waits_gets_the_crash() {
    under_all_seeds(|sim| async move {
        let fragile = Fragile::spawn();
        let (go, gate) = oneshot::channel();
        let (crash, behind) = (fragile.panic_after(gate), fragile.work(1));
        sim.settle().await;
        go.send(()).expect("the handler waits");
        let answers = [
            sim.soon("the crash", crash).await,
            sim.soon("the call behind it", behind).await,
        ];
        for answer in answers {
            match answer {
                Err(CallError::Crashed(ExitReason::Panic(crash))) => {
                    assert_eq!(crash.message, "woken up badly");
                }
                other => panic!("a call ended with {other:?}"),
            }
        }
        assert_eq!(
            sim.soon("the refusal", fragile.work(1)).await,
            Err(CallError::Closed)
        );
    });
}

#[test]
fn a_chain_of_calls_ends_whoever_dies() {
    under_all_seeds(|sim| async move {
        let chain: Vec<_> = (0..6).map(|_| Fragile::spawn()).collect();
        let first = Fragile::spawn();
        let killing = sim.kill_at_random::<Fragile>(5);
        let answer = sim.soon("the chain", first.relay(chain)).await;
        drop(killing);
        match answer {
            Ok(hops) => assert_eq!(hops, 6),
            Err(CallError::Handler(reason) | CallError::Crashed(reason)) => {
                assert!(
                    matches!(reason, ExitReason::Killed | ExitReason::NoProcess),
                    "{reason}"
                );
            }
            Err(CallError::Closed) => {}
            Err(error) => panic!("the chain ended with {error:?}"),
        }
    });
}

#[test]
fn a_late_reply_is_dropped_and_the_limit_is_exact() {
    under_all_seeds(|sim| async move {
        let fragile = Fragile::spawn();
        let (go, gate) = oneshot::channel();
        let begin = sim.now();
        let held = fragile.answer_after(gate).await;
        assert_eq!(held, Err(CallError::Timeout));
        assert_eq!(sim.now().since(begin), secs(5));
        go.send(()).expect("the handler goes on without its caller");
        assert_eq!(sim.soon("the next answer", fragile.work(3)).await, Ok(3));
    });
}

#[test]
fn each_monitor_fires_once_at_any_moment_of_the_end() {
    under_all_seeds(|sim| async move {
        let told = sim.probe::<Told>();
        let watchers: Vec<_> = (0..3).map(|_| Watcher::spawn(told.recipient())).collect();
        let targets: Vec<_> = (0..3).map(|_| Fragile::spawn()).collect();
        let mut expected = BTreeMap::new();
        for target in &targets {
            let pid = target.pid();
            match sim.random(3) {
                0 => target.kill(),
                1 => target.stop().expect("there is room"),
                _ => drop(target.panic_now()),
            }
            for watcher in &watchers {
                watcher.watch(target.clone()).expect("there is room");
                watcher
                    .watch_for_nothing(target.clone())
                    .expect("there is room");
            }
            // Who asks after the end watches nobody, and is told so.
            expected.insert(pid, watchers.len());
        }
        sim.settle().await;
        let mut nobody = 0;
        for Told(pid, reason) in told.take() {
            match expected.get_mut(&pid) {
                Some(left) => *left -= 1,
                None => {
                    assert!(reason.contains("no such actor"), "{pid}: {reason}");
                    nobody += 1;
                }
            }
        }
        let missing: usize = expected.values().sum();
        assert_eq!(missing, nobody, "each of nine is told once");
    });
}

#[test]
fn a_stop_lets_earlier_calls_pass_and_no_later_one() {
    under_all_seeds(|sim| async move {
        let fragile = Fragile::spawn();
        let before = fragile.work(1);
        fragile.stop().expect("there is room");
        let behind = fragile.work(2);
        assert_eq!(sim.soon("the first answer", before).await, Ok(1));
        assert_eq!(
            sim.soon("the refusal", behind).await,
            Err(CallError::Closed)
        );
        assert_eq!(sim.down(&fragile.erase()).await, ExitReason::NoProcess);
    });
}
