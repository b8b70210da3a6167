//! Asking a future without waiting for it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The output if the future is ready at its first poll.
pub(super) fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
