//! Calls: a message whose answer is awaited.
//!
//! A call ends: with the reply, with the crash of the callee, with its time limit (then the outcome
//! is unknown: the message may have been handled, and a late reply is dropped), or because the
//! callee has ended or its mailbox is full. The node of the message carries the reply back, so a
//! call costs one allocation.

pub(crate) mod limit;
pub(crate) mod pending;
pub(crate) mod slot;

use crate::cell::future::{Completion, Ran, drive};
use crate::cell::node::{Node, Operations, state_of};
use crate::cell::word::Pushed;
use crate::cell::{self, Counted, Header};
use crate::reference::{Refused, count_refused};
use crate::timer::{Action, Key};
use crate::worker::{self, Worker};
use crate::{ExitReason, Handler, Message};
use limit::Limit;
use pending::{Entry, Sweepable, withdraw};
use slot::{Left, Nudged, Published, Slot, Wait};
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

/// A call with a shorter limit than this starts its timer when it begins to wait; a longer one
/// may begin up to [`SWEEP`](pending::SWEEP) later, which is 5 % of it at the most.
const LAZY_MIN: Duration = Duration::from_millis(100);

/// An answer that is awaited. The message has been sent.
///
/// The time limit begins when the call is first polled, or when the callee asks for it. It never
/// ends early; it ends late by at most a millisecond, or by 6 ms where it is 100 ms or longer, and
/// by the time the machine needs to run the caller.
///
/// # Cancel safety
/// Dropping a call gives up the answer; the message is handled all the same.
#[must_use = "the answer of a call must be awaited; use cast for a message without one"]
pub struct Call<M: Message> {
    node: Result<NonNull<CallNode<M>>, Option<CallError>>,
    target: Counted,
    timer: Option<Key>,
    /// Where a worker has taken note of this call.
    entry: Option<NonNull<Entry<CallHead>>>,
    /// The call looks at the time itself.
    is_late: bool,
}

// SAFETY: the node is shared by the protocol of `slot`, the entry by that of `pending`; message and
// reply are Send.
unsafe impl<M: Message> Send for Call<M> {}
// SAFETY: a shared reference to a call offers nothing.
unsafe impl<M: Message> Sync for Call<M> {}

/// The part of a call's node that does not depend on the message.
#[repr(C)]
pub(crate) struct CallHead {
    node: Node,
    slot: Slot,
    pub(crate) limit: Limit,
}

impl Sweepable for CallHead {
    fn nudge(&self) -> Nudged {
        self.slot.nudge()
    }
}

