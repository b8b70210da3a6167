//! Calls: a message whose answer is awaited.
//!
//! A call ends: with the reply, with the crash of the callee, with its time limit (then the outcome
//! is unknown: the message may have been handled, and a late reply is dropped), or because the
//! callee has ended or its mailbox is full. The node of the message carries the reply back, so a
//! call costs one allocation.

pub(crate) mod cycle;
pub(crate) mod deferred;
pub(crate) mod limit;
pub(crate) mod pending;
pub(crate) mod slot;

use crate::cell::future::{Completion, Ran, drive};
use crate::cell::node::{Node, Operations, state_of};
use crate::cell::word::Pushed;
use crate::cell::{self, Counted, Header};
use crate::mailbox::room::{Entered, Ticket};
use crate::mailbox::{NO_ROOM, OnFull};
use crate::reference::count_dead_letter;
use crate::timer::{Action, Key};
use crate::types::Count;
use crate::worker::{self, Worker};
use crate::{Actor, ExitReason, Handler, Message};
use cycle::CallCycle;
use limit::Limit;
use pending::{Entry, Sweepable, withdraw};
use slot::{Left, Nudged, Published, Slot, Wait};
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
///
/// ```
/// use vaxel_runtime::{CallError, ExitReason};
///
/// /// Whether it may be asked again without harm.
/// fn was_not_handled<E>(error: &CallError<E>) -> bool {
///     match error {
///         CallError::Full | CallError::Cycle(_) => true,
///         // It has begun, or nobody knows.
///         CallError::Handler(_) | CallError::Crashed(_) | CallError::Timeout => false,
///         _ => false,
///     }
/// }
/// assert!(was_not_handled(&CallError::<u8>::Full));
/// assert!(!was_not_handled(&CallError::<u8>::Crashed(ExitReason::Killed)));
/// ```
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
    /// The call could never be answered: its callee waits, through others perhaps, for the caller.
    /// The message was not handled.
    #[error("{0}")]
    Cycle(CallCycle),
    /// The callee had ended, or ended in good order without handling the message.
    #[error("the called actor has ended")]
    Closed,
    /// The callee's mailbox had no room within the limit, or gave this message up for newer ones
    /// (see [`OnFull`](crate::OnFull)). The message was not handled.
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
            Self::Cycle(cycle) => CallError::Cycle(cycle),
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
/// # Deadlines
/// A call that is made while another call is handled ends no later than that one: nobody waits for
/// its answer then. So a deadline is carried along, through any number of actors, and
/// [`cx.deadline()`](crate::Context::deadline) tells a handler how long anybody will wait for it.
/// (Between calls of the same limit that have just begun, up to 6 ms may be missing.) An actor
/// type may ask that calls nobody waits for are [skipped](crate::Actor::SKIP_EXPIRED).
///
/// # Cycles
/// An actor that calls itself, or one that waits for it, could wait for ever. Such a call fails
/// within some milliseconds with [`CallError::Cycle`], which names the actors; it is the one that
/// closed the cycle, and the others go on. A cycle is reported only when every actor in it does
/// nothing but wait for calls to others in it: one that also waits for a timer, for I/O or for
/// anything else may yet go on by itself, and keeps its time limit. Of several calls awaited at
/// once (joined or selected) all must be stuck; calls inside a combinator that has wakers of its
/// own, and those handed to another task, are never reported. So are no calls from outside of
/// actors. Cycles of more than a thousand actors end by their time limit.
///
/// # Cancel safety
/// Dropping a call gives up the answer; the message is handled all the same, unless it still waits
/// for room in a full mailbox: then it is not sent.
#[must_use = "the answer of a call must be awaited; use cast for a message without one"]
pub struct Call<M: Message> {
    node: Result<NonNull<CallNode<M>>, Option<CallError>>,
    target: Counted,
    timer: Option<Key>,
    /// The message waits for room.
    ticket: Option<Ticket>,
    /// The actor that may be in the table of those who wait for this call. Never looked into.
    examined_in: Option<NonNull<Header>>,
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
    pub(crate) slot: Slot,
    pub(crate) limit: Limit,
}

