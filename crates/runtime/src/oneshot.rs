//! A value that is set once and awaited by futures and threads.

use crate::sync::{Condvar, Mutex, MutexGuard};
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

pub(crate) struct OneShot<T> {
    state: Mutex<State<T>>,
    set: Condvar,
}

struct State<T> {
    value: Option<T>,
    wakers: Vec<Waker>,
}

impl<T> State<T> {
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.wakers.iter().any(|known| known.will_wake(cx.waker())) {
            self.wakers.push(cx.waker().clone());
        }
    }
}

impl<T> Default for OneShot<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                value: None,
                wakers: Vec::new(),
            }),
            set: Condvar::new(),
        }
    }
}

impl<T> OneShot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the value; the first one counts.
    pub(crate) fn set(&self, value: T) {
        let mut state = self.lock();
        state.value.get_or_insert(value);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.set.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes the value once it is there.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.wait(cx);
                Poll::Pending
            }
        }
    }
}

impl<T: Clone> OneShot<T> {
    /// As [`poll_take`](Self::poll_take), and the value stays.
    pub(crate) fn poll_clone(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        match &state.value {
            Some(value) => Poll::Ready(value.clone()),
            None => {
                state.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Blocks the thread until there is a value.
    pub(crate) fn wait(&self) -> T {
        let mut state = self.lock();
        loop {
            if let Some(value) = &state.value {
                return value.clone();
            }
            state = self.set.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
