//! Selective receive: a handler that waits for a message of its choice.
//!
//! # Order
//! The oldest message that fits is taken. All others stay where they are and are handled, in order,
//! when the handler is done.
//!
//! # Bounds
//! Messages that do not fit stay in the actor's own list, which holds as many as its mailbox
//! beside the mailbox itself. When the list is full, nothing new can be looked at, and the receive
//! says so rather than waiting for ever.
//!
//! # Ending
//! A receive ends as soon as the actor is asked to stop, so that a handler that only receives can
//! be stopped in good order.

use crate::cell::node::{CastNode, Node};
use crate::cell::signal::StopNode;
use crate::cell::turn::reverse;
use crate::cell::{CLOSE, Header, SHUTDOWN, out_of_turn};
use crate::clock::Time;
use crate::mailbox::ring::{self, Token};
use crate::timer::{Action, Key};
use crate::{Actor, Context, Handler, Mailbox, Message};
use std::any::TypeId;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

/// Why a receive has no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Nothing that fits came within the limit.
    #[error("no message that fits came in time")]
    Timeout,
    /// The actor has been asked to stop; it does so when the handler returns.
    #[error("the actor has been asked to stop")]
    Stopping,
    /// As many messages that do not fit are waiting as the mailbox may hold.
    #[error("too many messages wait that do not fit")]
    Full,
}

impl<A: Actor> Context<A> {
    /// Waits for a message of type `M` that fits, past all others; those are handled when this
    /// handler is done, in order. Messages that were sent as casts, by timers or by
    /// [`Recipient`](crate::Recipient) are looked at, calls are not.
    ///
    /// Waits without a limit unless [`Receive::timeout`] sets one. Cancel-safe: a receive that is
    /// dropped has taken nothing.
    ///
    /// # Errors
    /// If the limit is reached, the actor is asked to stop, or too much else is waiting.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, ReceiveError, System};
    ///
    /// struct Clerk;
    /// impl Actor for Clerk {
    ///     type Args = ();
    ///     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
    ///         Ok(Clerk)
    ///     }
    /// }
    ///
    /// struct Form(u32);
    /// impl Message for Form {
    ///     type Reply = ();
    /// }
    /// impl Handler<Form> for Clerk {
    ///     async fn handle(&mut self, _: Form, _: &mut Context<Self>) {}
    /// }
    ///
    /// struct Find(u32);
    /// impl Message for Find {
    ///     type Reply = Result<u32, ReceiveError>;
    /// }
    /// impl Handler<Find> for Clerk {
    ///     async fn handle(
    ///         &mut self,
    ///         Find(number): Find,
    ///         cx: &mut Context<Self>,
    ///     ) -> Result<u32, ReceiveError> {
    ///         let fits = |form: &Form| form.0 == number;
    ///         let form = cx.receive(fits).timeout(Duration::from_secs(1)).await?;
    ///         Ok(form.0)
    ///     }
    /// }
    ///
    /// let system = System::builder().workers(1).build();
    /// let clerk = system.spawn::<Clerk>(());
    /// let (done, answer) = std::sync::mpsc::sync_channel(1);
    /// let task = system.spawn_future(async move {
    ///     let found = clerk.call(Find(7));
    ///     for number in 1..=7 {
    ///         clerk.cast(Form(number)).unwrap();
    ///     }
    ///     done.send(found.await)
    /// });
    /// assert_eq!(answer.recv().unwrap(), Ok(Ok(7)));
    /// # drop(task);
    /// system.shutdown();
    /// ```
    pub fn receive<M, P>(&mut self, fits: P) -> Receive<'_, A, M, P>
    where
        M: Message,
        A: Handler<M>,
        P: FnMut(&M) -> bool,
    {
        Receive {
            cx: self,
            fits,
            last: null_mut(),
            seen: 0,
            timeout: None,
            deadline: None,
            timer: None,
            message: PhantomData,
        }
    }
}

/// A message that is waited for; see [`Context::receive`].
#[must_use = "futures do nothing unless polled"]
pub struct Receive<'a, A: Actor, M, P> {
    cx: &'a mut Context<A>,
    fits: P,
    /// The newest node that has been looked at. It stays in the list while this lives: the context
    /// is borrowed, so nothing else rearranges the mail.
    last: *mut Node,
    seen: u32,
    timeout: Option<Duration>,
    deadline: Option<Time>,
    timer: Option<Key>,
    message: PhantomData<fn() -> M>,
}

