//! Calls that are answered later: the message carries where the reply goes.
//!
//! The callee is handed a [`ReplyTo`] instead of being asked for a return value. It may keep it,
//! pass it on, and reply whenever it can. The reply travels in the node of the call, as every
//! other: a deferred call costs one allocation too.

use super::{Call, Reply};
use crate::cell::Header;
use crate::cell::future::{Completion, Ran, drive};
use crate::cell::node::{Discard, Node, Operations, state_of};
use crate::worker::Worker;
use crate::{Actor, ActorRef, ExitReason, Handler, Message};
use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Where the answer of a call goes.
///
/// Dropping it unused ends the call with [`CallError::Closed`](crate::CallError::Closed), or with
/// the crash if it is dropped because its actor crashes: the caller never waits for an answer that
/// cannot come.
#[must_use = "the caller waits for the reply"]
pub struct ReplyTo<T> {
    node: NonNull<Node>,
    /// Replies and gives the node up.
    reply: unsafe fn(NonNull<Node>, Result<T, ExitReason>),
}

// SAFETY: it is the replier's side of a call, which the protocol of `slot` lets move; what it sends
// is Send.
unsafe impl<T: Send> Send for ReplyTo<T> {}
// SAFETY: a shared reference to it offers nothing.
unsafe impl<T: Send> Sync for ReplyTo<T> {}

impl<T> ReplyTo<T> {
    /// Replies. The answer is dropped if the caller has given up.
    pub fn send(self, answer: T) {
        let this = ManuallyDrop::new(self);
        // SAFETY: made with this node, which is given up once: here, or in the drop that does not
        // run any more.
        unsafe { (this.reply)(this.node, Ok(answer)) };
    }
}

impl<T> Drop for ReplyTo<T> {
    fn drop(&mut self) {
        let reason = crate::panic::ending_reason().unwrap_or(ExitReason::Normal);
        // SAFETY: made with this node, which is given up once: here.
        unsafe { (self.reply)(self.node, Err(reason)) };
    }
}

impl<T> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyTo(..)")
    }
}

/// What travels: how the message is made once the callee has its turn.
pub struct Deferred<M, T>(Box<Make<M, T>>);

/// A constructor has no size, so boxing it allocates nothing.
type Make<M, T> = dyn FnOnce(ReplyTo<T>) -> M + Send;

impl<M: Message, T: Send + 'static> Message for Deferred<M, T> {
    type Reply = T;
}

impl<A: Actor> ActorRef<A> {
    /// Sends a message that carries where its answer goes, and awaits the answer.
    ///
    /// `make` is usually the constructor of a variant: `actor.call_with(Request::Length)`, where
    /// `Length(ReplyTo<usize>)`. It runs when the callee has its turn. Everything else is as with
    /// [`call`](Self::call).
    ///
    /// ```
    /// use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, ReplyTo, System};
    ///
    /// /// Lets callers in when the gate opens.
    /// struct Gate(Vec<ReplyTo<String>>);
    ///
    /// enum Request {
    ///     Enter(ReplyTo<String>),
    ///     Open,
    /// }
    /// impl Message for Request {
    ///     type Reply = ();
    /// }
    ///
    /// impl Actor for Gate {
    ///     type Args = ();
    ///     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
    ///         Ok(Gate(Vec::new()))
    ///     }
    /// }
    /// impl Handler<Request> for Gate {
    ///     async fn handle(&mut self, request: Request, _: &mut Context<Self>) {
    ///         match request {
    ///             Request::Enter(reply) => self.0.push(reply),
    ///             Request::Open => {
    ///                 self.0.drain(..).for_each(|reply| reply.send("welcome".to_owned()));
    ///             }
    ///         }
    ///     }
    /// }
    ///
    /// let system = System::builder().workers(1).build();
    /// let gate = system.spawn::<Gate>(());
    /// let (done, answer) = std::sync::mpsc::sync_channel(1);
    /// let task = system.spawn_future(async move {
    ///     let entering = gate.call_with(Request::Enter);
    ///     gate.cast(Request::Open).unwrap();
    ///     done.send(entering.await)
    /// });
    /// assert_eq!(answer.recv().unwrap(), Ok("welcome".to_owned()));
    /// # drop(task);
    /// system.shutdown();
    /// ```
    pub fn call_with<M, T>(
        &self,
        make: impl FnOnce(ReplyTo<T>) -> M + Send + 'static,
    ) -> Call<Deferred<M, T>>
    where
        A: Handler<M>,
        M: Message,
        T: Send + 'static,
    {
        let operations = DeferredOperations::<A, M, T>::OPERATIONS;
        Call::send_as(self.counted(), operations, Deferred(Box::new(make)))
    }
}

struct DeferredOperations<A, M, T>(PhantomData<(A, M, T)>);

impl<A, M, T> DeferredOperations<A, M, T>
where
    A: Handler<M>,
    M: Message,
    T: Send + 'static,
{
    const OPERATIONS: &'static Operations = &Operations {
        run: run_deferred::<A, M, T>,
        drop: super::drop_call::<Deferred<M, T>>,
        name: std::any::type_name::<M>,
        of_incarnation: false,
        node_type: TypeId::of::<super::CallNode<Deferred<M, T>>>,
    };
}

unsafe fn run_deferred<A, M, T>(cell: NonNull<Header>, node: NonNull<Node>, worker: &Worker) -> Ran
where
    A: Handler<M>,
    M: Message,
    T: Send + 'static,
{
    // SAFETY: S4, S2: we own the cell and the node.
    if unsafe { super::is_skipped::<A, Deferred<M, T>>(cell, node.cast(), worker) } {
        return Ran::Ready;
    }
    // SAFETY: S4: the node lives until it is answered.
    unsafe { super::parts(node.cast::<super::CallNode<Deferred<M, T>>>()) }
        .slot
        .defer();
    // SAFETY: S4; the message is taken once, here, and the node is the reply's from then on.
    let Deferred(make) = unsafe { super::take_message::<Deferred<M, T>>(node) };
    let message = make(ReplyTo {
        node,
        reply: reply_to::<M, T>,
    });
    // SAFETY: the owner runs handlers in phase Running only (S2, S3).
    unsafe {
        drive::<A, _, _>(cell, worker, Discard::of::<M>(), |cell, cx| {
            A::handle(state_of(cell), message, cx)
        })
    }
}

unsafe fn reply_to<M, T>(node: NonNull<Node>, outcome: Result<T, ExitReason>)
where
    M: Message,
    T: Send + 'static,
{
    let reply = Reply::<Deferred<M, T>>(node.cast());
    match outcome {
        Ok(answer) => reply.send(Ok(answer)),
        Err(reason) => reply.abandon(&reason),
    }
}
