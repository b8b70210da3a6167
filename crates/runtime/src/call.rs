//! Calls: a message whose answer is awaited.
//!
//! A call ends: with the reply, with the crash of the callee, with its time limit (then the outcome
//! is unknown: the message may have been handled, and a late reply is dropped), or because the
//! callee has ended or its mailbox is full. The node of the message carries the reply back, so a
//! call costs one allocation.

pub(crate) mod deferred;
pub(crate) mod slot;

use crate::cell::future::{Completion, Ran, drive};
use crate::cell::node::{Node, Operations, state_of};
use crate::cell::word::Pushed;
use crate::cell::{self, Counted, Header};
use crate::clock::Time;
use crate::reference::{Refused, count_refused};
use crate::timer::{Action, Key};
use crate::worker::Worker;
use crate::{ExitReason, Handler, Message};
use slot::{Let, SlotState};
use std::any::TypeId;
use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Why a call has no reply. `E` is the handler's own error, when it returns a `Result`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The handler returned an error.
    #[error(transparent)]
    Handler(E),
    /// The callee crashed or was killed before it replied.
    #[error("the called actor crashed: {0}")]
    Crashed(ExitReason),
    /// No reply within the limit. Whether the message was or will be handled is unknown.
    #[error("no reply in time; the outcome is unknown")]
    Timeout,
    /// The callee had ended, or ended in good order without handling the message.
    #[error("the called actor has ended")]
    Closed,
    /// The callee's mailbox was at its bound; nothing was sent.
    #[error("the called actor's mailbox is full")]
    Full,
}

impl CallError {
    /// The same error where the handler has one of its own.
    pub fn widen<E>(self) -> CallError<E> {
        match self {
            Self::Handler(never) => match never {},
            Self::Crashed(reason) => CallError::Crashed(reason),
            Self::Timeout => CallError::Timeout,
            Self::Closed => CallError::Closed,
            Self::Full => CallError::Full,
        }
    }
}

/// How long a call waits unless told otherwise.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// An answer that is awaited. The message has been sent.
///
/// The time limit counts from the first poll. Dropping a call gives up the answer; the message is
/// handled all the same.
#[must_use = "the answer of a call must be awaited; use cast for a message without one"]
pub struct Call<M: Message> {
    node: Result<NonNull<CallNode<M>>, Option<CallError>>,
    target: Counted,
    timeout: Option<Duration>,
    deadline: Option<Time>,
    timer: Option<Key>,
}

// SAFETY: the node is shared with one replier by the protocol of `slot`; message and reply are
// Send.
unsafe impl<M: Message> Send for Call<M> {}
// SAFETY: a shared reference to a call offers nothing.
unsafe impl<M: Message> Sync for Call<M> {}

#[repr(C)]
struct CallNode<M: Message> {
    node: Node,
    state: SlotState,
    /// The caller's, or the replier's to read: see `slot`.
    waker: UnsafeCell<Option<Waker>>,
    data: UnsafeCell<Data<M>>,
}

/// First the message, then the outcome.
union Data<M: Message> {
    message: ManuallyDrop<M>,
    outcome: ManuallyDrop<Result<M::Reply, ExitReason>>,
}

impl<M: Message> Call<M> {
    #[inline]
    pub(crate) fn send<A: Handler<M>>(to: &Counted, message: M) -> Self {
        Self::send_as(to, CallOperations::<A, M>::OPERATIONS, message)
    }

    /// Sends a message whose node has these operations, which reply through [`Reply`].
    #[inline]
    fn send_as(to: &Counted, operations: &'static Operations, message: M) -> Self {
        let node = NonNull::from(Box::leak(Box::new(CallNode {
            node: Node::new(operations),
            state: SlotState::new(),
            waker: UnsafeCell::new(None),
            data: UnsafeCell::new(Data {
                message: ManuallyDrop::new(message),
            }),
        })));
        let capacity = to.header().table().capacity;
        let limit = (capacity != u32::MAX).then_some(capacity);
        // SAFETY: we hold a reference, and the node is ours.
        let refused = match unsafe { cell::push(to.cell(), node.cast(), limit) } {
            Pushed::Schedule | Pushed::Queued => None,
            Pushed::Full => Some((Refused::Full, CallError::Full)),
            Pushed::Dead => Some((Refused::Closed, CallError::Closed)),
        };
        let node = match refused {
            None => Ok(node),
            Some((refused, error)) => {
                count_refused(to, refused);
                // SAFETY: a refused node stays ours, with its message in it.
                unsafe {
                    ManuallyDrop::drop(&mut (*node.as_ref().data.get()).message);
                    drop(Box::from_raw(node.as_ptr()));
                }
                Err(Some(error))
            }
        };
        let timeout = Some(CALL_TIMEOUT);
        Self {
            node,
            target: to.clone(),
            timeout,
            deadline: None,
            timer: None,
        }
    }

    /// Sets the time limit. Default: [`CALL_TIMEOUT`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Waits as long as the callee lives.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    fn let_go(&mut self) {
        if let Some(key) = self.timer.take() {
            self.target.header().table().core().timers.cancel(key);
        }
        let Ok(node) = std::mem::replace(&mut self.node, Err(None)) else {
            return;
        };
        // SAFETY: the node lives until both sides have let go; this is our side.
        unsafe {
            let verdict = (*node.as_ptr()).state.caller_gone();
            free(node, verdict);
        }
    }

    fn start_timer(&mut self, waker: &Waker) -> bool {
        let Some(timeout) = self.timeout else {
            return false;
        };
        let core = self.target.header().table().core();
        let now = core.clock.now();
        let deadline = *self.deadline.get_or_insert(now + timeout);
        if now >= deadline {
            return true;
        }
        if let Some(key) = self.timer.take() {
            core.timers.cancel(key);
        }
        self.timer = Some(core.timers.start(deadline, Action::Wake(waker.clone())));
        false
    }
}

