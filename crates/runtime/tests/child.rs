//! What supervisors are built from: children that are prepared, restarted, emptied and given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use vaxel_runtime::{
    Actor, ActorRef, CallError, Child, ChildExit, Context, ExitReason, Handler, Join, Message,
    System,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Passes on the ends of its children.
struct Parent(SyncSender<ChildExit>);

impl Actor for Parent {
    type Args = SyncSender<ChildExit>;
    async fn init(told: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Parent(told))
    }
}

impl Handler<ChildExit> for Parent {
    async fn handle(&mut self, exit: ChildExit, _: &mut Context<Self>) {
        let _ = self.0.send(exit);
    }
}

struct Worker;

struct Crash;
struct Ping;
/// Spins until it is let go, and says when it has begun.
struct Spin(SyncSender<()>, Arc<AtomicBool>);

impl Message for Crash {
    type Reply = ();
}
impl Message for Ping {
    type Reply = &'static str;
}
impl Message for Spin {
    type Reply = ();
}

impl Actor for Worker {
    type Args = ();
    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Worker)
    }
}
impl Handler<Crash> for Worker {
    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("asked to crash");
    }
}
impl Handler<Ping> for Worker {
    async fn handle(&mut self, _: Ping, _: &mut Context<Self>) -> &'static str {
        "pong"
    }
}
impl Handler<Spin> for Worker {
    async fn handle(&mut self, Spin(begun, go): Spin, _: &mut Context<Self>) {
        let _ = begun.send(());
        while !go.load(SeqCst) {
            std::hint::spin_loop();
        }
    }
}

struct Family {
    system: System,
    _parent: ActorRef<Parent>,
    exits: Receiver<ChildExit>,
    child: Child,
    actor: ActorRef<Worker>,
}

/// A child that has been prepared and not started.
fn family() -> Family {
    let system = System::builder().workers(2).build();
    let (told, exits) = sync_channel(16);
    let parent = system.spawn::<Parent>(told);
    let (child, actor) = system.prepare_child::<Worker>(|| (), &parent.recipient(), 7);
    Family {
        system,
        _parent: parent,
        exits,
        child,
        actor,
    }
}

fn answer<T: Send + 'static>(system: &System, call: impl Future<Output = T> + Send + 'static) -> T {
    let (done, answer) = sync_channel(1);
    let _task: Join<()> = system.spawn_future(async move {
        let _ = done.send(call.await);
    });
    answer.recv_timeout(PATIENCE).expect("an answer")
}

#[test]
fn nothing_runs_before_the_start_and_the_pid_is_known() {
    let family = family();
    let pid = family.child.pid();
    let waiting = family.actor.call(Ping);
    assert_eq!(family.actor.mailbox_len(), 1);
    family.child.start();
    assert_eq!(answer(&family.system, waiting), Ok("pong"));
    assert_eq!(family.child.pid(), pid);
    family.child.kill();
    let exit = family.exits.recv_timeout(PATIENCE).expect("it ends");
    assert_eq!(
        (exit.tag, exit.pid, exit.reason),
        (7, pid, ExitReason::Killed)
    );
    family.system.shutdown();
}

#[test]
fn mail_of_a_vacant_child_fails_on_request_and_the_address_stays() {
    let family = family();
    family.child.start();
    family.actor.cast(Crash).expect("there is room");
    let first = family.actor.call(Ping);
    let exit = family.exits.recv_timeout(PATIENCE).expect("it crashes");
    family.child.fail_mail();
    let failed = answer(&family.system, first);
    assert_eq!(failed, Err(CallError::Crashed(exit.reason)));
    let second = family.actor.call(Ping);
    family.child.restart();
    assert_eq!(answer(&family.system, second), Ok("pong"));
    family.system.shutdown();
}

#[test]
fn the_end_of_an_incarnation_that_is_over_is_told_at_once() {
    let family = family();
    let pid = family.child.pid();
    family.child.start();
    let before = family.child.exit_of(pid);
    family.actor.cast(Crash).expect("there is room");
    let exit = family.exits.recv_timeout(PATIENCE).expect("it crashes");
    assert_eq!(before.wait(), exit.reason);
    assert_eq!(family.child.exit_of(pid).wait(), ExitReason::NoProcess);
    family.system.shutdown();
}

#[test]
fn a_child_that_never_returns_can_be_declared_dead() {
    let family = family();
    let system = &family.system;
    family.child.start();
    system
        .register("worker", &family.actor)
        .expect("it is free");
    let (go, (begun, beginning)) = (Arc::new(AtomicBool::new(false)), sync_channel(1));
    family
        .actor
        .cast(Spin(begun, go.clone()))
        .expect("there is room");
    beginning.recv_timeout(PATIENCE).expect("it spins");
    let (waiting, exit) = (family.actor.call(Ping), family.actor.exit());

    family.child.kill();
    family.child.abandon();
    let waiting = answer(system, waiting);
    assert_eq!(waiting, Err(CallError::Crashed(ExitReason::Killed)));
    assert_eq!(
        answer(system, family.actor.call(Ping)),
        Err(CallError::Closed)
    );
    assert!(!family.actor.is_alive());
    let successor = system.spawn::<Worker>(());
    system
        .register("worker", &successor)
        .expect("the name is free");

    go.store(true, SeqCst);
    // Asked while it spun, and failed as the rest of its mail.
    assert!(exit.wait().is_abnormal());
    drop(successor);
    system.unregister("worker");
    drop((family.actor, family._parent));
    while system.counters().actors_alive > 0 {
        std::thread::yield_now();
    }
    system.shutdown();
}
