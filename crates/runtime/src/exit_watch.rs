//! Waiting for the end of an actor from a future or a thread.

use crate::ExitReason;
use crate::oneshot::OneShot;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Resolves with the reason when an incarnation ends, at once if it has.
///
/// Cancel-safe: dropping it forgets the wish to know.
#[must_use = "futures do nothing unless polled"]
pub struct Exit(Arc<ExitSlot>);

pub(crate) type ExitSlot = OneShot<ExitReason>;

impl Exit {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn slot(&self) -> Arc<ExitSlot> {
        self.0.clone()
    }

    /// Blocks the thread until the incarnation ends. Not for handlers.
    pub fn wait(self) -> ExitReason {
        self.0.wait()
    }
}

impl Future for Exit {
    type Output = ExitReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ExitReason> {
        self.0.poll_clone(cx)
    }
}
