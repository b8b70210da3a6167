//! What a supervisor promises, under many schedules and with crashes at random moments.

use std::future::Future;
use std::sync::{Arc, Mutex};

use vaxel_actor::prelude::*;
use vaxel_testkit::{Check, Sim};

const SEEDS: u64 = 200;

/// What the children of one run have done, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, &'static str)>>>);

impl Log {
    fn write(&self, name: &'static str, what: &'static str) {
        self.0.lock().unwrap().push((name, what));
    }

    fn take(&self) -> Vec<(&'static str, &'static str)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Worker {
    name: &'static str,
    log: Log,
    handled: u32,
}

#[actor(crate = vaxel_actor)]
impl Worker {
    async fn init(name: &'static str, log: Log) -> Result<Self, String> {
        log.write(name, "init");
        if name.starts_with("slow") {
            // tidy: allow(sleep-in-test): virtual time, the start under test is slow by it
            vaxel_actor::time::sleep(secs(1)).await;
        }
        if name.starts_with("bad") {
            return Err("no disk".to_owned());
        }
        let handled = 0;
        Ok(Worker { name, log, handled })
    }

    #[call]
    fn count(&mut self) -> u32 {
        self.handled += 1;
        self.handled
    }

    /// Answers late enough to be killed meanwhile.
    #[call]
    async fn think(&mut self) -> u32 {
        // tidy: allow(sleep-in-test): virtual time, the handler under test is suspended by it
        vaxel_actor::time::sleep(millis(2)).await;
        self.handled
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }

    async fn terminate(&mut self) {
        self.log.write(self.name, "terminate");
        if self.name.starts_with("stubborn") {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.log.write(self.name, "dropped");
    }
}

fn worker(name: &'static str, log: &Log) -> ChildSpec<Worker> {
    Worker::child(name, log.clone()).name(name)
}

fn named(name: &str) -> WorkerRef {
    WorkerRef::whereis(name).unwrap_or_else(|| panic!("nobody is called {name}"))
}

fn under_all_seeds<F: Future<Output = ()>>(test: impl Fn(Sim) -> F) {
    Check::new().seeds(SEEDS).run(test);
}

#[test]
fn children_start_left_to_right_and_stop_right_to_left() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &log))
            .child(worker("slow b", &log))
            .child(worker("c", &log));
        let tree = sim
            .soon("the start", tree.start())
            .await
            .expect("it starts");
        assert_eq!(
            log.take(),
            [("a", "init"), ("slow b", "init"), ("c", "init")]
        );
        let exit = tree.exit();
        tree.shutdown();
        assert_eq!(sim.ended("the tree", exit).await, ExitReason::Shutdown);
        let end = ["c", "slow b", "a"].map(|name| [(name, "terminate"), (name, "dropped")]);
        assert_eq!(log.take(), end.concat());
    });
}

#[test]
fn a_failed_start_rolls_back_from_right_to_left() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .child(worker("slow a", &log))
            .child(worker("b", &log))
            .child(worker("bad", &log))
            .child(worker("d", &log));
        let error = sim
            .soon("the failure", tree.start())
            .await
            .expect_err("one is bad");
        assert!(error.to_string().contains("`bad`"), "{error}");
        let begun = ["slow a", "b", "bad"].map(|name| (name, "init"));
        let undone = ["b", "slow a"].map(|name| [(name, "terminate"), (name, "dropped")]);
        assert_eq!(log.take(), [&begun[..], &undone.concat()].concat());
        assert!(WorkerRef::whereis("b").is_none(), "its name is free again");
    });
}

#[test]
fn a_restarted_child_keeps_address_and_mail_whenever_it_is_killed() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .max_restarts(1_000_000)
            .child(worker("a", &log));
        let tree = sim
            .soon("the start", tree.start())
            .await
            .expect("it starts");
        let child = named("a");
        let killing = sim.kill_at_random::<Worker>(8);
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let child = child.clone();
                sim.system().spawn_future(async move {
                    let mut answered = 0;
                    for round in 0..10 {
                        let answer = if round % 2 == 0 {
                            child.count().await
                        } else {
                            child.think().await
                        };
                        match answer {
                            Ok(_) => answered += 1,
                            Err(CallError::Crashed(ExitReason::Killed)) => {}
                            Err(error) => panic!("a call ended with {error:?}"),
                        }
                    }
                    answered
                })
            })
            .collect();
        for caller in callers {
            sim.soon("a caller", caller)
                .await
                .expect("every call ends as it should");
        }
        drop(killing);
        sim.soon("an answer", child.count())
            .await
            .expect("it lives");
        assert_eq!(WorkerRef::whereis("a"), Some(child), "the same address");
        let counts = sim
            .soon("the counts", tree.count_children())
            .await
            .expect("it answers");
        let log = log.take();
        let lives = log.iter().filter(|line| line.1 == "init").count() as u64;
        assert_eq!(
            counts.restarts + 1,
            lives,
            "each end brings one new beginning: {log:?}"
        );
    });
}

