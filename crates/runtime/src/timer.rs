//! Timers: the system's own, used by calls, sleeps, restarts and `send_after`.
//!
//! [Wheels](wheel) with a resolution of a millisecond, and one thread that sleeps until the next
//! deadline. A timer never fires early; it fires late by the rounding to the next millisecond and
//! by the time the thread takes to run.
//!
//! On a manual clock who moves it fires what is due, and the move is over when all of that has run.
//! The thread fires what was already due when it was started.
//!
//! There is a wheel for every worker, so that starting and cancelling meet at no lock: a timer lies
//! in the wheel of the thread that started it. Timers of one deadline fire in the order in which
//! they were started if one worker started them. A timer takes 48 bytes, and the message of a
//! `send_after` its node.

pub(crate) mod alarm;
pub(crate) mod wheel;

use crate::cell::node::Node;
use crate::clock::{Clock, Time};
use crate::system::core::Core;
use crate::{ExitReason, Pid, worker};
use alarm::Alarm;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use wheel::Wheel;

/// Wheels of a system. Workers with a greater number share.
const STRIPES: usize = 16;

/// Which timer. Never means another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    stripe: u32,
    entry: wheel::Key,
}

/// What happens when a timer fires.
pub(crate) enum Action {
    Wake(Waker),
    /// Past the bound of the mailbox, if the incarnation lives.
    Send(Pid, Post),
    Every(Box<Every>),
}

/// A message that waits for its time.
pub(crate) struct Post(NonNull<Node>);

// SAFETY: a node that nobody else refers to; messages are Send.
unsafe impl Send for Post {}

impl Post {
    /// # Safety
    /// The node is the caller's, and gone from now on.
    pub(crate) unsafe fn new(node: NonNull<Node>) -> Self {
        Self(node)
    }

    fn deliver(self, core: &Core, to: Pid) {
        if let Some(actor) = core.pids.find(to)
            && actor.push_exempt(self.0)
        {
            std::mem::forget(self);
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // SAFETY: S4: the node was never sent.
        crate::panic::contain(|| unsafe {
            (self.0.as_ref().operations.drop)(self.0, &ExitReason::NoProcess);
        });
    }
}

/// An interval that does not drift: each deadline follows from the one before.
pub(crate) struct Every {
    pub(crate) period: Duration,
    pub(crate) next: Time,
    /// False: the receiver is gone, the interval ends.
    pub(crate) run: Box<dyn FnMut(&Core) -> bool + Send>,
    /// Where the caller finds the current key, for cancelling.
    pub(crate) key: Arc<Mutex<Option<Key>>>,
}

/// A wheel on cache lines of its own.
#[repr(align(128))]
struct Stripe(Mutex<Wheel<Action>>);

impl Stripe {
    fn lock(&self) -> MutexGuard<'_, Wheel<Action>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Timers {
    stripes: Box<[Stripe]>,
    alarm: Alarm,
    fired: AtomicU64,
    /// Held while timers fire and while a manual clock moves: what has fired has run before time
    /// goes on, so no interval sees a later time than its own.
    firing: Mutex<()>,
}

/// The wheel of this thread: by seat on a worker, elsewhere in turns.
fn stripe_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    worker::seat_of_thread().unwrap_or_else(|| {
        let mine = MINE.get().unwrap_or_else(|| NEXT.fetch_add(1, Relaxed));
        MINE.set(Some(mine));
        mine
    })
}

impl Timers {
    /// On a manual clock with one wheel, so that a run depends on no thread's number.
    pub(crate) fn new(clock: &Clock) -> Self {
        let stripes = if clock.is_manual() { 1 } else { STRIPES };
        Self {
            stripes: (0..stripes)
                .map(|_| Stripe(Mutex::new(Wheel::new())))
                .collect(),
            alarm: Alarm::new(),
            fired: AtomicU64::new(0),
            firing: Mutex::new(()),
        }
    }

    #[inline]
    pub(crate) fn start(&self, clock: &Clock, deadline: Time, action: Action) -> Key {
        if clock.is_manual() {
            return self.start_on_manual(clock, deadline, action);
        }
        let millis = deadline.millis_ceil();
        let key = self.insert(millis, action);
        self.alarm.ask(millis);
        key
    }

    /// As [`start`](Self::start) on a clock that stands still until it is moved. A moment that is
    /// there needs no rounding: time would have to be moved for it.
    #[cold]
    fn start_on_manual(&self, clock: &Clock, deadline: Time, action: Action) -> Key {
        let now = clock.now();
        let millis = if deadline <= now {
            now.millis()
        } else {
            deadline.millis_ceil()
        };
        let key = self.insert(millis, action);
        // Who moves the clock does so first and then looks at the wheels; here it is the other way
        // round. So either they find the timer, or it is seen here that it is due, whatever the
        // thread has in mind.
        if millis <= clock.now().millis() {
            self.alarm.ask(0);
        }
        key
    }

