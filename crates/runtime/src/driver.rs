//! A system without threads, for tests that decide what happens when.
//!
//! Cells, mailboxes, signals, timers and supervision are the same code as everywhere. Only the loop
//! that picks the next cell is another one, so ordinary systems pay nothing for it.

use crate::cell::Header;
use crate::cell::turn::{self, Turn};
use crate::clock::Time;
use crate::system::core::Core;
use crate::system::{DEPTH_MAX, System, SystemBuilder};
use crate::worker::Worker;
use crate::{AnyRef, ExitReason, Pid};
use std::ptr::NonNull;
use std::sync::PoisonError;

/// Turns given to what still runs when a driver is dropped.
const LAST_TURNS_MAX: usize = 100_000;

/// Holds a system without threads, and runs it by hand.
///
/// It has the one worker of its system and runs nothing by itself: whoever holds it picks the next
/// cell among those that may run, gives it one turn on the calling thread, and moves the time when
/// nothing may run. The same choices give the same run, pids included. The crate `vaxel-testkit`
/// makes the choices by a seed and is what tests should use.
///
/// A turn is one message or the rest of one handler. Time stands still unless it is moved. There is
/// no watchdog: a handler that does not return hangs its test.
///
/// ```
/// use std::future::Future;
/// use std::task::{Context, Poll, Waker};
/// use vaxel_runtime::System;
///
/// let mut driver = System::builder().seed(7).drive();
/// let mut answer = Box::pin(driver.system().spawn_future(async { 6 * 7 }));
/// while driver.runnable() > 0 {
///     driver.run(0, false);
/// }
/// let poll = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// assert_eq!(poll, Poll::Ready(Ok(42)));
/// ```
///
/// Dropping it ends the system: what may run gets some last turns, and the rest ends without
/// `terminate`, as after [`System::shutdown`].
pub struct Driver {
    worker: Box<Worker>,
    system: System,
    /// Cells that may run and that we own, in the order in which they became so.
    ready: Vec<Ready>,
    drained: Vec<NonNull<Header>>,
    outside_wakes: u64,
}

struct Ready {
    cell: NonNull<Header>,
    pid: Pid,
}

/// What one turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The Rust path of the actor's type.
    pub actor: &'static str,
    /// The incarnation that was there when the turn began.
    pub pid: Pid,
    /// What ran.
    pub did: Did,
    /// The cell may run on; it is the last of those that may.
    pub again: bool,
}

/// What ran in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Did {
    /// A message was handled, or its handler begun; the Rust path of its type.
    Message(&'static str),
    /// A handler that had awaited went on.
    Resume,
    /// An `init` was begun by a supervisor.
    Start,
    /// No code of the actor but `terminate`: a signal or an end.
    Nothing,
}

impl SystemBuilder {
    /// Builds a system without threads, whose time moves when told.
    pub fn drive(self) -> Driver {
        let core = self.leak_core(true);
        // SAFETY: just leaked; the handle counted in it is the one made here.
        let (seat, system) = unsafe { (core.as_ref().take_seat(), System::adopt(core)) };
        let seat = seat.unwrap_or_else(|| unreachable!("a fresh system has free seats"));
        Driver {
            system,
            worker: Box::new(Worker::without_thread(core, seat)),
            ready: Vec::new(),
            drained: Vec::new(),
            outside_wakes: 0,
        }
    }
}

impl Driver {
    /// The system.
    pub fn system(&self) -> &System {
        &self.system
    }

    fn core(&self) -> &Core {
        self.system.core()
    }

