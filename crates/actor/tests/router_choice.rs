//! What a router promises: whom it chooses, and that keys stay where they are.

mod common;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use common::{in_system, soon};
use tokio::sync::oneshot;
use vaxel_actor::Message;
use vaxel_actor::prelude::*;
use vaxel_actor::router::{NoRoutee, Overflow, Router};

#[derive(Message, Debug, Clone, PartialEq, Eq)]
#[message(crate = vaxel_actor)]
struct Work(u32);

/// Counts its work; four messages may wait.
struct Clerk {
    done: u32,
}

#[actor(crate = vaxel_actor, mailbox = 4)]
impl Clerk {
    fn init() -> Self {
        Clerk { done: 0 }
    }

    #[info]
    fn work(&mut self, Work(n): Work) {
        self.done += n;
    }

    #[call]
    fn done(&mut self) -> u32 {
        self.done
    }

    #[call]
    fn pid(&mut self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }

    /// Says that it has begun, and waits to be let go.
    #[call]
    fn block(&mut self, begun: SyncSender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }

    /// As [`block`](Self::block), without holding up a worker.
    #[call]
    async fn wait(&mut self, begun: oneshot::Sender<()>, go: oneshot::Receiver<()>) {
        let _ = begun.send(());
        let _ = go.await;
    }
}

fn clerks(count: usize) -> Vec<ActorRef<Clerk>> {
    (0..count).map(|_| Clerk::spawn().into()).collect()
}

async fn done(clerk: &ActorRef<Clerk>) -> u32 {
    let clerk = ClerkRef::from(clerk.clone());
    soon("a clerk", clerk.done()).await.expect("it answers")
}

#[test]
fn round_robin_takes_one_after_another_and_leaves_out_who_has_ended() {
    in_system(|_| async {
        let clerks = clerks(3);
        let router = Router::round_robin(clerks.clone());
        for _ in 0..4 {
            for clerk in &clerks {
                assert_eq!(router.route().as_ref(), Ok(clerk));
            }
        }
        let exit = clerks[1].exit();
        clerks[1].kill();
        soon("its end", exit).await;
        let mut routed: HashMap<_, u32> = HashMap::new();
        for _ in 0..10 {
            *routed.entry(router.route().expect("two live")).or_default() += 1;
        }
        assert_eq!((routed.len(), routed.get(&clerks[1])), (2, None));
        assert_eq!(router.routees(), [clerks[0].clone(), clerks[2].clone()]);
        assert!(router.remove(&clerks[0]) && !router.remove(&clerks[0]));
        router.add(clerks[0].clone());
        assert_eq!(router.routees(), [clerks[2].clone(), clerks[0].clone()]);
        assert!(router.remove(&clerks[0]) && router.remove(&clerks[2]));
        assert_eq!(router.route(), Err(NoRoutee));
        assert_eq!(router.cast(Work(1)), Err(SendError::Closed(Work(1))));
    });
}

#[test]
fn least_busy_prefers_who_has_nothing_to_do() {
    in_system(|_| async {
        let clerks = clerks(3);
        for clerk in &clerks {
            done(clerk).await;
        }
        let router = Router::least_busy(clerks.clone());
        let mut gates = Vec::new();
        for clerk in [&clerks[0], &clerks[2]] {
            let ((begun, begins), (gate, go)) = (oneshot::channel(), oneshot::channel());
            let waiting = ClerkRef::from(clerk.clone()).wait(begun, go);
            soon("a clerk", begins).await.expect("it begins");
            assert_eq!(clerk.cast(Work(1)), Ok(()));
            gates.push((gate, waiting));
        }
        // One that has just answered may not have put its pen down; the others have mail as well.
        for _ in 0..9 {
            assert_eq!(router.route().as_ref(), Ok(&clerks[1]));
            done(&clerks[1]).await;
        }
        let mut waits = Vec::new();
        for (gate, wait) in gates {
            drop(gate);
            waits.push(wait);
        }
        for wait in waits {
            soon("a clerk", wait).await.expect("it answers");
        }
        let (begun, begins) = sync_channel(1);
        let (gate, go) = sync_channel(1);
        let blocked = ClerkRef::from(clerks[0].clone());
        let blocking = blocked.block(begun, go);
        begins.recv().expect("it begins");
        for n in [3, 2, 1] {
            // The more wait there, the less is sent there.
            assert_eq!(clerks[0].cast(Work(n)), Ok(()));
            assert_ne!(router.route().as_ref(), Ok(&clerks[0]));
        }
        gate.send(()).expect("it waits");
        soon("the clerk", blocking).await.expect("it answers");
        assert_eq!(done(&clerks[0]).await, 7);
    });
}

