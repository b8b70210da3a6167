//! What callers see when things go wrong, and that nobody else notices.

mod common;

use common::{in_system, log, soon};
use tokio::sync::{mpsc, oneshot};
use vaxel_actor::prelude::*;

struct Fragile {
    handled: common::Pen<u32>,
}

#[actor(crate = vaxel_actor)]
impl Fragile {
    fn init(handled: common::Pen<u32>) -> Self {
        Fragile { handled }
    }

    #[call]
    fn work(&mut self, n: u32) -> u32 {
        let _ = self.handled.send(n);
        n
    }

    #[call]
    fn panic_now(&mut self) -> u32 {
        panic!("out of {}", "luck");
    }

    #[call]
    async fn panic_after_an_await(&mut self) -> u32 {
        tokio::task::yield_now().await;
        panic!("woken up badly");
    }

    /// Says when it has begun, then waits until it is let go.
    #[call]
    async fn hold(&mut self, begun: oneshot::Sender<()>, go: oneshot::Receiver<()>) -> u32 {
        let _ = begun.send(());
        let _ = go.await;
        0
    }

    #[cast]
    fn stop(&mut self, cx: &mut Context<Self>) {
        cx.stop();
    }
}

fn crash_of<T: std::fmt::Debug, E: std::fmt::Debug>(answer: Result<T, CallError<E>>) -> String {
    match answer {
        Err(CallError::Crashed(reason @ ExitReason::Panic(_))) => reason.to_string(),
        other => panic!("expected a crash, got {other:?}"),
    }
}

#[test]
fn a_caller_gets_the_crash_with_message_and_place() {
    in_system(|_| async {
        for after_an_await in [false, true] {
            let (pen, _) = log();
            let fragile = Fragile::spawn(pen);
            let (crash, text) = if after_an_await {
                let answer = soon("the crash", fragile.panic_after_an_await()).await;
                (crash_of(answer), "woken up badly")
            } else {
                (
                    crash_of(soon("the crash", fragile.panic_now()).await),
                    "out of luck",
                )
            };
            assert!(crash.contains(text), "{crash}");
            assert!(crash.contains("actor_failure.rs:"), "{crash}");
            let closed = soon("the refusal", fragile.work(1)).await;
            assert!(
                matches!(closed, Err(CallError::Closed | CallError::Crashed(_))),
                "{closed:?}"
            );
        }
    });
}

#[test]
fn calls_that_wait_behind_a_crash_end_with_it() {
    in_system(|_| async {
        let (pen, handled) = log();
        let fragile = Fragile::spawn(pen);
        let ((begun, beginning), (go, gate)) = (oneshot::channel(), oneshot::channel());
        let held = fragile.hold(begun, gate);
        soon("the handler", beginning).await.expect("it began");
        let (crash, waiting) = (fragile.panic_now(), fragile.work(1));
        go.send(()).expect("the handler waits");
        assert_eq!(soon("the first answer", held).await, Ok(0));
        crash_of(soon("the crash", crash).await);
        crash_of(soon("the call behind it", waiting).await);
        assert!(handled.rest().is_empty(), "what waited was not handled");
    });
}

#[test]
fn an_actor_that_crashes_harms_no_other() {
    in_system(|system| async move {
        let (pen, _) = log();
        let others: Vec<_> = (0..100).map(|_| Fragile::spawn(pen.clone())).collect();
        for _ in 0..100 {
            let fragile = Fragile::spawn(pen.clone());
            let exit = fragile.exit();
            crash_of(soon("a crash", fragile.panic_now()).await);
            soon("the end", exit).await;
        }
        for other in &others {
            assert_eq!(soon("an answer", other.work(7)).await, Ok(7));
        }
        assert_eq!(system.counters().crashes, 100);
    });
}

#[test]
fn a_late_reply_is_dropped_after_the_time_out() {
    in_system(|_| async {
        let (pen, _) = log();
        let fragile = Fragile::spawn(pen);
        let ((begun, beginning), (go, gate)) = (oneshot::channel(), oneshot::channel());
        let held = fragile.hold(begun, gate).timeout(millis(1));
        soon("the handler", beginning).await.expect("it began");
        assert_eq!(soon("the time-out", held).await, Err(CallError::Timeout));
        go.send(())
            .expect("the handler goes on after its caller has gone");
        assert_eq!(
            soon("the next answer", fragile.work(3)).await,
            Ok(3),
            "not the late one"
        );
    });
}

