//! A handler on the shared runtime and its answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tower_service::Service;

/// A running handler; aborted when dropped, that is, when its client has left.
#[derive(Debug)]
pub(crate) struct HandlerTask<B> {
    task: JoinHandle<Response<B>>,
}

impl<B: Send + 'static> HandlerTask<B> {
    pub(crate) fn spawn<S>(runtime: &Handle, mut service: S, request: Request<Incoming>) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let task = runtime.spawn(async move {
            let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
            let Ok(response) = service.call(request).await;
            response
        });
        Self { task }
    }
}

impl<B> Future for HandlerTask<B> {
    /// `None` when the handler panicked or its runtime is gone.
    type Output = Option<Response<B>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(Result::ok)
    }
}

impl<B> Drop for HandlerTask<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of the handler's answer, or nothing.
#[derive(Debug)]
pub(crate) struct Answer<B>(Option<Pin<Box<B>>>);

impl<B> Answer<B> {
    pub(crate) fn of(body: B) -> Self {
        Self(Some(Box::pin(body)))
    }

    pub(crate) fn empty() -> Self {
        Self(None)
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let frame = ready!(body.as_mut().poll_frame(cx));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}
