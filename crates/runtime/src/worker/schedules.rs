//! Whole workers under Shuttle: real cells, queues and parking on threads that it schedules.
//!
//! Loom proves the small protocols; this runs them together under some thousand random schedules.
//! Each test is shown to fail when a step is left out.

use super::Worker;
use crate::oneshot::OneShot;
use crate::sync::{fault, thread};
use crate::system::core::Core;
use crate::{Actor, ActorRef, Context, ExitReason, Handler, Message, System};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Schedules of each kind, unless the environment variable `VAXEL_SCHEDULES` says otherwise.
const SCHEDULES: usize = 300;
/// Preemptions that a schedule by priority places.
const PREEMPTIONS: usize = 3;

fn explore(planted: Option<&'static str>, test: fn()) {
    let schedules = std::env::var("VAXEL_SCHEDULES").ok();
    let schedules = schedules.and_then(|text| text.parse().ok());
    let schedules = schedules.unwrap_or(SCHEDULES);
    let mut config = Config::new();
    // A worker runs handlers on its stack.
    config.stack_size = 256 * 1024;
    config.max_steps = MaxSteps::FailAfter(200_000);
    if planted.is_some() {
        config.failure_persistence = FailurePersistence::None;
    }
    let all = move || {
        Runner::new(RandomScheduler::new(schedules), config.clone()).run(test);
        Runner::new(PctScheduler::new(PREEMPTIONS, schedules), config).run(test);
    };
    // In a thread of its own: a schedule that fails leaves its thread in the middle of a handler,
    // where panics are silent.
    let outcome = fault::with(planted, || std::thread::spawn(all).join());
    if let Err(payload) = outcome {
        let text = payload.downcast_ref::<String>().cloned();
        panic!("{}", text.unwrap_or_else(|| "a schedule failed".to_owned()));
    }
}

/// Holds as it is, and not with any of the faults.
fn holds_but_with(faults: &[&'static str], test: fn()) {
    explore(None, test);
    for fault in faults {
        let caught = std::panic::catch_unwind(|| explore(Some(fault), test));
        assert!(caught.is_err(), "unnoticed: {fault}");
    }
}

struct Pointer(NonNull<Core>);
// SAFETY: the core is Sync, and the threads are joined before it is freed.
unsafe impl Send for Pointer {}

/// A system whose workers are threads of Shuttle.
struct Plant {
    system: System,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Plant {
    fn new(workers: usize) -> Self {
        let core = System::builder().workers(workers).leak_core(true);
        let mut plant = Self {
            system: System::adopt(core),
            threads: Vec::new(),
        };
        (0..workers).for_each(|_| plant.hire());
        plant
    }

    fn hire(&mut self) {
        let core = self.system.core();
        let seat = core.take_seat().expect("there are free seats");
        let core = Pointer(NonNull::from(core));
        let life = move || {
            let core = core;
            Worker::run(core.0, seat);
        };
        self.threads.push(thread::spawn(life));
    }

    /// What the watchdog does with a worker that is stuck.
    fn replace(&mut self, seat: usize) {
        self.system.core().seats[seat].replaced.store(true, SeqCst);
        self.hire();
        self.system.core().notify();
    }

    fn end(self) {
        self.system.core().begin_close();
        for thread in self.threads {
            thread.join().expect("a worker ends");
        }
        self.system.core().close();
    }
}

type Done = Arc<OneShot<()>>;

fn done() -> Done {
    Done::default()
}

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
    let dones: Vec<Done> = (0..count).map(|_| done()).collect();
    let spawn = |done: &Done| system.spawn::<Tally>((1, done.clone()));
    (dones.iter().map(spawn).collect(), dones)
}

/// Others go on while a handler is stuck, with what it had told them.
fn others_go_on() {
    let mut plant = Plant::new(1);
    let (tallies, told) = tallies(&plant.system, 2);
    let stuck = plant.system.spawn::<Stuck>(());
    let (begun, go) = (done(), done());
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
    plant.end();
}

#[test]
fn others_go_on_while_a_handler_is_stuck() {
    holds_but_with(&["the slot of who is replaced is left alone"], others_go_on);
}
