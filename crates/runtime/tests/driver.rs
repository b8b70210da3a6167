//! What can be said about a system when its turns are counted.

use vaxel_runtime::{
    Actor, ActorRef, Child, ChildExit, Context, Did, Driver, ExitReason, Handler, Message, System,
};

/// Never decides about its children.
struct Parent;

impl Actor for Parent {
    type Args = ();
    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Parent)
    }
}

impl Handler<ChildExit> for Parent {
    async fn handle(&mut self, _: ChildExit, _: &mut Context<Self>) {}
}

struct Worker;
struct Ping;
impl Message for Ping {
    type Reply = ();
}

impl Actor for Worker {
    type Args = ();
    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Worker)
    }
}

impl Handler<Ping> for Worker {
    async fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

/// Turns until nothing can run.
fn turns(driver: &mut Driver) -> Vec<Did> {
    let mut turns = Vec::new();
    while driver.runnable() > 0 {
        turns.push(driver.run(0, false).did);
        assert!(turns.len() < 1_000, "it never comes to rest: {turns:?}");
    }
    turns
}

fn family(driver: &Driver) -> (ActorRef<Parent>, Child, ActorRef<Worker>) {
    let system = driver.system();
    let parent = system.spawn::<Parent>(());
    let (child, actor) = system.spawn_child::<Worker>(|| (), &parent.recipient(), 1);
    (parent, child, actor)
}

#[test]
fn a_turn_is_one_message() {
    let mut driver = System::builder().drive();
    let worker = driver.system().spawn::<Worker>(());
    for _ in 0..3 {
        worker.cast(Ping).unwrap();
    }
    let done = turns(&mut driver);
    assert_eq!(done.len(), 4, "an init and three messages: {done:?}");
}

#[test]
fn a_child_that_waits_for_its_supervisor_does_not_run() {
    let mut driver = System::builder().drive();
    let (parent, child, actor) = family(&driver);
    turns(&mut driver);
    actor.kill();
    let done = turns(&mut driver);
    assert!(done.len() <= 4, "it ran {} times while vacant", done.len());
    // Neither do mail and another kill keep it busy.
    actor.cast(Ping).unwrap();
    child.kill();
    let done = turns(&mut driver);
    assert!(done.len() <= 2, "it ran {} times while vacant", done.len());
    child.restart();
    turns(&mut driver);
    assert!(actor.is_alive());
    assert_eq!(
        actor.mailbox_len(),
        0,
        "the mail was handled by the new incarnation"
    );
    drop(parent);
}

#[test]
fn the_same_choices_give_the_same_pids() {
    let pids = || {
        let mut driver = System::builder().drive();
        let workers: Vec<_> = (0..100)
            .map(|_| driver.system().spawn::<Worker>(()))
            .collect();
        turns(&mut driver);
        workers.iter().map(ActorRef::pid).collect::<Vec<_>>()
    };
    assert_eq!(pids(), pids());
}

#[test]
fn a_driver_that_is_dropped_ends_what_lives() {
    let mut driver = System::builder().drive();
    let system = driver.system().clone();
    let (parent, child, actor) = family(&driver);
    turns(&mut driver);
    actor.cast(Ping).unwrap();
    drop((parent, child));
    drop(driver);
    assert!(!actor.is_alive());
    assert!(actor.cast(Ping).is_err());
    drop(system);
}
