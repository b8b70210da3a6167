//! The body of an answer, on its way from the shared runtime to the shard.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Pieces of a streamed body that wait for the client, before the stream has to.
const PIECES_MAX: usize = 8;

type BoxError = Box<dyn Error + Send + Sync>;

/// A piece of a streamed body, or its end. An end that is not announced is a panic.
type Piece<D> = Option<Result<Frame<D>, BoxError>>;

/// What the shard sends.
pub(crate) enum Answer<B: Body> {
    /// Nothing.
    Empty,
    /// A body of known length, which is bytes in memory.
    Whole(Pin<Box<B>>),
    /// A body that is made while it is sent. What makes it is code of the application, so it runs
    /// on the shared runtime and not on the shard.
    Streamed(Stream<B::Data>),
}

pub(crate) struct Stream<D> {
    pieces: mpsc::Receiver<Piece<D>>,
    pump: AbortHandle,
}

impl<B> Answer<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Has to be called on the shared runtime.
    pub(crate) fn of(body: B) -> Self {
        let body = Box::pin(body);
        if body.size_hint().exact().is_some() {
            return Self::Whole(body);
        }
        let (sender, pieces) = mpsc::channel(PIECES_MAX);
        let pump = tokio::spawn(pump(body, sender)).abort_handle();
        Self::Streamed(Stream { pieces, pump })
    }
}

/// Moves a body piece by piece, as fast as the client reads.
async fn pump<B>(mut body: Pin<Box<B>>, sender: mpsc::Sender<Piece<B::Data>>)
where
    B: Body,
    B::Error: Into<BoxError>,
{
    loop {
        let piece = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        let piece = piece.map(|piece| piece.map_err(Into::into));
        let is_end = piece.is_none();
        if sender.send(piece).await.is_err() || is_end {
            return;
        }
    }
}

impl<D> Drop for Stream<D> {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl<B> Body for Answer<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        Poll::Ready(match &mut *self {
            Self::Empty => None,
            Self::Whole(body) => {
                ready!(body.as_mut().poll_frame(cx)).map(|frame| frame.map_err(Into::into))
            }
            Self::Streamed(stream) => match ready!(stream.pieces.poll_recv(cx)) {
                Some(piece) => piece,
                None => Some(Err("the body ended in a panic".into())),
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

// Nothing in it is pinned in place: a whole body is pinned on the heap.
impl<B: Body> Unpin for Answer<B> {}
