//! The actor that a task is.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::task::Poll;

use vaxel_runtime::{Actor, Context, ExitReason};

use super::slot::Promise;

/// Runs a future in its `init`, so that exit signals end it at any await, and ends.
pub(super) struct Runner<F>(PhantomData<fn(F)>);

impl<F> Actor for Runner<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Args = (F, Promise<F::Output>);

    async fn init(
        (future, promise): Self::Args,
        cx: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        // It runs also when nobody holds the handle.
        let me = cx.me();
        // A linked actor begins inside the turn of its owner, which has better things to do.
        yield_now().await;
        let output = {
            let mut future = pin!(future);
            poll_fn(|cx| {
                if promise.is_cancelled(cx.waker()) {
                    return Poll::Ready(None);
                }
                future.as_mut().poll(cx).map(Some)
            })
            .await
        };
        promise.keep(output);
        drop(me);
        Err(ExitReason::Normal)
    }
}

async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