// SAFETY: as a context, it lives inside a future of its own actor, which moves between workers
// whole; the node is touched in a poll of that future only (S2).
unsafe impl<A: Actor, M, P: Send> Send for Receive<'_, A, M, P> {}

impl<A: Actor, M, P> Unpin for Receive<'_, A, M, P> {}

enum Looked<M> {
    Found(M),
    Stop,
    Nothing,
}

impl<A, M, P> Receive<'_, A, M, P>
where
    A: Handler<M>,
    M: Message,
    P: FnMut(&M) -> bool,
{
    /// Sets a time limit, which counts from the first poll. With a limit of zero only what has
    /// already arrived is looked at.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Looks at the nodes that have not been looked at.
    fn look(&mut self) -> Looked<M> {
        let header = self.cx.header();
        // SAFETY: inside a poll of this cell the list is ours (S2), and so are its nodes (S4); a
        // node of that type was made as a cast of `M`. `link` points at the pointer to the node.
        unsafe {
            let mut link: *mut *mut Node = match self.last.as_mut() {
                Some(last) => &raw mut last.next,
                None => header.local.as_ptr(),
            };
            while let Some(node) = NonNull::new(*link) {
                let node_type = (node.as_ref().operations.node_type)();
                if node_type == TypeId::of::<CastNode<M>>() {
                    if (self.fits)(CastNode::<M>::message_of(node)) {
                        *link = node.as_ref().next;
                        return Looked::Found(CastNode::<M>::into_message(node));
                    }
                } else if node_type == TypeId::of::<Token>() {
                    *link = ring::expand(header, node, node.as_ref().next);
                    continue;
                } else if node_type == TypeId::of::<StopNode>() {
                    return Looked::Stop;
                }
                self.last = node.as_ptr();
                self.seen += 1;
                link = &raw mut (*node.as_ptr()).next;
            }
        }
        Looked::Nothing
    }

    /// Takes what waits in the mailbox. False: nothing did.
    fn fetch(&mut self) -> bool {
        let header = self.cx.header();
        // SAFETY: what was taken is ours (S4), and so is the list (S2); `look` has left `last` at
        // its end.
        unsafe {
            let newer = reverse(header.word.take());
            if header.word.is_gated() {
                header.table().core().room.admit(NonNull::from(header));
            }
            match self.last.as_mut() {
                Some(last) => last.next = newer,
                None => header.local.set(newer),
            }
            !newer.is_null()
        }
    }

    fn is_stopping(header: &Header) -> bool {
        header.signals.load(Relaxed) & (SHUTDOWN | CLOSE) != 0
    }

    /// True when the limit is reached; else the timer wakes the handler.
    fn is_late(&mut self, cx: &std::task::Context<'_>) -> bool {
        let Some(limit) = self.timeout else {
            return false;
        };
        let core = self.cx.header().table().core();
        let now = core.clock.now();
        let deadline = *self.deadline.get_or_insert(now + limit);
        if let Some(key) = self.timer.take() {
            core.timers.cancel(key);
        }
        if now >= deadline {
            return true;
        }
        let wake = Action::Wake(cx.waker().clone());
        self.timer = Some(core.timers.start(&core.clock, deadline, wake));
        false
    }
}

impl<A, M, P> Future for Receive<'_, A, M, P>
where
    A: Handler<M>,
    M: Message,
    P: FnMut(&M) -> bool,
{
    type Output = Result<M, ReceiveError>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let bound = this.cx.header().table().mailbox.capacity();
        let bound = bound.unwrap_or(Mailbox::CAPACITY_MAX);
        loop {
            match this.look() {
                Looked::Found(message) => return Poll::Ready(Ok(message)),
                Looked::Stop => return Poll::Ready(Err(ReceiveError::Stopping)),
                Looked::Nothing if Self::is_stopping(this.cx.header()) => {
                    return Poll::Ready(Err(ReceiveError::Stopping));
                }
                Looked::Nothing if this.seen >= bound => {
                    return Poll::Ready(Err(ReceiveError::Full));
                }
                Looked::Nothing => {}
            }
            if !this.fetch() {
                break;
            }
        }
        if this.is_late(cx) {
            return Poll::Ready(Err(ReceiveError::Timeout));
        }
        out_of_turn::set_receiving(this.cx.header(), true);
        Poll::Pending
    }
}

impl<A: Actor, M, P> Drop for Receive<'_, A, M, P> {
    fn drop(&mut self) {
        let header = self.cx.header();
        out_of_turn::set_receiving(header, false);
        if let Some(key) = self.timer.take() {
            header.table().core().timers.cancel(key);
        }
    }
}