impl<M: Message> Future for Call<M> {
    type Output = Result<M::Reply, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let node = match &mut this.node {
            Ok(node) => *node,
            Err(error) => {
                let error = error.take().unwrap_or(CallError::Closed);
                return Poll::Ready(Err(error));
            }
        };
        // SAFETY: the node lives until we let go; only its parts are borrowed, never the whole, for
        // the worker writes its link.
        let (state, slot) = unsafe { (&(*node.as_ptr()).state, (*node.as_ptr()).waker.get()) };
        if !state.has_outcome() {
            // SAFETY: while WAITING is set the waker is only read, by both sides.
            let same = state.is_waiting()
                && unsafe { &*slot }
                    .as_ref()
                    .is_some_and(|old| old.will_wake(cx.waker()));
            let free = !same && (!state.is_waiting() || state.stop_waiting());
            let waits = same
                || free && {
                    // SAFETY: WAITING is clear and there was no outcome: the slot is ours.
                    unsafe { *slot = Some(cx.waker().clone()) };
                    state.wait()
                };
            if waits {
                let elapsed = (!same || this.timer.is_none() || this.is_due())
                    && this.start_timer(cx.waker());
                if !elapsed {
                    return Poll::Pending;
                }
                if !state.has_outcome() {
                    this.let_go();
                    return Poll::Ready(Err(CallError::Timeout));
                }
            }
        }
        state.take();
        // SAFETY: the outcome has been published and is taken once: we let go below.
        let outcome = unsafe { ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).outcome) };
        this.let_go();
        Poll::Ready(outcome.map_err(|reason| {
            if reason.is_abnormal() && reason != ExitReason::NoProcess {
                CallError::Crashed(reason)
            } else {
                CallError::Closed
            }
        }))
    }
}

impl<M: Message> Call<M> {
    fn is_due(&self) -> bool {
        let now = || self.target.header().table().core().clock.now();
        self.deadline.is_some_and(|deadline| now() >= deadline)
    }
}

impl<M: Message> Drop for Call<M> {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Frees a call's node as the slot says.
unsafe fn free<M: Message>(node: NonNull<CallNode<M>>, verdict: Let) {
    // SAFETY: the verdict makes us the only one left.
    unsafe {
        match verdict {
            Let::Go => return,
            Let::FreeWithOutcome => {
                let outcome = ManuallyDrop::take(&mut (*node.as_ref().data.get()).outcome);
                crate::panic::contain(|| drop(outcome));
            }
            Let::Free => {}
        }
        drop(Box::from_raw(node.as_ptr()));
    }
}

/// The replier's side of a call.
struct Reply<M: Message>(NonNull<CallNode<M>>);

impl<M: Message> Reply<M> {
    #[inline]
    fn send(self, outcome: Result<M::Reply, ExitReason>) {
        let node = self.0;
        // SAFETY: the message has been taken out, and the outcome is ours to write until it is
        // published; the node lives until we let go.
        unsafe {
            (*(*node.as_ptr()).data.get()).outcome = ManuallyDrop::new(outcome);
            if (*node.as_ptr()).state.publish()
                && let Some(waker) = &*(*node.as_ptr()).waker.get()
            {
                waker.wake_by_ref();
            }
            let verdict = (*node.as_ptr()).state.replier_done();
            free(node, verdict);
        }
    }
}

impl<M: Message> Completion<M::Reply> for Reply<M> {
    #[inline]
    unsafe fn complete(self, _cell: NonNull<Header>, value: M::Reply) {
        self.send(Ok(value));
    }

    fn abandon(self, reason: &ExitReason) {
        self.send(Err(reason.clone()));
    }
}

struct CallOperations<A, M>(std::marker::PhantomData<(A, M)>);

impl<A: Handler<M>, M: Message> CallOperations<A, M> {
    const OPERATIONS: &'static Operations = &Operations {
        run: run_call::<A, M>,
        drop: drop_call::<M>,
        name: std::any::type_name::<M>,
        of_incarnation: false,
        node_type: TypeId::of::<CallNode<M>>,
    };
}

unsafe fn run_call<A: Handler<M>, M: Message>(
    cell: NonNull<Header>,
    node: NonNull<Node>,
    worker: &Worker,
) -> Ran {
    let node = node.cast::<CallNode<M>>();
    // SAFETY: S4; the message is taken once, here.
    unsafe {
        let message = ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).message);
        drive::<A, _, _>(cell, worker, Reply(node), |cell, cx| {
            A::handle(state_of(cell), message, cx)
        })
    }
}

/// Takes the message out of a call's node; what is left is the reply's.
///
/// # Safety
/// The node is a call's of `M` and the caller's (S4), and its message has not been taken.
unsafe fn take_message<M: Message>(node: NonNull<Node>) -> M {
    let node = node.cast::<CallNode<M>>();
    // SAFETY: what this needs is what the caller has promised.
    unsafe { ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).message) }
}

unsafe fn drop_call<M: Message>(node: NonNull<Node>, reason: &ExitReason) {
    let node = node.cast::<CallNode<M>>();
    // SAFETY: S4; the message was never taken.
    unsafe {
        let message = ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).message);
        crate::panic::contain(|| drop(message));
    }
    Reply(node).abandon(reason);
}