    #[inline]
    fn insert(&self, millis: u64, action: Action) -> Key {
        let stripe = stripe_of_thread() % self.stripes.len();
        let entry = self.stripes[stripe].lock().insert(millis, action);
        Key {
            stripe: stripe as u32,
            entry,
        }
    }

    fn stripe(&self, key: Key) -> MutexGuard<'_, Wheel<Action>> {
        self.stripes[key.stripe as usize].lock()
    }

    /// True when the timer had not fired.
    #[inline]
    pub(crate) fn cancel(&self, key: Key) -> bool {
        let action = self.stripe(key).cancel(key.entry);
        // Dropped outside the lock: it may hold the last reference to an actor.
        action.is_some()
    }

    /// Lets a timer wake somebody else. False: it has fired.
    pub(crate) fn rewake(&self, key: Key, waker: &Waker) -> bool {
        let mut wheel = self.stripe(key);
        let Some(Action::Wake(old)) = wheel.get_mut(key.entry) else {
            return false;
        };
        if !old.will_wake(waker) {
            let old = std::mem::replace(old, waker.clone());
            drop(wheel);
            drop(old);
        }
        true
    }

    pub(crate) fn pending(&self) -> usize {
        let stripes = self.stripes.iter();
        stripes.map(|stripe| stripe.lock().pending()).sum()
    }

    pub(crate) fn fired(&self) -> u64 {
        self.fired.load(Relaxed)
    }

    /// The next moment at which something may be due, in milliseconds; not later than the first
    /// deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        let stripes = self.stripes.iter();
        stripes.filter_map(|stripe| stripe.lock().next()).min()
    }

    fn lock_firing(&self) -> MutexGuard<'_, ()> {
        self.firing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what is due now, in the order of deadlines.
    fn fire(&self, core: &Core) {
        let _firing = self.lock_firing();
        self.fire_alone(core);
    }

    /// Moves a manual clock and runs what is due then.
    pub(crate) fn advance(&self, core: &Core, by: Duration) {
        let _firing = self.lock_firing();
        core.clock.advance(by);
        self.fire_alone(core);
    }

    fn fire_alone(&self, core: &Core) {
        let now = core.clock.now().millis();
        let mut due = Vec::new();
        for stripe in &self.stripes {
            // The lock is given back after every slot: workers may want to start timers.
            while stripe.lock().step(now, &mut due) {}
        }
        if due.is_empty() {
            return;
        }
        due.sort_by_key(|&(deadline, _)| deadline);
        self.fired.fetch_add(due.len() as u64, Relaxed);
        let batch = core.begin_batch();
        for (_, action) in due {
            self.run(core, action);
        }
        if batch {
            core.end_batch();
        }
        // What the actions have left for other threads must not wait for a worker.
        core.flush();
    }

    fn run(&self, core: &Core, action: Action) {
        match action {
            Action::Wake(waker) => crate::panic::contain(|| waker.wake()),
            Action::Send(to, post) => post.deliver(core, to),
            Action::Every(mut every) => {
                let goes_on = crate::panic::catch(|| (every.run)(core)).unwrap_or(false);
                let key = every.key.clone();
                let mut slot = key.lock().unwrap_or_else(PoisonError::into_inner);
                if slot.is_none() || !goes_on {
                    *slot = None;
                    return;
                }
                // Deadlines that have passed meanwhile are skipped, not made up for in a burst.
                let now = core.clock.now();
                while every.next <= now {
                    every.next = every.next + every.period;
                }
                *slot = Some(self.start(&core.clock, every.next, Action::Every(every)));
            }
        }
    }

    /// The life of the timer thread.
    pub(crate) fn drive(&self, core: &Core) {
        while !core.is_closed() {
            self.fire(core);
            self.alarm.listen();
            let next = self.next().unwrap_or(u64::MAX);
            self.alarm.rest(next, |wakes_at| {
                if core.is_closed() {
                    return Some(Duration::ZERO);
                }
                let now = core.clock.now();
                if wakes_at <= now.millis() {
                    return Some(Duration::ZERO);
                }
                let sleeps = wakes_at != u64::MAX && !core.clock.is_manual();
                sleeps.then(|| Time::from_millis(wakes_at).since(now))
            });
        }
    }

    pub(crate) fn wake_thread(&self) {
        self.alarm.wake();
    }

    /// Drops every timer.
    pub(crate) fn clear(&self) {
        for stripe in &self.stripes {
            let wheel = std::mem::replace(&mut *stripe.lock(), Wheel::new());
            drop(wheel);
        }
    }
}