#[test]
fn a_kill_ends_a_handler_in_its_await() {
    in_system(|_| async {
        let (pen, _) = log();
        let fragile = Fragile::spawn(pen);
        let ((begun, beginning), (go, gate)) = (oneshot::channel(), oneshot::channel());
        let (held, exit) = (fragile.hold(begun, gate), fragile.exit());
        soon("the handler", beginning).await.expect("it began");
        fragile.kill();
        assert_eq!(soon("the end", exit).await, ExitReason::Killed);
        assert_eq!(
            soon("the answer", held).await,
            Err(CallError::Crashed(ExitReason::Killed))
        );
        assert!(go.is_closed(), "the handler's future was dropped");
    });
}

#[test]
fn a_stopped_actor_is_closed_and_no_crash() {
    in_system(|_| async {
        let (pen, _) = log();
        let fragile = Fragile::spawn(pen);
        let exit = fragile.exit();
        fragile.stop().expect("the mailbox has room");
        let behind = fragile.work(1);
        assert_eq!(soon("the end", exit).await, ExitReason::Normal);
        assert_eq!(
            soon("the call behind the stop", behind).await,
            Err(CallError::Closed)
        );
    });
}

/// Watches others and reports what it is told.
struct Watcher {
    seen: mpsc::Sender<Down>,
}

#[actor(crate = vaxel_actor)]
impl Watcher {
    fn init(seen: mpsc::Sender<Down>) -> Self {
        Watcher { seen }
    }

    #[call]
    fn watch(&mut self, whom: ActorRef<Fragile>, cx: &mut Context<Self>) {
        cx.monitor(&whom);
    }

    #[call]
    fn watch_for_nothing(&mut self, whom: ActorRef<Fragile>, cx: &mut Context<Self>) {
        let monitor = cx.monitor(&whom);
        cx.demonitor(monitor);
    }

    #[info]
    fn down(&mut self, down: Down) {
        self.seen.try_send(down).expect("the test reads");
    }
}

#[test]
fn a_monitor_sees_exactly_one_down() {
    in_system(|_| async {
        let (pen, _) = log();
        let (seen, mut downs) = mpsc::channel(8);
        let (fragile, watcher) = (Fragile::spawn(pen), Watcher::spawn(seen));
        let pid = fragile.pid();
        for _ in 0..2 {
            soon("the monitor", watcher.watch(fragile.clone().into()))
                .await
                .expect("it watches");
        }
        let unwatched = watcher.watch_for_nothing(fragile.clone().into());
        soon("the monitor", unwatched)
            .await
            .expect("it watches and forgets");
        crash_of(soon("the crash", fragile.panic_now()).await);
        for _ in 0..2 {
            let down = soon("a down", downs.recv())
                .await
                .expect("the watcher lives");
            assert_eq!(down.pid, pid);
            assert!(
                matches!(down.reason, ExitReason::Panic(_)),
                "{:?}",
                down.reason
            );
        }
        // A monitor of what is gone fires at once; by then a third down would have come too.
        soon("the monitor", watcher.watch(fragile.into()))
            .await
            .expect("it watches");
        let late = soon("the late down", downs.recv())
            .await
            .expect("the watcher lives");
        assert_eq!(late.reason, ExitReason::NoProcess);
        assert!(downs.try_recv().is_err());
    });
}

#[test]
fn two_systems_know_nothing_of_each_other() {
    in_system(|one| async move {
        in_own_thread(move || {
            in_system(|two| async move {
                let (pen, _) = log();
                let here = Fragile::spawn(pen.clone());
                let there = Fragile::spawn_in(&one, pen);
                assert_eq!((here.system(), there.system()), (two.clone(), one.clone()));
                one.register("fragile", &there).expect("the name is free");
                two.register("fragile", &here)
                    .expect("the name is free here too");
                assert_eq!(soon("an answer", there.work(1)).await, Ok(1));
                let exit = here.exit();
                crash_of(soon("a crash", here.panic_now()).await);
                soon("the end", exit).await;
                assert_eq!((one.counters().crashes, two.counters().crashes), (0, 1));
                assert_eq!(
                    soon("an answer after the other's crash", there.work(2)).await,
                    Ok(2)
                );
            });
        })
        .await;
    });
}

async fn in_own_thread(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work)
        .await
        .expect("the work succeeds");
}
