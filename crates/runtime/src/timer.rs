//! Timers: the system's own, used by calls, sleeps, restarts and `send_after`.
//!
//! One [wheel](wheel) with a resolution of a millisecond and a thread that sleeps until the next
//! deadline. A timer never fires early; it fires late by the rounding to the next millisecond and
//! by the time the thread takes to run.

pub(crate) mod wheel;

use crate::clock::Time;
use crate::system::core::Core;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
pub(crate) use wheel::Key;
use wheel::Wheel;

/// What happens when a timer fires.
pub(crate) enum Action {
    Wake(Waker),
    Once(Box<dyn FnOnce(&Core) + Send>),
    Every(Box<Every>),
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

pub(crate) struct Timers {
    state: Mutex<State>,
    changed: Condvar,
    fired: AtomicU64,
}

struct State {
    wheel: Wheel<Action>,
    /// When the thread wakes by itself, in milliseconds.
    wakes_at: u64,
}

impl Timers {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                wheel: Wheel::new(),
                wakes_at: u64::MAX,
            }),
            changed: Condvar::new(),
            fired: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(&self, deadline: Time, action: Action) -> Key {
        let millis = deadline.millis_ceil();
        let mut state = self.lock();
        let key = state.wheel.insert(millis, action);
        if millis < state.wakes_at {
            state.wakes_at = millis;
            self.changed.notify_one();
        }
        key
    }

    /// True when the timer had not fired.
    pub(crate) fn cancel(&self, key: Key) -> bool {
        let action = self.lock().wheel.cancel(key);
        // Dropped outside the lock: it may hold the last reference to an actor.
        action.is_some()
    }

    /// A moment at which something may be due, not later than the first deadline, in
    /// milliseconds.
    pub(crate) fn next(&self) -> Option<u64> {
        self.lock().wheel.next()
    }

    pub(crate) fn pending(&self) -> usize {
        self.lock().wheel.pending()
    }

    pub(crate) fn fired(&self) -> u64 {
        self.fired.load(Relaxed)
    }

    /// Runs what is due now.
    pub(crate) fn fire(&self, core: &Core) {
        let mut due = Vec::new();
        self.lock()
            .wheel
            .advance(core.clock.now().millis(), &mut due);
        self.fired.fetch_add(due.len() as u64, Relaxed);
        let any = !due.is_empty();
        for action in due {
            self.run(core, action);
        }
        if any {
            // What the actions have left for other threads must not wait for a worker.
            core.flush();
        }
    }

    fn run(&self, core: &Core, action: Action) {
        match action {
            Action::Wake(waker) => waker.wake(),
            Action::Once(run) => crate::panic::contain(|| run(core)),
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
                *slot = Some(self.start(every.next, Action::Every(every)));
            }
        }
    }

    /// The life of the timer thread.
    pub(crate) fn drive(&self, core: &Core) {
        while !core.is_closed() {
            self.fire(core);
            let mut state = self.lock();
            state.wakes_at = state.wheel.next().unwrap_or(u64::MAX);
            let now = core.clock.now();
            if state.wakes_at <= now.millis() || core.is_closed() {
                continue;
            }
            if state.wakes_at == u64::MAX || core.clock.is_manual() {
                drop(self.changed.wait(state));
            } else {
                let deadline = Time(state.wakes_at.saturating_mul(1_000_000));
                drop(self.changed.wait_timeout(state, deadline.since(now)));
            }
        }
    }

    pub(crate) fn wake_thread(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Drops every timer.
    pub(crate) fn clear(&self) {
        let wheel = std::mem::replace(&mut self.lock().wheel, Wheel::new());
        drop(wheel);
    }
}