#[test]
fn a_full_routee_refuses_or_the_next_one_takes_it() {
    in_system(|_| async {
        let clerks = clerks(2);
        let (begun, begins) = sync_channel(1);
        let (gate, go) = sync_channel(1);
        let blocked = ClerkRef::from(clerks[0].clone());
        let blocking = blocked.block(begun, go);
        begins.recv().expect("it begins");
        for _ in 0..4 {
            assert_eq!(clerks[0].cast(Work(1)), Ok(()));
        }
        let strict = Router::round_robin(clerks.clone());
        assert_eq!(strict.cast(Work(10)), Err(SendError::Full(Work(10))));
        let lenient = Router::round_robin(clerks.clone()).overflow(Overflow::Next);
        assert_eq!(lenient.cast(Work(10)), Ok(()));
        assert_eq!(done(&clerks[1]).await, 10);
        let all = strict.broadcast(&Work(100));
        assert_eq!((all.sent, all.refused), (1, 1));
        assert_eq!(done(&clerks[1]).await, 110);
        gate.send(()).expect("it waits");
        soon("the clerk", blocking).await.expect("it answers");
        assert_eq!(done(&clerks[0]).await, 4);
    });
}

#[test]
fn keys_move_only_to_who_joins_and_from_who_leaves() {
    in_system(|_| async {
        let clerks = clerks(5);
        let router = Router::consistent_hash(clerks[..4].to_vec());
        let owners = || -> Vec<_> {
            let keys = 0..1_000;
            keys.map(|key| router.route_by(&key).expect("they live"))
                .collect()
        };
        let before = owners();
        assert_eq!(before, owners());
        router.add(clerks[4].clone());
        let joined = owners();
        let moved = before
            .iter()
            .zip(&joined)
            .filter(|(one, other)| one != other);
        assert!(moved.clone().all(|(_, owner)| *owner == clerks[4]));
        assert!((100..300).contains(&moved.count()), "about a fifth moves");
        let exit = clerks[4].exit();
        clerks[4].kill();
        soon("its end", exit).await;
        assert_eq!(owners(), before, "its keys go back to who had them");
        assert!(router.cast_by("a", Work(7)).is_ok());
        let owner = router.route_by("a").expect("they live");
        assert_eq!(done(&owner).await, 7);
    });
}

#[test]
fn supervised_workers_keep_their_keys_through_crashes_and_restarts_of_all() {
    in_system(|_| async {
        let router: Router<ClerkRef> = Router::consistent_hash([]);
        assert_eq!(router.route_by("a"), Err(NoRoutee));
        let workers = router.supervise(4, Clerk::child()).name("clerks");
        let tree = Supervisor::one_for_one().max_restarts(10).child(workers);
        let tree = soon("the start", tree.start()).await.expect("it starts");
        assert_eq!(router.routees().len(), 4);
        let clerk = router.route_by("a").expect("they live");
        let place = |clerk: &ClerkRef| router.routees().iter().position(|other| other == clerk);
        let placed = place(&clerk);
        let before = soon("its pid", clerk.pid()).await.expect("it answers");
        for _ in 0..3 {
            clerk.crash().expect("its mailbox has room");
            let after = soon("its pid", clerk.pid()).await.expect("it answers");
            assert_ne!(before, after);
            assert_eq!(router.route_by("a").as_ref(), Ok(&clerk));
        }
        // Thirteen crashes in five seconds are too many for twelve: all start anew.
        while clerk.is_alive() {
            let _ = clerk.crash();
            let _ = soon("its pid", clerk.pid()).await;
        }
        // The old ones go one after another; a new team has four, and not who gave up.
        let is_new = |team: &[ClerkRef]| team.len() == 4 && !team.contains(&clerk);
        let renewed = async {
            while !is_new(&router.routees()) {
                tokio::task::yield_now().await;
            }
        };
        soon("the new workers", renewed).await;
        let successor = router.route_by("a").expect("they live");
        assert_eq!((place(&successor), router.routees().len()), (placed, 4));
        assert!(!clerk.is_alive() && successor != clerk);
        soon("its answer", successor.done())
            .await
            .expect("it works");
        let exit = tree.exit();
        tree.shutdown();
        soon("the end", exit).await;
        assert_eq!(router.route(), Err(NoRoutee));
        assert!(router.routees().is_empty() && !successor.is_alive());
    });
}
