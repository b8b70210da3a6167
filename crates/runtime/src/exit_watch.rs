//! Waiting for the end of an actor from a future or a thread.

use crate::ExitReason;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Resolves with the reason when an incarnation ends, at once if it has.
///
/// Cancel-safe: dropping it forgets the wish to know.
#[must_use = "futures do nothing unless polled"]
pub struct Exit(Arc<ExitSlot>);

#[derive(Default)]
pub(crate) struct ExitSlot {
    state: Mutex<(Option<ExitReason>, Option<Waker>)>,
    set: Condvar,
}

impl ExitSlot {
    pub(crate) fn set(&self, reason: ExitReason) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.get_or_insert(reason);
        let waker = state.1.take();
        drop(state);
        self.set.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Exit {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn slot(&self) -> Arc<ExitSlot> {
        self.0.clone()
    }

    /// Blocks the thread until the incarnation ends. Not for handlers.
    pub fn wait(self) -> ExitReason {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(reason) = &state.0 {
                return reason.clone();
            }
            state = self
                .0
                .set
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Exit {
    type Output = ExitReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ExitReason> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.0 {
            Some(reason) => Poll::Ready(reason.clone()),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
