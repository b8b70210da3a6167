//! The same seed gives the same run, and different seeds give different ones.

use std::collections::BTreeSet;
use std::time::Duration;

use vaxel_runtime::{
    Actor, ActorRef, Context, Down, ExitReason, Handler, Message, Recipient, time,
};
use vaxel_testkit::{Check, Run, Sim};

#[derive(Debug, PartialEq)]
struct Note(u32, u32);
impl Message for Note {
    type Reply = ();
}

struct Work(u32);
impl Message for Work {
    type Reply = u32;
}

struct Watch(ActorRef<Worker>);
impl Message for Watch {
    type Reply = ();
}

/// Does some of everything: spawns, awaits, sets timers, monitors, crashes.
struct Worker {
    id: u32,
    depth: u32,
    notes: Recipient<Note>,
    downs: u32,
}

impl Actor for Worker {
    type Args = (u32, u32, Recipient<Note>);

    async fn init(
        (id, depth, notes): Self::Args,
        cx: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        if depth > 0 {
            for n in 0..3 {
                let child = cx.spawn::<Worker>((id * 10 + n, depth - 1, notes.clone()));
                cx.monitor(&child);
                child.cast(Work(n)).expect("it has room");
            }
        }
        cx.send_after(Duration::from_millis(u64::from(id % 7)), Note(id, 0));
        Ok(Worker {
            id,
            depth,
            notes,
            downs: 0,
        })
    }
}

impl Handler<Work> for Worker {
    async fn handle(&mut self, Work(n): Work, cx: &mut Context<Self>) -> u32 {
        if n == 1 {
            // tidy: allow(sleep-in-test): virtual time, the handler under test is suspended by it
            time::sleep(Duration::from_millis(3)).await;
        }
        let me = cx.me();
        for round in 1..3 {
            let _ = self.notes.cast(Note(self.id, round));
        }
        assert!(n != 2, "as asked");
        drop(me);
        self.id + n
    }
}

impl Handler<Note> for Worker {
    async fn handle(&mut self, _: Note, _: &mut Context<Self>) {
        let _ = self.notes.cast(Note(self.id, 100 + self.depth));
    }
}

impl Handler<Watch> for Worker {
    async fn handle(&mut self, Watch(other): Watch, cx: &mut Context<Self>) {
        cx.monitor(&other);
    }
}

impl Handler<Down> for Worker {
    async fn handle(&mut self, _: Down, _: &mut Context<Self>) {
        self.downs += 1;
        let _ = self.notes.cast(Note(self.id, 1000 + self.downs));
    }
}

async fn storm(sim: Sim) {
    let notes = sim.probe::<Note>();
    let _killing = sim.kill_at_random::<Worker>(50);
    let roots: Vec<_> = (1..4)
        .map(|id| sim.spawn::<Worker>((id, 2, notes.recipient())))
        .collect();
    let _ = roots[0].cast(Watch(roots[1].clone()));
    for (n, root) in roots.iter().enumerate() {
        let _ = root.call(Work(n as u32)).await;
    }
    sim.advance(Duration::from_millis(sim.random(20))).await;
    sim.settle().await;
    sim.note(format_args!("{:?}", notes.take()));
}

fn runs(seeds: std::ops::Range<u64>) -> Vec<Run> {
    let check = Check::new().trace_lines(100_000);
    seeds.map(|seed| check.run_seed(seed, storm)).collect()
}

#[test]
fn the_same_seed_takes_the_same_steps() {
    for (one, two) in runs(0..50).iter().zip(&runs(0..50)) {
        assert_eq!(one.failure, None);
        assert_eq!(one.outside_wakes, 0);
        for (one, two) in one.trace.iter().zip(&two.trace) {
            assert_eq!(one, two);
        }
        assert_eq!(one.trace.len(), two.trace.len());
        assert_eq!(one.fingerprint, two.fingerprint);
        assert!(one.steps > 100, "{one:?}");
    }
}

#[test]
fn the_same_seed_takes_the_same_steps_with_delays() {
    let check = Check::new().delays(Duration::from_micros(200));
    for seed in 0..20 {
        let one = check.run_seed(seed, storm);
        assert_eq!(one.fingerprint, check.run_seed(seed, storm).fingerprint);
    }
}

#[test]
fn different_seeds_take_different_steps() {
    let runs = runs(0..50);
    let different: BTreeSet<u64> = runs.iter().map(|run| run.fingerprint).collect();
    assert_eq!(different.len(), runs.len());
}
