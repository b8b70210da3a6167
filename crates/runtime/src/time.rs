//! Sleeping and time limits on a system's own timers.

use crate::System;
use crate::clock::Time;
use crate::timer::{Action, Key};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Resolves after a while, never early, on the timers of [`System::current`]. Cancel-safe.
///
/// # Panics
/// If there is no current system.
pub fn sleep(duration: Duration) -> Sleep {
    let system = System::current();
    let deadline = system.now() + duration;
    Sleep {
        system,
        deadline,
        timer: None,
    }
}

/// Resolves at a moment on the clock of [`System::current`], at once if it has passed. Cancel-safe.
///
/// # Panics
/// If there is no current system.
pub fn sleep_until(deadline: Time) -> Sleep {
    Sleep {
        system: System::current(),
        deadline,
        timer: None,
    }
}

/// The time limit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time limit reached")]
pub struct Elapsed;

/// Runs a future under a time limit. As cancel-safe as the future.
///
/// ```
/// use std::time::Duration;
/// use vaxel_runtime::{System, time};
///
/// let system = System::builder().workers(1).build();
/// # fn run<T: Send + 'static>(
/// #     system: &System,
/// #     body: impl Future<Output = T> + Send + 'static,
/// # ) -> T {
/// #     let (done, output) = std::sync::mpsc::sync_channel(1);
/// #     let task = system.spawn_future(async move { done.send(body.await) });
/// #     let output = output.recv().unwrap();
/// #     drop(task);
/// #     output
/// # }
/// run(&system, async {
///     let never = std::future::pending::<()>();
///     let outcome = time::timeout(Duration::from_millis(10), never).await;
///     assert_eq!(outcome, Err(time::Elapsed));
///     let outcome = time::timeout(Duration::from_secs(1), async { 42 }).await;
///     assert_eq!(outcome, Ok(42));
/// });
/// # system.shutdown();
/// ```
///
/// # Errors
/// If the limit is reached first; the future is dropped then.
///
/// # Panics
/// If there is no current system.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut sleep = sleep(limit);
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// See [`sleep`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    system: System,
    deadline: Time,
    timer: Option<Key>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let core = this.system.core();
        if core.clock.now() >= this.deadline {
            return Poll::Ready(());
        }
        let waits = this
            .timer
            .is_some_and(|key| core.timers.rewake(key, cx.waker()));
        if !waits {
            let wake = Action::Wake(cx.waker().clone());
            this.timer = Some(core.timers.start(&core.clock, this.deadline, wake));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.timer.take() {
            self.system.core().timers.cancel(key);
        }
    }
}