#[test]
fn too_many_restarts_end_the_supervisor_and_all_its_children() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .max_restarts(3)
            .within(secs(5))
            .child(worker("a", &log))
            .child(worker("b", &log));
        let tree = sim
            .soon("the start", tree.start())
            .await
            .expect("it starts");
        let exit = tree.exit();
        for _ in 0..3 {
            named("b").crash().expect("there is room");
            sim.settle().await;
            assert!(tree.is_alive());
        }
        named("b").crash().expect("there is room");
        assert_eq!(sim.ended("the tree", exit).await, ExitReason::Shutdown);
        let log = log.take();
        let (begun, over): (Vec<_>, Vec<_>) = log
            .into_iter()
            .filter(|line| line.1 != "terminate")
            .partition(|line| line.1 == "init");
        assert_eq!(begun.len(), over.len(), "nobody is left: {over:?}");
    });
}

#[test]
fn restarts_that_are_far_apart_are_forgiven() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .like_otp()
            .child(worker("a", &log));
        let tree = sim
            .soon("the start", tree.start())
            .await
            .expect("it starts");
        for _ in 0..20 {
            named("a").crash().expect("there is room");
            assert_eq!(sim.soon("a new state", named("a").count()).await, Ok(1));
            sim.advance(secs(6)).await;
        }
        assert!(tree.is_alive());
    });
}

#[test]
fn a_stubborn_child_is_killed_when_its_time_is_up_and_not_before() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let tree = Supervisor::one_for_one()
            .child(worker("a", &log))
            .child(worker("stubborn", &log).shutdown(secs(3)));
        let tree = sim
            .soon("the start", tree.start())
            .await
            .expect("it starts");
        let (exit, stubborn) = (tree.exit(), named("stubborn").exit());
        let asked = sim.now();
        tree.shutdown();
        assert_eq!(sim.ended("the kill", stubborn).await, ExitReason::Killed);
        assert_eq!(sim.now().since(asked), secs(3));
        assert_eq!(sim.ended("the tree", exit).await, ExitReason::Shutdown);
    });
}

#[test]
fn a_tree_stops_whole_at_any_moment_while_its_children_die() {
    under_all_seeds(|sim| async move {
        let log = Log::default();
        let inner = Supervisor::one_for_one()
            .max_restarts(1_000)
            .child(worker("x", &log))
            .child(worker("y", &log));
        let tree = Supervisor::one_for_one()
            .max_restarts(1_000)
            .child(worker("a", &log))
            .child(inner.into_child().name("inner"))
            .child(worker("b", &log));
        let tree = sim
            .soon("the start", tree.start())
            .await
            .expect("it starts");
        let _killing = sim.kill_at_random::<Worker>(6);
        for _ in 0..sim.random(30) {
            let name = ["a", "b", "x", "y"][sim.random(4) as usize];
            if let Some(child) = WorkerRef::whereis(name) {
                let _ = sim.soon("an answer", child.think()).await;
            }
        }
        let exit = tree.exit();
        tree.shutdown();
        assert_eq!(sim.ended("the tree", exit).await, ExitReason::Shutdown);
        for name in ["a", "b", "x", "y", "inner"] {
            assert!(WorkerRef::whereis(name).is_none(), "{name} is left");
        }
        let log = log.take();
        for name in ["a", "b", "x", "y"] {
            let mut lives = 0;
            for (_, what) in log.iter().filter(|line| line.0 == name) {
                lives += match *what {
                    "init" => 1,
                    "dropped" => -1,
                    _ => 0,
                };
                assert!(
                    (0..=1).contains(&lives),
                    "{name} lived twice at once: {log:?}"
                );
            }
            assert_eq!(lives, 0, "{name} lives on: {log:?}");
        }
    });
}

#[test]
fn the_same_holds_when_turns_take_time() {
    Check::new()
        .seeds(50)
        .delays(millis(20))
        .run(|sim| async move {
            let log = Log::default();
            let tree = Supervisor::one_for_one()
                .max_restarts(1_000)
                .child(worker("a", &log))
                .child(worker("slow b", &log));
            let tree = tree.start().await.expect("it starts");
            let _killing = sim.kill_at_random::<Worker>(20);
            for _ in 0..20 {
                match named("a").think().await {
                    Ok(_) | Err(CallError::Crashed(ExitReason::Killed)) => {}
                    Err(error) => panic!("a call ended with {error:?}"),
                }
            }
            let exit = tree.exit();
            tree.shutdown();
            assert_eq!(exit.await, ExitReason::Shutdown);
        });
}
