//! The alarm: when the timer thread wakes, and how a timer that is due earlier wakes it.
//!
//! # Protocol
//! 1. The thread says that it listens (`wakes_at` is the end of time), then looks at the wheels,
//!    then sleeps until the earliest deadline it saw or was asked for.
//! 2. Who starts a timer puts it into its wheel, and then reads `wakes_at`; if that is later than
//!    the timer, it asks under the lock for the earlier moment.
//! 3. A fence stands between the two steps on either side, so that either the thread sees the timer
//!    or the starter sees that the thread listens.

use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, fault, fence};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

pub(crate) struct Alarm {
    /// In milliseconds.
    wakes_at: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    asked: u64,
    sleeps: bool,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self {
            wakes_at: AtomicU64::new(u64::MAX),
            state: Mutex::new(State {
                asked: u64::MAX,
                sleeps: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A timer has been put into a wheel.
    #[inline]
    pub(crate) fn ask(&self, millis: u64) {
        fence(SeqCst);
        if millis < self.wakes_at.load(Relaxed) {
            self.ask_earlier(millis);
        }
    }

    #[cold]
    fn ask_earlier(&self, millis: u64) {
        let mut state = self.lock();
        if millis < state.asked {
            state.asked = millis;
            self.wakes_at.store(millis, SeqCst);
            if state.sleeps {
                self.changed.notify_one();
            }
        }
    }

    /// From now on every timer is asked for. By the timer thread, before it looks at the wheels.
    pub(crate) fn listen(&self) {
        let mut state = self.lock();
        state.asked = u64::MAX;
        if !fault::planted("the timer thread does not say that it listens") {
            self.wakes_at.store(u64::MAX, SeqCst);
        }
        drop(state);
        fence(SeqCst);
    }

    /// Rests until the earlier of `seen` and what was asked for, at most; `until` says how long
    /// that is, `None` for as long as nobody asks. Returns early when somebody asks.
    pub(crate) fn rest(&self, seen: u64, until: impl FnOnce(u64) -> Option<Duration>) {
        let mut state = self.lock();
        state.asked = state.asked.min(seen);
        self.wakes_at.store(state.asked, SeqCst);
        let Some(duration) = until(state.asked) else {
            state.sleeps = true;
            let mut state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.sleeps = false;
            return;
        };
        if !duration.is_zero() {
            state.sleeps = true;
            let woken = self.changed.wait_timeout(state, duration);
            woken.unwrap_or_else(PoisonError::into_inner).0.sleeps = false;
        }
    }

    /// Wakes the thread for another reason.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        state.asked = 0;
        self.wakes_at.store(0, SeqCst);
        self.changed.notify_all();
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use std::sync::Arc;

    /// A wheel of one timer, and the thread that must find it.
    fn run() {
        let alarm = Arc::new(Alarm::new());
        let wheel = Arc::new(Mutex::new(None));
        let starter = {
            let (alarm, wheel) = (alarm.clone(), wheel.clone());
            loom::thread::spawn(move || {
                *wheel.lock().unwrap() = Some(5);
                alarm.ask(5);
            })
        };
        // The thread has slept once, until a moment before the timer.
        alarm.rest(3, |_| Some(Duration::ZERO));
        loop {
            alarm.listen();
            let found = *wheel.lock().unwrap();
            if found.is_some() {
                break;
            }
            // Nothing is due for ever: only the starter can end this sleep.
            alarm.rest(u64::MAX, |asked| {
                (asked != u64::MAX).then_some(Duration::ZERO)
            });
        }
        starter.join().unwrap();
    }

    fn model(fault: Option<&'static str>) {
        fault::with(fault, || loom::model(run));
    }

    #[test]
    fn an_earlier_timer_is_never_overslept() {
        model(None);
        let fault = "the timer thread does not say that it listens";
        let noticed = std::panic::catch_unwind(|| model(Some(fault))).is_err();
        assert!(noticed, "unnoticed: {fault}");
    }
}
