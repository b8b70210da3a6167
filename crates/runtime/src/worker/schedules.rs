//! Whole workers under Shuttle: real cells, queues and parking on threads that it schedules.
//!
//! Loom proves the small protocols; this runs them together under some thousand random schedules.
//! Each test is shown to fail when a step is left out.

use crate::explore::{Done, Plant, Slot, holds_but_with};
use crate::sync::thread;
use crate::{Actor, ActorRef, Child, ChildExit, Context, ExitReason, Handler, Message, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Says when it has been told as often as expected.
struct Tally {
    left: usize,
    done: Done,
}

struct Tell;
impl Message for Tell {
    type Reply = ();
}

impl Actor for Tally {
    type Args = (usize, Done);
    async fn init((left, done): Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Tally { left, done })
    }
}

impl Handler<Tell> for Tally {
    async fn handle(&mut self, _: Tell, _: &mut Context<Self>) {
        assert!(self.left > 0, "told too often");
        self.left -= 1;
        if self.left == 0 {
            self.done.set(());
        }
    }
}

/// Tells others, then blocks its worker until it is let go.
struct Stuck;
struct Hold {
    before: Vec<ActorRef<Tally>>,
    begun: Done,
    go: Done,
}
impl Message for Hold {
    type Reply = ();
}

impl Actor for Stuck {
    type Args = ();
    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Stuck)
    }
}

impl Handler<Hold> for Stuck {
    async fn handle(&mut self, hold: Hold, _: &mut Context<Self>) {
        for other in hold.before {
            other.cast(Tell).unwrap();
        }
        hold.begun.set(());
        hold.go.wait();
    }
}

fn tallies(system: &System, count: usize) -> (Vec<ActorRef<Tally>>, Vec<Done>) {
    let dones: Vec<Done> = (0..count).map(|_| Done::default()).collect();
    let spawn = |done: &Done| system.spawn::<Tally>((1, done.clone()));
    (dones.iter().map(spawn).collect(), dones)
}

/// Others go on while a handler is stuck, with what it had told them.
fn others_go_on() {
    let mut plant = Plant::new(1);
    let (tallies, told) = tallies(plant.system(), 2);
    let stuck = plant.system().spawn::<Stuck>(());
    let (begun, go) = (Done::default(), Done::default());
    let hold = Hold {
        before: tallies,
        begun: begun.clone(),
        go: go.clone(),
    };
    stuck.cast(hold).unwrap();
    begun.wait();
    plant.replace(0);
    told.iter().for_each(|told| told.wait());
    go.set(());
    drop(stuck);
    plant.end();
}

/// Nothing is lost when a worker is replaced whose handler returns just then.
fn nothing_is_lost() {
    let mut plant = Plant::new(1);
    let (tallies, told) = tallies(plant.system(), 3);
    let stuck = plant.system().spawn::<Stuck>(());
    let (begun, go) = (Done::default(), Done::default());
    go.set(());
    let hold = Hold {
        before: tallies,
        begun: begun.clone(),
        go,
    };
    stuck.cast(hold).unwrap();
    begun.wait();
    plant.replace(0);
    told.iter().for_each(|told| told.wait());
    drop(stuck);
    plant.end();
}

/// Who sends and goes, and was the last who knew the actor, has been heard.
fn the_last_word_is_heard() {
    let plant = Plant::new(2);
    let (tallies, told) = tallies(plant.system(), 1);
    for tally in tallies {
        tally.cast(Tell).unwrap();
    }
    told[0].wait();
    plant.end();
}

/// No worker sleeps while another one, which is busy, has more than it can do.
fn nobody_sleeps_beside_work() {
    let plant = Plant::new(2);
    let batch = plant.system().batch();
    let busy = plant.system().spawn::<Stuck>(());
    let (tallies, told) = tallies(plant.system(), 2);
    let hold = Hold {
        before: Vec::new(),
        begun: Done::default(),
        go: told[0].clone(),
    };
    busy.cast(hold).unwrap();
    tallies.iter().for_each(|tally| tally.cast(Tell).unwrap());
    drop(batch);
    told.iter().for_each(|told| told.wait());
    drop((busy, tallies));
    plant.end();
}

