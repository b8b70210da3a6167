//! Whole systems under Shuttle: what the tests of this crate and of those above it share.
//!
//! There only with `--cfg shuttle`. The workers are threads of Shuttle's, so real cells, queues,
//! parking and supervision run under schedules that it chooses: some hundred random ones and some
//! hundred with few preemptions. Time stands still, and there is no watchdog.

use crate::System;
use crate::oneshot::OneShot;
use crate::sync::fault;
use crate::system::core::Core;
use crate::worker::Worker;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
pub use shuttle::thread;
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::ptr::NonNull;
use std::sync::Arc;

/// Schedules of each kind, unless the environment variable `VAXEL_SCHEDULES` says otherwise.
const SCHEDULES: usize = 300;
/// Preemptions that a schedule by priority places.
const PREEMPTIONS: usize = 3;
/// A fault is looked for in so many times as many schedules, at most.
const FOR_A_FAULT: usize = 30;

fn explore_with(planted: Option<&'static str>, test: fn()) {
    let schedules = std::env::var("VAXEL_SCHEDULES").ok();
    let schedules = schedules.and_then(|text| text.parse().ok());
    let mut schedules = schedules.unwrap_or(SCHEDULES);
    let mut config = Config::new();
    // A worker runs handlers on its stack.
    config.stack_size = 256 * 1024;
    config.max_steps = MaxSteps::FailAfter(200_000);
    if planted.is_some() {
        schedules *= FOR_A_FAULT;
        config.failure_persistence = FailurePersistence::None;
    }
    let all = move || {
        Runner::new(PctScheduler::new(PREEMPTIONS, schedules), config.clone()).run(test);
        Runner::new(RandomScheduler::new(schedules), config).run(test);
    };
    // In a thread of its own: a schedule that fails leaves its thread in the middle of a handler,
    // where panics are silent.
    let outcome = fault::with(planted, || std::thread::spawn(all).join());
    if let Err(payload) = outcome {
        let text = payload.downcast_ref::<String>().cloned();
        panic!("{}", text.unwrap_or_else(|| "a schedule failed".to_owned()));
    }
}

/// Holds as it is, and not with any of the planted faults.
///
/// # Panics
/// If it does not hold, or a fault goes unnoticed.
pub fn holds_but_with(faults: &[&'static str], test: fn()) {
    explore_with(None, test);
    for fault in faults {
        let caught = std::panic::catch_unwind(|| explore_with(Some(fault), test));
        assert!(caught.is_err(), "unnoticed: {fault}");
    }
}

struct Pointer(NonNull<Core>);
// SAFETY: the core is Sync, and the threads are joined before it is freed.
unsafe impl Send for Pointer {}

/// Whether this fault is planted in the run at hand; for the code under test.
pub fn planted(fault: &'static str) -> bool {
    fault::planted(fault)
}

/// A system whose workers are threads of Shuttle.
#[derive(Debug)]
pub struct Plant {
    system: System,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Plant {
    /// Begins a system, which is the same one each time.
    pub fn new(workers: usize) -> Self {
        // What the workers choose must follow from the schedule.
        let core = System::builder().workers(workers).seed(1).leak_core(true);
        let mut plant = Self {
            system: System::adopt(core),
            threads: Vec::new(),
        };
        (0..workers).for_each(|_| plant.hire());
        plant
    }

    /// The system.
    pub fn system(&self) -> &System {
        &self.system
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
    #[cfg(test)]
    pub(crate) fn replace(&mut self, seat: usize) {
        self.system.core().seats[seat].slot.replace();
        self.hire();
        self.system.core().notify();
    }

    /// Ends the workers, and what is left then.
    pub fn end(self) {
        self.system.core().begin_close();
        for thread in self.threads {
            thread.join().expect("a worker ends");
        }
        self.system.core().close();
    }
}

/// A value that comes once, and that threads wait for.
pub struct Slot<T>(Arc<OneShot<T>>);

impl<T: Clone> Slot<T> {
    /// Here it is; the first one counts.
    pub fn set(&self, value: T) {
        self.0.set(value);
    }

    /// Blocks the thread until it is there.
    pub fn wait(&self) -> T {
        self.0.wait()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> std::fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// Something that happens once.
pub type Done = Slot<()>;
