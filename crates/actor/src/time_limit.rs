//! Waiting under a limit, on the clock of a given system.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use vaxel_runtime::time::{Elapsed, Sleep, sleep_until};
use vaxel_runtime::{System, Time};

/// How long to wait: for a while, until a moment on the system's clock, or as long as it takes.
///
/// Made of a `Duration` or a [`Time`] where one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLimit {
    /// So long from when the waiting begins.
    After(Duration),
    /// Until this moment: what several waits in a row share.
    At(Time),
    /// As long as it takes.
    Unlimited,
}

impl From<Duration> for TimeLimit {
    fn from(limit: Duration) -> Self {
        TimeLimit::After(limit)
    }
}

impl From<Time> for TimeLimit {
    fn from(deadline: Time) -> Self {
        TimeLimit::At(deadline)
    }
}

/// A sleep on the clock of `system`, on whatever thread this is.
pub(crate) fn sleep_in(system: &System, deadline: Time) -> Sleep {
    let _inside = system.enter();
    sleep_until(deadline)
}

/// Runs a future until `deadline`; as cancel-safe as the future.
pub(crate) async fn until<F: Future>(
    system: &System,
    deadline: Time,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // No timer for what is ready at once.
        let sleep = sleep.get_or_insert_with(|| sleep_in(system, deadline));
        poll(sleep, cx).map(|()| Err(Elapsed))
    })
    .await
}

fn poll(sleep: &mut Sleep, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(sleep).poll(cx)
}