#[repr(C)]
struct CallNode<M: Message> {
    head: CallHead,
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
        let node = NonNull::from(Box::leak(Box::new(CallNode {
            head: CallHead {
                node: Node::new(CallOperations::<A, M>::OPERATIONS),
                slot: Slot::new(),
                limit: Limit::after(CALL_TIMEOUT),
            },
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
        Self {
            node,
            target: to.clone(),
            timer: None,
            entry: None,
            is_late: false,
        }
    }

    /// Sets the time limit. Default: [`CALL_TIMEOUT`]. Changes nothing once it has begun.
    pub fn timeout(self, limit: Duration) -> Self {
        self.set_limit(Some(limit));
        self
    }

    /// Waits as long as the callee lives.
    pub fn no_timeout(self) -> Self {
        self.set_limit(None);
        self
    }

    fn set_limit(&self, limit: Option<Duration>) {
        if let Ok(node) = &self.node {
            // SAFETY: the node lives until we let go.
            unsafe { head(*node) }.limit.set(limit);
        }
    }

    /// Forgets everything that was set up for waiting: nobody but the replier knows the node.
    #[inline]
    fn stop_waiting(&mut self, node: NonNull<CallNode<M>>) {
        if let Some(entry) = self.entry.take() {
            // SAFETY: tables of entries live as long as the core, which our target keeps.
            withdraw(unsafe { entry.as_ref() }, node.cast());
        }
        if let Some(key) = self.timer.take() {
            self.target.header().table().core().timers.cancel(key);
        }
    }

    fn let_go(&mut self) {
        let Ok(node) = std::mem::replace(&mut self.node, Err(None)) else {
            return;
        };
        self.stop_waiting(node);
        // SAFETY: rule 3 of the slot: a node with an outcome is ours, and it was not taken.
        unsafe {
            if head(node).slot.leave() == Left::Outcome {
                drop_with_outcome(node);
            }
        }
    }

    /// The first poll that finds no outcome: a note for the sweeper, or a timer at once. True when
    /// the limit is over.
    #[inline]
    fn begin_waiting(&mut self, node: NonNull<CallNode<M>>, waker: &Waker) -> bool {
        let core = self.target.header().table().core;
        self.entry = worker::with_current(core, |worker| {
            worker.and_then(|worker| worker.note_call(node.cast()))
        });
        // SAFETY: the node lives until we let go.
        if self.entry.is_none() || unsafe { head(node) }.limit.is_below(LAZY_MIN) {
            self.is_late = true;
            return self.look_at_the_time(node, waker);
        }
        false
    }

    /// Starts the timer, or moves it to this waker. True when the limit is over.
    #[cold]
    fn look_at_the_time(&mut self, node: NonNull<CallNode<M>>, waker: &Waker) -> bool {
        let core = self.target.header().table().core();
        let now = core.clock.now();
        // SAFETY: the node lives until we let go.
        let Some(deadline) = unsafe { head(node) }.limit.begin(now) else {
            return false;
        };
        if now >= deadline {
            return true;
        }
        if !self.timer.is_some_and(|key| core.timers.rewake(key, waker)) {
            self.timer = Some(core.timers.start(deadline, Action::Wake(waker.clone())));
        }
        false
    }

    /// Polls a call that has no outcome yet. True when its limit is over.
    #[inline]
    fn wait(&mut self, node: NonNull<CallNode<M>>, waker: &Waker, late: bool) -> bool {
        if self.is_late || late {
            self.is_late = true;
            self.look_at_the_time(node, waker)
        } else if self.entry.is_none() {
            self.begin_waiting(node, waker)
        } else {
            false
        }
    }
}

/// # Safety
/// The node lives for as long as the reference is used. Its parts are borrowed, never the whole:
/// the worker writes its link.
unsafe fn head<'a, M: Message>(node: NonNull<CallNode<M>>) -> &'a CallHead {
    // SAFETY: what this needs is what the caller has promised.
    unsafe { &(*node.as_ptr()).head }
}

impl<M: Message> Future for Call<M> {
    type Output = Result<M::Reply, CallError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let node = match &mut this.node {
            Ok(node) => *node,
            Err(error) => {
                let error = error.take().unwrap_or(CallError::Closed);
                return Poll::Ready(Err(error));
            }
        };
        // SAFETY: the node lives until we let go.
        let slot = unsafe { &(*node.as_ptr()).head.slot };
        if let Wait::Waits { late } = slot.wait(cx.waker()) {
            if !this.wait(node, cx.waker(), late) {
                return Poll::Pending;
            }
            if !slot.is_done() {
                this.let_go();
                return Poll::Ready(Err(CallError::Timeout));
            }
        }
        this.stop_waiting(node);
        this.node = Err(None);
        // SAFETY: rule 2 of the slot: the node is ours, and we have just forgotten it.
        let outcome = unsafe { take_outcome(node) };
        Poll::Ready(outcome.map_err(|reason| {
            if reason.is_abnormal() && reason != ExitReason::NoProcess {
                CallError::Crashed(reason)
            } else {
                CallError::Closed
            }
        }))
    }
}

impl<M: Message> Drop for Call<M> {
    #[inline]
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Takes the outcome and frees the node.
///
/// # Safety
/// The node is the caller's alone, and holds an outcome.
#[inline]
unsafe fn take_outcome<M: Message>(node: NonNull<CallNode<M>>) -> Result<M::Reply, ExitReason> {
    // SAFETY: what this needs is what the caller has promised.
    unsafe {
        let node = Box::from_raw(node.as_ptr());
        ManuallyDrop::take(&mut (*node.data.get()).outcome)
    }
}

/// As [`take_outcome`], for an outcome that nobody wants: its drop may panic.
#[cold]
unsafe fn drop_with_outcome<M: Message>(node: NonNull<CallNode<M>>) {
    // SAFETY: what this needs is what the caller has promised.
    let outcome = unsafe { take_outcome(node) };
    crate::panic::contain(|| drop(outcome));
}

/// The replier's side of a call.
struct Reply<M: Message>(NonNull<CallNode<M>>);

impl<M: Message> Reply<M> {
    #[inline]
    fn send(self, outcome: Result<M::Reply, ExitReason>) {
        let node = self.0;
        // SAFETY: the message has been taken out, and the outcome is ours to write until it is
        // published; rules 2 and 3 of the slot say whose the node is then.
        unsafe {
            (*(*node.as_ptr()).data.get()).outcome = ManuallyDrop::new(outcome);
            match head(node).slot.publish() {
                Published::Wake(waker) => waker.wake(),
                Published::Quiet => {}
                Published::Gone => drop_with_outcome(node),
            }
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

unsafe fn drop_call<M: Message>(node: NonNull<Node>, reason: &ExitReason) {
    let node = node.cast::<CallNode<M>>();
    // SAFETY: S4; the message was never taken.
    unsafe {
        let message = ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).message);
        crate::panic::contain(|| drop(message));
    }
    Reply(node).abandon(reason);
}
