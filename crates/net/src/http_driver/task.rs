//! A handler on the shared runtime.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tower_service::Service;

use super::answer::Answer;

/// A running handler; aborted when dropped, that is, when its client has left.
pub(crate) struct HandlerTask<B: Body> {
    task: JoinHandle<Response<Answer<B>>>,
}

impl<B> HandlerTask<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(crate) fn spawn<S>(runtime: &Handle, mut service: S, request: Request<Incoming>) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let task = runtime.spawn(async move {
            let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
            let Ok(response) = service.call(request).await;
            response.map(Answer::of)
        });
        Self { task }
    }
}

impl<B: Body> Future for HandlerTask<B> {
    /// `None` when the handler panicked or its runtime is gone.
    type Output = Option<Response<Answer<B>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(Result::ok)
    }
}

impl<B: Body> Drop for HandlerTask<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