impl Sweepable for CallHead {
    unsafe fn nudge(call: NonNull<Self>) -> Nudged {
        // SAFETY: the call lives, by the caller's word.
        unsafe { (*call.as_ptr()).slot.nudge() }
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
    outcome: ManuallyDrop<Result<M::Reply, Undone>>,
}

/// Why a call was not answered.
enum Undone {
    Ended(ExitReason),
    /// It was skipped: nobody waited any more.
    Expired,
    /// It was dropped to make room.
    NoRoom,
}

impl From<Undone> for CallError {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Expired => Self::Timeout,
            Undone::NoRoom => Self::Full,
            Undone::Ended(reason) if reason.is_abnormal() && reason != ExitReason::NoProcess => {
                Self::Crashed(reason)
            }
            Undone::Ended(_) => Self::Closed,
        }
    }
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
            head: CallHead {
                node: Node::new(operations),
                slot: Slot::new(),
                limit: Limit::after(CALL_TIMEOUT),
            },
            data: UnsafeCell::new(Data {
                message: ManuallyDrop::new(message),
            }),
        })));
        // SAFETY: the node is ours until it is pushed.
        inherit(unsafe { &node.as_ref().head.limit }, to);
        let limit = Some(to.header().table().capacity);
        // SAFETY: we hold a reference, and the node is ours.
        let sent = match unsafe { cell::push(to.cell(), node.cast(), limit) } {
            Pushed::Schedule | Pushed::Queued => Ok(None),
            // SAFETY: the node is ours, with its message in it.
            Pushed::Full => unsafe { wait_for_room(to, node) },
            Pushed::Dead => Err(CallError::Closed),
        };
        let (node, ticket) = match sent {
            Ok(ticket) => (Ok(node), ticket),
            Err(error) => {
                count_dead_letter(to);
                // SAFETY: a refused node stays ours, with its message in it.
                unsafe { drop_unsent(node) };
                (Err(Some(error)), None)
            }
        };
        Self {
            node,
            ticket,
            target: to.clone(),
            timer: None,
            examined_in: None,
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
            let own = unsafe { parts(*node) }.limit;
            own.set(limit);
            inherit(own, &self.target);
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
        if let Some(cell) = self.examined_in.take() {
            let waiting = &self.target.header().table().core().waiting;
            waiting.forget(cell, node.cast());
        }
    }

    /// Gives up. True when the message has never reached the mailbox. With `cancel` it is taken
    /// back unless the callee has begun with it.
    fn let_go(&mut self, cancel: bool) -> bool {
        let Ok(node) = std::mem::replace(&mut self.node, Err(None)) else {
            return false;
        };
        self.stop_waiting(node);
        if let Some(ticket) = self.ticket.take() {
            let room = &self.target.header().table().core().room;
            if room.withdraw(&self.target, ticket).is_some() {
                // SAFETY: nobody else knows the node; its waker goes first.
                unsafe {
                    parts(node).slot.leave();
                    drop_unsent(node);
                }
                return true;
            }
        }
        // SAFETY: rule 3 of the slot: a node with an outcome is ours, and it was not taken.
        unsafe {
            let slot = parts(node).slot;
            let left = if cancel { slot.cancel() } else { slot.leave() };
            if left == Left::Outcome {
                drop_with_outcome(node);
            }
        }
        false
    }

    /// The first poll that finds no outcome: a note for the sweeper, or a timer at once.
    #[inline]
    fn begin_waiting(&mut self, node: NonNull<CallNode<M>>, waker: &Waker) -> Option<CallError> {
        let core = self.target.header().table().core;
        self.entry = worker::with_current(core, |worker| {
            worker.and_then(|worker| worker.note_call(node.cast()))
        });
        if self.entry.is_none() {
            self.is_late = true;
            return self.look_around(node, waker, true);
        }
        // SAFETY: the node lives until we let go.
        if unsafe { parts(node) }.limit.is_below(LAZY_MIN) {
            return self.look_at_the_time(node, waker, None);
        }
        None
    }

    /// The call has been waiting for a while: is there a reason not to go on?
    #[cold]
    fn look_around(
        &mut self,
        node: NonNull<CallNode<M>>,
        waker: &Waker,
        fresh: bool,
    ) -> Option<CallError> {
        let core = self.target.header().table().core;
        worker::with_current(core, |worker| {
            let Some((worker, subject)) = worker.and_then(|w| Some((w, w.subject()?))) else {
                return self.look_at_the_time(node, waker, None);
            };
            // SAFETY: the subject's cell is being polled on this thread.
            let verdict = unsafe { cycle::verdict(subject.cell, node.cast()) };
            if let Some(cycle) = verdict {
                return Some(CallError::Cycle(cycle));
            }
            // The slot has just cloned the waker, unless it had it before.
            let cloned = u32::from(fresh && cycle::is_examined(waker));
            let wakers_before = worker.exam.wakers().saturating_sub(cloned);
            let over = self.look_at_the_time(node, waker, subject.call);
            if over.is_none() {
                let (cell, node) = (subject.cell, node.cast());
                // SAFETY: the subject's cell is being polled on this thread, by this worker.
                let examined = unsafe { cycle::waits(worker, cell, waker, &self.target, node) };
                if examined {
                    self.examined_in = Some(subject.cell);
                }
                worker.exam.forget_wakers(wakers_before);
            }
            over
        })
    }

    /// Starts the timer, or moves it to this waker.
    fn look_at_the_time(
        &mut self,
        node: NonNull<CallNode<M>>,
        waker: &Waker,
        on_behalf: Option<NonNull<CallHead>>,
    ) -> Option<CallError> {
        let core = self.target.header().table().core();
        let now = core.clock.now();
        // SAFETY: the node lives until we let go, and the call that is being answered by the
        // handler that polls us until that handler is done.
        let limit = unsafe {
            let limit = parts(node).limit;
            let outer = on_behalf.and_then(|outer| (*outer.as_ptr()).limit.begin(now));
            if let Some(outer) = outer {
                limit.cap(outer);
            }
            limit
        };
        let deadline = limit.begin(now)?;
        if now >= deadline {
            return Some(CallError::Timeout);
        }
        if !self.timer.is_some_and(|key| core.timers.rewake(key, waker)) {
            let wake = Action::Wake(waker.clone());
            self.timer = Some(core.timers.start(&core.clock, deadline, wake));
        }
        None
    }

    /// Polls a call that has no outcome yet. `Some`: it will not wait for one.
    #[inline]
    fn wait(
        &mut self,
        node: NonNull<CallNode<M>>,
        waker: &Waker,
        late: bool,
        fresh: bool,
    ) -> Option<CallError> {
        if self.is_late || late || cycle::is_examined(waker) {
            self.is_late = true;
            self.look_around(node, waker, fresh)
        } else if self.entry.is_none() {
            self.begin_waiting(node, waker)
        } else if self.timer.is_some() {
            self.look_at_the_time(node, waker, None)
        } else {
            None
        }
    }
}

