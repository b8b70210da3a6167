//! What a task and its handle share: the outcome, and the wish that it end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use vaxel_runtime::{ExitReason, ending_reason};

use super::TaskError;

pub(super) struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    outcome: Outcome<T>,
    is_cancelled: bool,
    /// Who awaits the outcome.
    waiting: Option<Waker>,
    /// The task.
    running: Option<Waker>,
}

enum Outcome<T> {
    Awaited,
    There(Result<T, TaskError>),
    Taken,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the outcome once it is there.
    pub(super) fn poll_take(&self, waker: &Waker) -> Poll<Result<T, TaskError>> {
        let mut state = self.lock();
        match std::mem::replace(&mut state.outcome, Outcome::Taken) {
            Outcome::There(outcome) => Poll::Ready(outcome),
            Outcome::Taken => Poll::Ready(Err(TaskError::Exit(ExitReason::NoProcess))),
            Outcome::Awaited => {
                state.outcome = Outcome::Awaited;
                note(&mut state.waiting, waker);
                Poll::Pending
            }
        }
    }

    /// Asks the task to end at its next await.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        state.is_cancelled = true;
        let running = state.running.take();
        drop(state);
        if let Some(running) = running {
            running.wake();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.lock().outcome, Outcome::Awaited)
    }

    fn set(&self, outcome: Result<T, TaskError>) {
        let mut state = self.lock();
        state.outcome = Outcome::There(outcome);
        let (waiting, running) = (state.waiting.take(), state.running.take());
        drop(state);
        drop(running);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

fn note(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(known) => known.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

/// The task's side. Dropped without an output it tells why there will be none.
pub(super) struct Promise<T> {
    slot: Arc<Slot<T>>,
    is_kept: bool,
}

impl<T> Promise<T> {
    pub(super) fn new() -> Self {
        let slot = Arc::new(Slot(Mutex::new(State {
            outcome: Outcome::Awaited,
            is_cancelled: false,
            waiting: None,
            running: None,
        })));
        Promise {
            slot,
            is_kept: false,
        }
    }

    pub(super) fn slot(&self) -> Arc<Slot<T>> {
        self.slot.clone()
    }

    /// Whether the task shall end; if not, `waker` is woken when it shall.
    pub(super) fn is_cancelled(&self, waker: &Waker) -> bool {
        let mut state = self.slot.lock();
        note(&mut state.running, waker);
        state.is_cancelled
    }

    /// Ends the waiting: with the output, or for a task that was cancelled without one.
    pub(super) fn keep(mut self, output: Option<T>) {
        self.is_kept = true;
        self.slot
            .set(output.ok_or(TaskError::Exit(ExitReason::Killed)));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.is_kept {
            // No reason is known when a system ends before the task has begun.
            let reason = ending_reason().unwrap_or(ExitReason::Killed);
            self.slot.set(Err(TaskError::Exit(reason)));
        }
    }
}