    /// Takes the actors that were [kept](System::keep), in the order in which they were: who ends
    /// the system stops them in reverse.
    pub fn take_roots(&mut self) -> Vec<AnyRef> {
        let roots = &self.core().roots;
        std::mem::take(&mut *roots.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs code as a worker of this system would: it is [`System::current`], and what the code
    /// sends waits until it is run.
    ///
    /// # Errors
    /// If the code panics: the reason, with message and place.
    pub fn enter<R>(&mut self, code: impl FnOnce() -> R) -> Result<R, ExitReason> {
        self.worker.enter(|| crate::panic::catch(code))
    }

    /// How many cells may run.
    pub fn runnable(&mut self) -> usize {
        let from_outside = self.worker.drain(&mut self.drained);
        self.outside_wakes += u64::from(from_outside);
        for cell in self.drained.drain(..) {
            let pid = self.system.core().pids.ensure(cell);
            self.ready.push(Ready { cell, pid });
        }
        self.ready.len()
    }

    /// The pid of the cell at `index` among those that may run, which are in the order in which
    /// they became so.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn pid(&self, index: usize) -> Pid {
        self.ready[index].pid
    }

    /// Gives one turn to the cell at `index` of those that may run. With `queue_spawns` an actor
    /// that is spawned in the turn begins in a turn of its own, as it does when spawned from
    /// outside; else its `init` runs up to its first await at once.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn run(&mut self, index: usize, queue_spawns: bool) -> Step {
        let Ready { cell, pid } = self.ready.remove(index);
        let worker = &*self.worker;
        // SAFETY: a cell from a queue is owned by who took it, and a core outlives its tables.
        let (actor, resumes) = unsafe {
            let side = cell.as_ref().side();
            let resumes = side.is_some_and(|side| !side.future.is_null());
            (cell.as_ref().table().name, resumes)
        };
        let ticks = worker.ticks();
        worker.depth.set(if queue_spawns { DEPTH_MAX } else { 0 });
        let turn = worker.enter(|| {
            // SAFETY: the owner gives the turn, and keeps the cell only if told `Requeue`.
            unsafe { turn::run(cell, worker, 1) }
        });
        let did = match worker.last_message() {
            _ if worker.ticks() == ticks => Did::Nothing,
            _ if resumes => Did::Resume,
            Some(operations) => Did::Message((operations.name)()),
            None => Did::Start,
        };
        let again = turn == Turn::Requeue;
        if again {
            // What was scheduled in the turn became ready before the cell did again.
            self.runnable();
            let pid = self.core().pids.ensure(cell);
            self.ready.push(Ready { cell, pid });
        }
        Step {
            actor,
            pid,
            did,
            again,
        }
    }

    /// A moment at which a timer may be due: not later than the first deadline. One that is there
    /// already, or has passed, needs no time to pass: [`advance_to`](Self::advance_to) it runs the
    /// timer. `None` when no timer is set, or none for a moment that the clock can reach.
    pub fn next_timer(&self) -> Option<Time> {
        let millis = self.core().timers.next()?;
        Time::at_millis(millis)
    }

    /// Moves the time forward to `time`, unless that has passed, and runs the timers that are due.
    /// True when any was.
    pub fn advance_to(&mut self, time: Time) -> bool {
        let core = self.system.core();
        let by = time.since(core.clock.now());
        let before = core.timers.fired();
        self.worker.enter(|| {
            core.timers.advance(core, by);
            core.flush();
        });
        self.core().timers.fired() > before
    }

    /// Whether that incarnation lives and is suspended in an await. Not for cells that may run.
    pub fn is_suspended(&self, pid: Pid) -> bool {
        let Some(counted) = self.core().pids.find(pid) else {
            return false;
        };
        let is_ready = self.ready.iter().any(|ready| ready.cell == counted.cell());
        // SAFETY: S2: cells run on this thread only, and nobody runs one meanwhile.
        !is_ready
            && counted
                .header()
                .side()
                .is_some_and(|side| !side.future.is_null())
    }

    /// How often another thread has made cells runnable. A run in which that happens depends on
    /// more than the choices made here.
    pub fn outside_wakes(&self) -> u64 {
        self.outside_wakes
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut turns = 0;
        while self.runnable() > 0 && turns < LAST_TURNS_MAX {
            self.run(0, true);
            turns += 1;
        }
        self.runnable();
        let left: Vec<*mut Header> = self.ready.drain(..).map(|r| r.cell.as_ptr()).collect();
        self.core().injector.push_many(&left);
        self.core().close();
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("system", &self.system)
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}