/// A call has found the state word at its limit. The node stays the caller's in case of an error.
///
/// # Safety
/// The node is the caller's, with its message in it.
#[cold]
unsafe fn wait_for_room<M: Message>(
    to: &Counted,
    node: NonNull<CallNode<M>>,
) -> Result<Option<Ticket>, CallError> {
    let table = to.header().table();
    let sent = |sent: bool| {
        if sent {
            Ok(None)
        } else {
            Err(CallError::Closed)
        }
    };
    if let OnFull::DropOldest | OnFull::KeepNewest = table.mailbox.policy() {
        // SAFETY: by the caller's word.
        let key = unsafe { (*(*node.as_ptr()).data.get()).message.key() };
        let key = key.filter(|_| table.mailbox.policy() == OnFull::KeepNewest);
        return sent(table.core().rings.push(to, node.cast(), key));
    }
    loop {
        match table.core().room.enter(to, node.cast(), false) {
            Entered::Waits(ticket) => return Ok(Some(ticket)),
            Entered::Dead => return sent(false),
            Entered::Room => {}
        }
        // SAFETY: we hold a reference, and the node is ours.
        match unsafe { cell::push(to.cell(), node.cast(), Some(table.capacity)) } {
            Pushed::Schedule | Pushed::Queued => return sent(true),
            Pushed::Dead => return sent(false),
            Pushed::Full => {}
        }
    }
}

/// Frees a node with the message that was never sent.
///
/// # Safety
/// The node is the caller's, with its message in it.
unsafe fn drop_unsent<M: Message>(node: NonNull<CallNode<M>>) {
    // SAFETY: what this needs is what the caller has promised.
    unsafe {
        drop_message(node);
        drop(Box::from_raw(node.as_ptr()));
    }
}

/// What caller and replier share of a call. The head is never borrowed as a whole: the worker
/// writes the link in it.
struct Parts<'a> {
    slot: &'a Slot,
    limit: &'a Limit,
}

/// # Safety
/// The node lives for as long as its parts are used.
#[inline]
unsafe fn parts<'a, M: Message>(node: NonNull<CallNode<M>>) -> Parts<'a> {
    let head = node.cast::<CallHead>().as_ptr();
    // SAFETY: what this needs is what the caller has promised.
    let (slot, limit) = unsafe { (&(*head).slot, &(*head).limit) };
    Parts { slot, limit }
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
        if let Wait::Waits { late, fresh } = slot.wait(cx.waker()) {
            let Some(error) = this.wait(node, cx.waker(), late, fresh) else {
                return Poll::Pending;
            };
            if !slot.is_done() {
                let unsent = this.let_go(matches!(error, CallError::Cycle(_)));
                return Poll::Ready(Err(match error {
                    CallError::Timeout if unsent => CallError::Full,
                    error => error,
                }));
            }
        }
        this.stop_waiting(node);
        this.node = Err(None);
        // SAFETY: rule 2 of the slot: the node is ours, and we have just forgotten it.
        let outcome = unsafe { take_outcome(node) };
        Poll::Ready(outcome.map_err(CallError::from))
    }
}

