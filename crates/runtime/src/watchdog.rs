//! The watchdog: what native code can have of preemption.
//!
//! A thread looks at every worker once a millisecond. A worker whose counter is odd (a message is
//! being handled) and has not changed for six looks, and whose own CPU clock has moved on by two
//! milliseconds meanwhile (so that a thread that is merely not scheduled is not blamed) is *stuck*.
//! Then:
//! 1. its seat is marked as replaced: others take over its queue, and what it schedules goes to the
//!    injector;
//! 2. a spare worker is started, up to [`SEATS_MAX`] seats in all;
//! 3. the stuck thread's priority is lowered, so that it does not compete on equal terms;
//! 4. the flushers run, because replies that the stuck worker has published may wait for a wake-up;
//! 5. an event names the actor and the message.
//!
//! Long before that, a turn that lasts from one look to the next is asked to *hurry*: it ends after
//! the message being handled, so that a backlog of slow messages does not hold its worker for a
//! whole turn of 64.
//!
//! When the handler returns its thread hands over and ends: an unprivileged thread cannot raise its
//! priority again. While all workers sleep the watchdog does too, after 60 ms of calm.

use crate::Event;
use crate::call::pending::SWEEP;
use crate::clock::Clock;
use crate::system::core::Core;
use crate::types::TypeTable;
use crate::worker::{SEATS_MAX, Seat};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(1);
/// Looks at one message, after the first, until it is called stuck. Replacing a worker costs a
/// thread, so a handler of a few milliseconds is left alone: one that casts to 100,000 others takes
/// 4 to 5 ms, and with a threshold of 1 ms it was replaced in nearly every round, at six times the
/// cost of the whole fan-out (`vaxel bench actors --case fan-out`).
const STUCK_LOOKS: u32 = 6;
/// CPU time it must have used between the second of these looks and the last. Less than the time
/// that has passed: the kernel often leaves two workers on one core while the other is idle, and
/// with 5 ms of CPU time each pair of eight spinning handlers took up to 16 ms to be found
/// (`vaxel bench actors --case spinners-8`).
const STUCK_CPU_NANOS: u64 = 2_000_000;
/// Calm ticks after which the watchdog slows down, and after which it sleeps: 60 ms of calm in all,
/// so that waking it costs at most 16 wake-ups a second and an idle system costs nothing.
const SLOW_AFTER: u32 = 10;
const SLOW_TICK: Duration = SWEEP;
const SLEEP_AFTER: u32 = 20;
/// Calls that wait are looked at as often as the watchdog ticks when it is slow.
const TICKS_PER_SWEEP: u32 = (SWEEP.as_millis() / TICK.as_millis()) as u32;

pub(crate) struct Watchdog {
    asleep: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
    pub(crate) stuck: AtomicU64,
}

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self {
            asleep: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            stuck: AtomicU64::new(0),
        }
    }

    /// A worker runs again.
    #[inline]
    pub(crate) fn worker_awake(&self, clock: &Clock) {
        fence(SeqCst);
        if self.asleep.load(Relaxed) {
            // Nobody has looked for long, and handlers that await take note of the time.
            clock.look();
            self.wake_thread();
        }
    }

    #[cold]
    pub(crate) fn wake_thread(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.store(false, SeqCst);
        self.wake.notify_one();
    }

    /// The life of the watchdog thread.
    pub(crate) fn watch(&self, core: &Core) {
        let mut seen = [Seen::default(); SEATS_MAX];
        let mut calm = 0;
        let mut ticks = 0u32;
        while !core.is_closed() {
            std::thread::park_timeout(if calm < SLOW_AFTER { TICK } else { SLOW_TICK });
            let mut busy = false;
            core.clock.look();
            for (index, seat) in core.seats[..core.seats_used()].iter().enumerate() {
                let runs = seat.taken.load(Relaxed) && !core.idle.is_parked(index);
                busy |= runs;
                if runs && seen[index].same_turn(seat) {
                    seat.hurry.store(true, Relaxed);
                }
                if seen[index].is_stuck(seat, &core.clock) {
                    self.replace(core, index, seat);
                }
            }
            calm = if busy { 0 } else { calm + 1 };
            ticks += 1;
            if calm >= SLOW_AFTER || ticks.is_multiple_of(TICKS_PER_SWEEP) {
                sweep_calls(core);
            }
            if calm > SLEEP_AFTER {
                self.sleep(core);
                calm = 0;
            }
        }
    }

    fn sleep(&self, core: &Core) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.store(true, SeqCst);
        fence(SeqCst);
        let all_parked = (0..core.seats_used())
            .all(|seat| !core.seats[seat].taken.load(Relaxed) || core.idle.is_parked(seat));
        // Whoever parked has said so after its last note, so none is missed.
        let all_parked = all_parked && !sweep_calls(core);
        while all_parked && self.asleep.load(SeqCst) && !core.is_closed() {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.store(false, SeqCst);
        drop(guard);
    }

    fn replace(&self, core: &Core, index: usize, seat: &Seat) {
        seat.slot.replace();
        self.stuck.fetch_add(1, Relaxed);
        lower_priority(seat.thread_id.load(Relaxed));
        let spare = core.start_worker();
        core.flush();
        core.notify();
        // SAFETY: tables live as long as the core.
        let actor = unsafe { seat.table.load(Relaxed).cast_const().as_ref() }
            .map_or("unknown", |table: &TypeTable| table.name);
        core.emit(&Event::HandlerStuck {
            worker: index,
            actor,
            message: seat.message(),
            replaced: spare,
        });
    }
}

