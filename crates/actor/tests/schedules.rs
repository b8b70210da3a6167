//! A supervisor under Shuttle: its children crash and are killed from several sides at once.
//!
//! Only with `--cfg shuttle`; each test is shown to fail when a step is left out.

#![cfg(shuttle)]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use vaxel_actor::prelude::*;
use vaxel_actor::supervisor::SupervisorBuilder;
use vaxel_runtime::explore::{Done, Plant, Slot, holds_but_with, thread};
use vaxel_runtime::{
    Actor, ActorRef, AnyRef, Context, Down, ExitReason, Handler, Message, MonitorRef,
};

/// A child, as the test knows it.
#[derive(Clone, Default)]
struct Life {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    born: Slot<ActorRef<Frail>>,
}

impl Life {
    /// How many incarnations have begun, and how many of them are over.
    fn counts(&self) -> (usize, usize) {
        (self.begun.load(SeqCst), self.ended.load(SeqCst))
    }
}

/// Crashes when it is told to.
struct Frail(Arc<AtomicUsize>);

impl Actor for Frail {
    type Args = Life;

    async fn init(life: Life, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        life.begun.fetch_add(1, SeqCst);
        life.born.set(cx.me());
        Ok(Frail(life.ended))
    }
}

impl Drop for Frail {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Crash;

impl Message for Crash {
    type Reply = ();
}

impl Handler<Crash> for Frail {
    async fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("as it was told");
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

#[derive(Clone, Default)]
struct Notes {
    downs: Arc<Mutex<Vec<MonitorRef>>>,
    watches: Done,
    all_down: Done,
}

impl Notes {
    fn assert_each_once(&self) {
        let mut downs = self.downs.lock().unwrap().clone();
        let count = downs.len();
        downs.sort_unstable();
        downs.dedup();
        assert_eq!(downs.len(), count, "a monitor has fired twice");
    }
}

/// Monitors others and notes what it is told.
struct Watch {
    missing: usize,
    notes: Notes,
}

impl Actor for Watch {
    type Args = (Vec<AnyRef>, Notes);

    async fn init((all, notes): Self::Args, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        for one in &all {
            cx.monitor(one);
        }
        notes.watches.set(());
        Ok(Watch {
            missing: all.len(),
            notes,
        })
    }
}

impl Handler<Down> for Watch {
    async fn handle(&mut self, down: Down, _: &mut Context<Self>) {
        self.notes.downs.lock().unwrap().push(down.monitor);
        self.missing = self.missing.saturating_sub(1);
        if self.missing == 0 {
            self.notes.all_down.set(());
        }
    }
}

impl Handler<Answer> for Watch {
    async fn handle(&mut self, Answer(done): Answer, _: &mut Context<Self>) {
        done.set(());
    }
}

/// Watches them from now on.
fn watch(plant: &Plant, all: Vec<AnyRef>) -> (ActorRef<Watch>, Notes) {
    let notes = Notes::default();
    let watch = plant.system().spawn::<Watch>((all, notes.clone()));
    notes.watches.wait();
    (watch, notes)
}

fn answer<A: Handler<Answer>>(actor: &ActorRef<A>) {
    let done = Done::default();
    assert!(actor.cast(Answer(done.clone())).is_ok(), "it is gone");
    done.wait();
}

fn crash(actor: &ActorRef<Frail>) {
    // Refused when its supervisor has given up.
    let _ = actor.cast(Crash);
}

/// A supervisor and its two children, which live.
fn family(plant: &Plant, of: SupervisorBuilder) -> (SupervisorRef, [Life; 2]) {
    let lives = [Life::default(), Life::default()];
    let of = lives.iter().fold(of, |of, life| {
        of.child(ChildSpec::<Frail>::new(life.clone()))
    });
    let (start, tree) = (of.start_in(plant.system()), Slot::default());
    let begun = tree.clone();
    let starting = plant.system().spawn_future(async move {
        let tree = start.await;
        begun.set(tree.expect("nothing is in its way"));
    });
    let tree = tree.wait();
    drop(starting);
    (tree, lives)
}

/// Each end brings one restart, mail that finds nobody is handled by the next incarnation, and who
/// watches the first one is told once.
fn no_restart_is_lost() {
    let plant = Plant::new(2);
    let (tree, lives) = family(&plant, Supervisor::one_for_one().max_restarts(100));
    let [one, two] = lives.each_ref().map(|life| life.born.wait());
    let (watch, notes) = watch(&plant, vec![one.erase(), two.erase()]);
    let (first, second) = (one.clone(), two.clone());
    let crashing = thread::spawn(move || {
        crash(&first);
        crash(&second);
    });
    let first = one.clone();
    let killing = thread::spawn(move || first.kill());
    crash(&two);
    crashing.join().unwrap();
    killing.join().unwrap();
    notes.all_down.wait();
    for (actor, life) in [(&one, &lives[0]), (&two, &lives[1])] {
        answer(actor);
        let (begun, ended) = life.counts();
        assert_eq!(begun, ended + 1, "each end brings one restart");
        assert!(ended > 0);
    }
    answer(&watch);
    notes.assert_each_once();
    drop((one, two, watch, tree, lives));
    plant.end();
}

/// One restart is allowed, and there is no other, however the ends come.
fn the_intensity_is_respected() {
    let plant = Plant::new(2);
    let (tree, lives) = family(&plant, Supervisor::one_for_one().max_restarts(1));
    let [one, two] = lives.each_ref().map(|life| life.born.wait());
    let (watch, notes) = watch(&plant, vec![tree.erase()]);
    let first = one.clone();
    let crashing = thread::spawn(move || {
        crash(&first);
        crash(&first);
    });
    crash(&two);
    crashing.join().unwrap();
    notes.all_down.wait();
    let counts = lives.each_ref().map(Life::counts);
    let begun: usize = counts.iter().map(|(begun, _)| begun).sum();
    assert_eq!(begun, 3, "two starts and one restart");
    assert!(counts.iter().all(|(begun, ended)| begun == ended));
    drop((one, two, watch, tree, lives));
    plant.end();
}

#[test]
fn schedules_lose_no_restart() {
    let faults = [
        "an incarnation is looked at when it has begun",
        "an end is told twice",
    ];
    holds_but_with(&faults, no_restart_is_lost);
}

#[test]
fn schedules_do_not_exceed_the_intensity() {
    holds_but_with(&["restarts are not counted"], the_intensity_is_respected);
}
