//! Calls as the generated methods return them, and casts: with flat errors, and with the arguments
//! given back.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, CallError, Handler, Message, SendError, Sending};

/// A call on its way: a future of `Result<T, CallError<E>>`, where `E` is the handler's own error.
///
/// The message was sent when this was made, not when it is first polled, so calls and casts of one
/// sender keep their order. It ends with the reply, or with a [`CallError`]: the handler's error,
/// the crash that ended the actor, the time-out (five seconds unless [`timeout`](Self::timeout)
/// says otherwise; the outcome is then unknown), or a mailbox that is full or closed.
///
/// The third type is the message that the `#[actor]` macro wrote; nobody needs to name it.
///
/// # Cancel safety
/// Dropping it gives up the reply; the message is handled all the same.
///
/// ```
/// use vaxel_actor::prelude::*;
///
/// struct Stock {
///     left: u32,
/// }
///
/// #[actor(crate = vaxel_actor)]
/// impl Stock {
///     fn init(left: u32) -> Self {
///         Stock { left }
///     }
///
///     /// How many are left, or how many are missing.
///     #[call]
///     fn take(&mut self, count: u32) -> Result<u32, u32> {
///         self.left = self.left.checked_sub(count).ok_or_else(|| count - self.left)?;
///         Ok(self.left)
///     }
/// }
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let stock = Stock::spawn(10);
/// assert_eq!(stock.take(3).await, Ok(7));
/// // The handler's own error is one of many ways in which a call may fail.
/// assert_eq!(stock.take(9).timeout(millis(500)).await, Err(CallError::Handler(2)));
/// stock.shutdown();
/// assert!(stock.take(1).await.is_err());
/// # });
/// ```
#[must_use = "the answer of a call must be awaited; a cast has none"]
pub struct Call<T, E, M: Message> {
    inner: vaxel_runtime::Call<M>,
    yields: PhantomData<fn() -> Result<T, E>>,
}

impl<T, E, M: Message> Call<T, E, M> {
    /// Sets the time limit, which counts from the first poll.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.inner = self.inner.timeout(limit);
        self
    }

    /// Waits as long as the called actor lives.
    pub fn no_timeout(mut self) -> Self {
        self.inner = self.inner.no_timeout();
        self
    }
}

impl<T, E, M: Message<Reply: Flatten<T, E>>> Future for Call<T, E, M> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner)
            .poll(cx)
            .map(|answer| match answer {
                Ok(reply) => reply.flatten().map_err(CallError::Handler),
                Err(error) => Err(error.widen()),
            })
    }
}

impl<T, E, M: Message> std::fmt::Debug for Call<T, E, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// How a reply reads as a result: a `Result` as itself, everything else as what cannot fail.
pub trait Flatten<T, E> {
    /// The two outcomes apart.
    fn flatten(self) -> Result<T, E>;
}

impl<T> Flatten<T, Infallible> for T {
    fn flatten(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

impl<T, E> Flatten<T, E> for Result<T, E> {
    fn flatten(self) -> Result<T, E> {
        self
    }
}

/// The two types inside a `Result` that is written as an alias, such as `io::Result<T>`.
pub trait Outcome {
    /// What it holds when all went well.
    type Ok;
    /// What it holds otherwise.
    type Error;
}

impl<T, E> Outcome for Result<T, E> {
    type Ok = T;
    type Error = E;
}

/// Sends a message whose answer is awaited.
#[inline]
pub fn call<T, E, A, M>(actor: &ActorRef<A>, message: M) -> Call<T, E, M>
where
    A: Actor + Handler<M>,
    M: Message<Reply: Flatten<T, E>>,
{
    Call {
        inner: actor.call(message),
        yields: PhantomData,
    }
}

/// A cast on its way that waits for room where the mailbox is one that lets senders wait
/// ([`OnFull::Wait`](crate::OnFull)); elsewhere it is done at its first poll. A future of
/// `Result<(), SendError<T>>`, with the arguments given back.
///
/// Nothing is sent before it is polled. Who waits is let in first come, first served, and nobody
/// overtakes them. The second type is the message that the `#[actor]` macro wrote.
///
/// # Cancel safety
/// Dropped before it is done, the message has not been sent.
///
/// ```
/// use vaxel_actor::prelude::*;
///
/// /// Writes rows; who has many waits for it.
/// struct Table(Vec<u32>);
///
/// #[actor(crate = vaxel_actor, mailbox = Mailbox::bounded(8).on_full(OnFull::Wait))]
/// impl Table {
///     fn init() -> Self {
///         Table(Vec::new())
///     }
///
///     #[cast]
///     fn row(&mut self, row: u32) {
///         self.0.push(row);
///     }
///
///     #[call]
///     fn len(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let table = Table::spawn();
/// for row in 0..1_000 {
///     // `table.row(row)?` would be told that the mailbox is full.
///     table.send_row(row).await?;
/// }
/// assert_eq!(table.len().await, Ok(1_000));
/// # Ok::<(), SendError<u32>>(())
/// # }).unwrap();
/// ```
#[must_use = "a message is sent when this is awaited"]
pub struct Cast<T, M: Message> {
    inner: Sending<M>,
    unpack: fn(M) -> T,
}

impl<T, M: Message> Future for Cast<T, M> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sent = Pin::new(&mut self.inner).poll(cx);
        sent.map_err(|refused| given_back(refused, self.unpack))
    }
}

impl<T, M: Message> std::fmt::Debug for Cast<T, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cast").finish_non_exhaustive()
    }
}

/// Sends a message when it is awaited; a refused one is unpacked as by [`cast`].
#[inline]
pub fn send<A, M, T>(actor: &ActorRef<A>, message: M, unpack: fn(M) -> T) -> Cast<T, M>
where
    A: Actor + Handler<M>,
    M: Message,
{
    Cast {
        inner: actor.send(message),
        unpack,
    }
}

/// The arguments of a message that was refused.
fn given_back<M, T>(refused: SendError<M>, unpack: impl FnOnce(M) -> T) -> SendError<T> {
    let is_full = refused.is_full();
    let arguments = unpack(refused.into_message());
    if is_full {
        SendError::Full(arguments)
    } else {
        SendError::Closed(arguments)
    }
}

/// Sends a message without an answer; a refused one is unpacked into the arguments it was made of.
#[inline]
pub fn cast<A, M, T>(
    actor: &ActorRef<A>,
    message: M,
    unpack: impl FnOnce(M) -> T,
) -> Result<(), SendError<T>>
where
    A: Actor + Handler<M>,
    M: Message,
{
    let sent = actor.cast(message);
    sent.map_err(|refused| given_back(refused, unpack))
}