impl<M: Message> Drop for Call<M> {
    #[inline]
    fn drop(&mut self) {
        self.let_go(false);
    }
}

/// Takes the outcome and frees the node.
///
/// # Safety
/// The node is the caller's alone, and holds an outcome.
#[inline]
unsafe fn take_outcome<M: Message>(node: NonNull<CallNode<M>>) -> Result<M::Reply, Undone> {
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
    fn send(self, outcome: Result<M::Reply, Undone>) {
        let node = self.0;
        // SAFETY: the message has been taken out, and the outcome is ours to write until it is
        // published; rules 2 and 3 of the slot say whose the node is then.
        unsafe {
            (*(*node.as_ptr()).data.get()).outcome = ManuallyDrop::new(outcome);
            match parts(node).slot.publish() {
                Published::Wake(waker) => waker.wake(),
                Published::Quiet => {}
                Published::Gone => drop_with_outcome(node),
            }
        }
    }
}

impl<M: Message> Completion<M::Reply> for Reply<M> {
    const MESSAGE: fn() -> &'static str = std::any::type_name::<M>;

    #[inline]
    unsafe fn complete(self, _cell: NonNull<Header>, value: M::Reply) {
        self.send(Ok(value));
    }

    fn abandon(self, reason: &ExitReason) {
        self.send(Err(Undone::Ended(reason.clone())));
    }

    #[inline]
    fn call(&self) -> Option<NonNull<CallHead>> {
        Some(self.0.cast())
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
    // SAFETY: S4, S2: we own the cell and the node.
    if unsafe { is_skipped::<A, M>(cell, node, worker) } {
        return Ran::Ready;
    }
    // SAFETY: S4; the message is taken once, here.
    unsafe {
        let message = ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).message);
        drive::<A, _, _>(cell, worker, Reply(node), |cell, cx| {
            A::handle(state_of(cell), message, cx)
        })
    }
}

/// Drops a call that has been taken back, or that nobody waits for where the type asks for that.
///
/// # Safety
/// Owner only; the node is the owner's, with its message in it, unless this is true.
#[inline]
unsafe fn is_skipped<A: Actor, M: Message>(
    cell: NonNull<Header>,
    node: NonNull<CallNode<M>>,
    worker: &Worker,
) -> bool {
    // SAFETY: S4: the node is ours until it is answered.
    let call = unsafe { parts(node) };
    let skips = call.slot.is_cancelled() || A::SKIP_EXPIRED && is_expired(&call, worker);
    if skips {
        // SAFETY: what this needs is what the caller has promised.
        unsafe { skip(cell, node, worker) };
    }
    skips
}

/// Whether nobody waits for the answer any more.
fn is_expired(call: &Parts<'_>, worker: &Worker) -> bool {
    let over = |moment| worker.core().clock.now() >= moment;
    call.slot.is_gone() || call.limit.known().is_some_and(over)
}

/// Drops a call that nobody waits for.
#[cold]
unsafe fn skip<M: Message>(cell: NonNull<Header>, node: NonNull<CallNode<M>>, worker: &Worker) {
    // SAFETY: what this needs is what the caller has promised.
    unsafe {
        drop_message(node);
        cell.as_ref().table().count(Some(worker), Count::Expired, 1);
    }
    Reply(node).send(Err(Undone::Expired));
}

/// Drops the message of a call.
///
/// # Safety
/// S4; the message was never taken.
unsafe fn drop_message<M: Message>(node: NonNull<CallNode<M>>) {
    // SAFETY: what this needs is what the caller has promised.
    let message = unsafe { ManuallyDrop::take(&mut (*(*node.as_ptr()).data.get()).message) };
    crate::panic::contain(|| drop(message));
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
    unsafe { drop_message(node) };
    if std::ptr::eq(reason, &raw const NO_ROOM) {
        Reply(node).send(Err(Undone::NoRoom));
    } else {
        Reply(node).abandon(reason);
    }
}

/// A call that is made while another one is handled ends no later than that one.
#[inline]
fn inherit(limit: &Limit, to: &Counted) {
    worker::with_current(to.header().table().core, |worker| {
        let Some(worker) = worker else { return };
        if let Some(outer) = worker.subject().and_then(|subject| subject.call) {
            // SAFETY: the handler that is being polled has not answered its call.
            let outer = unsafe { &(*outer.as_ptr()).limit };
            limit.inherit(outer, || worker.core().clock.now());
        }
    });
}