/// Nudges callers that wait. False: there was none.
fn sweep_calls(core: &Core) -> bool {
    let mut woken = Vec::new();
    let mut any = false;
    for seat in &core.seats[..core.seats_used()] {
        any |= seat.calls.sweep(&mut woken);
    }
    if woken.is_empty() {
        return any;
    }
    let batch = core.begin_batch();
    for waker in woken {
        crate::panic::contain(|| waker.wake());
    }
    if batch {
        core.end_batch();
    }
    any
}

#[derive(Clone, Copy, Default)]
struct Seen {
    turns: u64,
    ticks: u64,
    /// Looks since the first at this message.
    looks: u32,
    cpu_nanos: Option<u64>,
}

impl Seen {
    /// Whether the worker is in the turn in which it was at the last look.
    fn same_turn(&mut self, seat: &Seat) -> bool {
        let turns = seat.turns.load(Relaxed);
        std::mem::replace(&mut self.turns, turns) == turns
    }

    fn is_stuck(&mut self, seat: &Seat, clock: &Clock) -> bool {
        let ticks = seat.ticks.load(Acquire);
        if ticks != self.ticks && ticks & 1 == 1 {
            seat.handled.note(ticks, clock.seen());
        }
        if ticks != self.ticks || ticks & 1 == 0 || seat.slot.is_replaced() {
            (self.ticks, self.looks, self.cpu_nanos) = (ticks, 0, None);
            return false;
        }
        let Some(now) = cpu_nanos(seat.clock_id.load(Acquire)) else {
            return false;
        };
        self.looks += 1;
        let since = *self.cpu_nanos.get_or_insert(now);
        self.looks >= STUCK_LOOKS
            && now.saturating_sub(since) >= STUCK_CPU_NANOS
            && seat.ticks.load(Acquire) == ticks
    }
}

/// Tells the watchdog which thread sits here.
pub(crate) fn announce_thread(seat: &Seat) {
    if cfg!(miri) {
        // Miri has no CPU clocks of threads; without one a worker is never declared stuck.
        return;
    }
    // SAFETY: gettid has no preconditions.
    let thread = unsafe { libc::gettid() };
    seat.thread_id.store(thread, Relaxed);
    let mut clock = 0;
    // SAFETY: our own thread lives, and the clock id is written to a local.
    let found = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } == 0;
    seat.clock_id.store(if found { clock } else { 0 }, Release);
}

fn cpu_nanos(clock: i32) -> Option<u64> {
    if clock == 0 {
        return None;
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a clock id of a thread that has ended is an error, not undefined.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (read == 0).then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Puts a thread into the scheduler's idle class: who wakes up takes its processor at once, unless
/// it has just had more than its share; then it waits for the scheduler's next tick. With the
/// lowest ordinary priority (nice 19) a woken worker waited for the end of a slice of 3 to 4 ms
/// each time (`vaxel bench actors --case spinners`).
fn lower_priority(thread: i32) {
    if thread != 0 {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: on Linux a thread id addresses one thread, and the parameters are a local. A
        // failure leaves the priority as it is.
        unsafe { libc::sched_setscheduler(thread, libc::SCHED_IDLE, &raw const parameters) };
    }
}
