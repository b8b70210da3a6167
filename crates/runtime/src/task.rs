//! Plain futures as cells: they run on the workers, next to the actors they call.
//!
//! A future that calls actors from another runtime pays for two thread wake-ups a call. Spawned here
//! it is a cell like any other, and a call from it stays on its worker.

use crate::{Actor, ActorRef, Context, ExitReason, System};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

struct Task<F>(std::marker::PhantomData<fn(F)>);

impl<F, T> Actor for Task<F>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    type Args = (F, Promise<T>);

    async fn init(
        (future, promise): Self::Args,
        cx: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        let me = cx.me();
        promise.keep(future.await);
        drop(me);
        Err(ExitReason::Normal)
    }
}

impl System {
    /// Spawns a future as a cell of this system. It runs to its end whether or not anybody holds
    /// the handle; a panic in it ends it alone.
    pub fn spawn_future<F, T>(&self, future: F) -> Join<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let slot = Arc::new(Slot {
            state: Mutex::new((None, None)),
        });
        let promise = Promise {
            slot: slot.clone(),
            kept: false,
        };
        let task: ActorRef<Task<F>> = self.spawn_queued((future, promise));
        Join {
            slot,
            kill: Some(Box::new(move || task.kill())),
        }
    }
}

struct Slot<T> {
    state: Mutex<(Option<Result<T, TaskError>>, Option<Waker>)>,
}

/// The future's side; a promise that is dropped tells that there will be no result.
struct Promise<T> {
    slot: Arc<Slot<T>>,
    kept: bool,
}

impl<T> Promise<T> {
    fn keep(mut self, value: T) {
        self.kept = true;
        self.set(Ok(value));
    }

    fn set(&self, outcome: Result<T, TaskError>) {
        let mut state = self
            .slot
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(outcome);
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.kept {
            self.set(Err(TaskError));
        }
    }
}

/// A spawned future has no result: it panicked, was killed, or its system ended. The cause is
/// reported as an event of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task ended without a result")]
pub struct TaskError;

/// Resolves with the result of a spawned future. Cancel-safe: dropping it lets the future run on.
#[must_use = "futures do nothing unless polled"]
pub struct Join<T> {
    slot: Arc<Slot<T>>,
    kill: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl<T> Join<T> {
    /// Drops the future at its next await.
    pub fn abort(mut self) {
        if let Some(kill) = self.kill.take() {
            kill();
        }
    }
}

impl<T> Future for Join<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let mut state = self
            .slot
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match state.0.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
