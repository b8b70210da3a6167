//! Answers that a store gives later, from a thread of its own.
//!
//! An engine blocks: it writes files and waits for a disk or a network. So that no worker of an
//! actor system ever waits with it, every operation of a store returns at once with an [`Answer`],
//! a future that belongs to no async library. [`Answer::wait`] is for threads that may block.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The engine has ended without answering: it was closed, or its thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

/// What a store will answer.
///
/// The operation is under way whether or not anybody polls this. **Cancel safety:** dropping it
/// gives up the answer and changes nothing else.
#[must_use = "the outcome of an operation must be looked at"]
pub struct Answer<T, E>(Arc<Slot<Result<T, E>>>);

/// The engine's side of an [`Answer`]. Dropping it unused answers with [`Unanswered`].
pub struct Answering<T, E: From<Unanswered>>(Option<Arc<Slot<Result<T, E>>>>);

struct Slot<R> {
    state: Mutex<State<R>>,
    answered: Condvar,
}

enum State<R> {
    Waiting(Option<Waker>),
    Answered(R),
    Taken,
}

impl<R> Slot<R> {
    fn new(state: State<R>) -> Arc<Self> {
        Arc::new(Slot {
            state: Mutex::new(state),
            answered: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> State<R> {
    fn take(&mut self) -> Option<R> {
        match std::mem::replace(self, State::Taken) {
            State::Answered(outcome) => Some(outcome),
            State::Waiting(waker) => {
                *self = State::Waiting(waker);
                None
            }
            State::Taken => panic!("the answer of a store was taken twice"),
        }
    }
}

impl<T, E> Answer<T, E> {
    /// An answer that is known already.
    pub fn ready(outcome: Result<T, E>) -> Self {
        Answer(Slot::new(State::Answered(outcome)))
    }

    /// Blocks the thread until there is an answer. Not on a worker of an actor system.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn wait(self) -> Result<T, E> {
        let mut state = self.0.lock();
        loop {
            if let Some(outcome) = state.take() {
                return outcome;
            }
            state = self
                .0
                .answered
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T, E: From<Unanswered>> Answer<T, E> {
    /// An answer and who will give it.
    pub fn later() -> (Answering<T, E>, Self) {
        let slot = Slot::new(State::Waiting(None));
        (Answering(Some(slot.clone())), Answer(slot))
    }
}

impl<T, E> Future for Answer<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        if let State::Waiting(waker) = &mut *state {
            match waker {
                Some(known) => known.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        state.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T, E: From<Unanswered>> Answering<T, E> {
    /// Gives the answer.
    pub fn send(mut self, outcome: Result<T, E>) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Result<T, E>) {
        let Some(slot) = self.0.take() else { return };
        let before = std::mem::replace(&mut *slot.lock(), State::Answered(outcome));
        slot.answered.notify_one();
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T, E: From<Unanswered>> Drop for Answering<T, E> {
    fn drop(&mut self) {
        self.settle(Err(Unanswered.into()));
    }
}

impl<T, E> fmt::Debug for Answer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(..)")
    }
}

impl<T, E: From<Unanswered>> fmt::Debug for Answering<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl From<Unanswered> for &'static str {
        fn from(_: Unanswered) -> Self {
            "nobody answered"
        }
    }

    #[test]
    fn a_thread_waits_for_an_answer_of_another() {
        let (answering, answer) = Answer::<_, &str>::later();
        let thread = std::thread::spawn(move || answering.send(Ok(7)));
        assert_eq!(answer.wait(), Ok(7));
        thread.join().expect("it only answers");
    }

    #[test]
    fn who_ends_without_answering_is_reported() {
        let (answering, answer) = Answer::<(), &str>::later();
        drop(answering);
        assert_eq!(answer.wait(), Err("nobody answered"));
    }

    #[test]
    fn a_future_is_woken_once_there_is_an_answer() {
        let (answering, mut answer) = Answer::<_, &str>::later();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut answer).poll(&mut cx).is_pending());
        answering.send(Ok(1));
        assert_eq!(Pin::new(&mut answer).poll(&mut cx), Poll::Ready(Ok(1)));
    }
}
