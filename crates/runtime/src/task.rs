//! Plain futures as cells: they run on the workers, next to the actors they call.
//!
//! A future that calls actors from another runtime pays for two thread wake-ups a call. Spawned
//! here it is a cell like any other, and a call from it stays on its worker.

use crate::oneshot::OneShot;
use crate::{Actor, ActorRef, Context, ExitReason, System};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

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
        let slot = Arc::new(OneShot::default());
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

/// The future's side; a promise that is dropped tells that there will be no result.
struct Promise<T> {
    slot: Arc<OneShot<Result<T, TaskError>>>,
    kept: bool,
}

impl<T> Promise<T> {
    fn keep(mut self, value: T) {
        self.kept = true;
        self.slot.set(Ok(value));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.kept {
            self.slot.set(Err(TaskError));
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
    slot: Arc<OneShot<Result<T, TaskError>>>,
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
        self.slot.poll_take(cx)
    }
}