#[test]
fn what_a_busy_worker_has_adopted_is_run_by_others() {
    holds_but_with(
        &["nobody hears of what is adopted"],
        nobody_sleeps_beside_work,
    );
}

#[test]
fn others_go_on_while_a_handler_is_stuck() {
    holds_but_with(&["the slot of who is replaced is left alone"], others_go_on);
}

#[test]
fn a_replaced_worker_hands_over_everything() {
    holds_but_with(&["nothing is handed over"], nothing_is_lost);
}

#[test]
fn a_message_by_the_last_who_knows_an_actor_is_handled() {
    holds_but_with(&["the last mail is overlooked"], the_last_word_is_heard);
}

/// Starts its child again whenever it ends, and counts.
struct Parent {
    child: Child,
    ends: Arc<AtomicUsize>,
    ended: Done,
}

struct Frail(#[expect(dead_code, reason = "it is kept, not read")] Arc<AtomicUsize>);

impl Actor for Frail {
    type Args = Arc<AtomicUsize>;
    async fn init(lives: Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        lives.fetch_add(1, SeqCst);
        Ok(Frail(lives))
    }
}

struct Answer(Done);
impl Message for Answer {
    type Reply = ();
}

impl Handler<Answer> for Frail {
    async fn handle(&mut self, Answer(done): Answer, _: &mut Context<Self>) {
        done.set(());
    }
}

/// What a parent is made of: lives of its child, ends of them, the first end, the child itself.
type Family = (
    Arc<AtomicUsize>,
    Arc<AtomicUsize>,
    Done,
    Slot<ActorRef<Frail>>,
);

impl Actor for Parent {
    type Args = Family;
    async fn init(
        (lives, ends, ended, born): Family,
        cx: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        let to = cx.me().recipient();
        let (child, actor) = cx
            .system()
            .spawn_child::<Frail>(move || lives.clone(), &to, 1);
        born.set(actor);
        Ok(Parent { child, ends, ended })
    }
}

impl Handler<ChildExit> for Parent {
    async fn handle(&mut self, _: ChildExit, _: &mut Context<Self>) {
        self.ends.fetch_add(1, SeqCst);
        self.ended.set(());
        self.child.restart();
    }
}

fn answer(child: &ActorRef<Frail>) -> Done {
    let answered = Done::default();
    child.cast(Answer(answered.clone())).unwrap();
    answered
}

/// Two kill one child: a kill ends an incarnation, each end brings one restart, and mail that finds
/// nobody is handled by the next.
fn a_child_is_killed_from_two_sides() {
    let plant = Plant::new(2);
    let (lives, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (ended, born) = (Done::default(), Slot::default());
    let family = (lives.clone(), ends.clone(), ended.clone(), born.clone());
    let parent = plant.system().spawn::<Parent>(family);
    let child: ActorRef<Frail> = born.wait();
    // A kill of a child that has not begun, or that waits for its parent, ends nothing.
    answer(&child).wait();
    let kill = |child: ActorRef<Frail>| move || child.kill();
    let killers = [(); 2].map(|()| thread::spawn(kill(child.clone())));
    ended.wait();
    let answered = answer(&child);
    for killer in killers {
        killer.join().unwrap();
    }
    answered.wait();
    answer(&child).wait();
    let (lives, ends) = (lives.load(SeqCst), ends.load(SeqCst));
    assert_eq!(lives, ends + 1, "each end brings one restart");
    // A reference that outlives its system keeps the system's memory.
    drop((child, parent, born));
    plant.end();
}

#[test]
fn a_supervised_child_comes_back_after_concurrent_kills() {
    let faults = ["release ignores a signal", "nobody looks for sleepers"];
    holds_but_with(&faults, a_child_is_killed_from_two_sides);
}
