//! References to actors: typed, erased, and by message.

use crate::call::Call;
use crate::cell::node::{CastNode, Node};
use crate::cell::relations::Watcher;
use crate::cell::signal::{self, Signal, allocate_stop};
use crate::cell::word::Pushed;
use crate::cell::{self, Counted, KILL, SHUTDOWN};
use crate::exit_watch::Exit;
use crate::mailbox::send::Sending;
use crate::mailbox::{AtBound, at_bound};
use crate::system::core::Core;
use crate::{Actor, ExitReason, Handler, Message, Pid, System};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

/// Why a message was given back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError<M> {
    /// The mailbox is at its bound.
    #[error("the mailbox is full")]
    Full(M),
    /// The actor has ended.
    #[error("the actor has ended")]
    Closed(M),
}

impl<M> SendError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }

    /// Whether the mailbox was at its bound.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

/// A reference to an actor of a known type.
///
/// Eight bytes, cheap to clone, good across restarts. It keeps the actor alive: one that nobody
/// refers to, and that nobody supervises or named, stops when its mailbox is empty.
///
/// ```
/// use std::time::Duration;
/// use vaxel_runtime::{Actor, CallError, Context, ExitReason, Handler, Message, System};
/// # struct Stock(u32);
/// # impl Actor for Stock {
/// #     type Args = u32;
/// #     async fn init(left: u32, _: &mut Context<Self>) -> Result<Self, ExitReason> {
/// #         Ok(Stock(left))
/// #     }
/// # }
///
/// /// Takes some out of the stock; how many are left, or how many are missing.
/// struct Take(u32);
/// impl Message for Take {
///     type Reply = Result<u32, u32>;
/// }
/// impl Handler<Take> for Stock {
///     async fn handle(&mut self, Take(count): Take, _: &mut Context<Self>) -> Result<u32, u32> {
///         self.0 = self.0.checked_sub(count).ok_or_else(|| count - self.0)?;
///         Ok(self.0)
///     }
/// }
///
/// let system = System::builder().workers(1).build();
/// # fn run<T: Send + 'static>(
/// #     system: &System,
/// #     body: impl Future<Output = T> + Send + 'static,
/// # ) -> T {
/// #     let (done, output) = std::sync::mpsc::sync_channel(1);
/// #     let task = system.spawn_future(async move { done.send(body.await) });
/// #     let output = output.recv().unwrap();
/// #     drop(task);
/// #     output
/// # }
/// let stock = system.spawn::<Stock>(10);
/// stock.cast(Take(3)).expect("there is room");     // does not wait for anything
/// let asked = stock.clone();
/// run(&system, async move {
///     // Waits for the answer, five seconds unless told otherwise. Handled after the cast.
///     assert_eq!(asked.call(Take(3)).await, Ok(Ok(4)));
///     let limit = Duration::from_millis(500);
///     assert_eq!(asked.call(Take(5)).timeout(limit).await, Ok(Err(1)));
///     asked.send(Take(1)).await.expect("it lives");  // waits for room where the type says so
///     asked.stop();
///     assert_eq!(asked.call(Take(1)).await, Err(CallError::Closed));
/// });
/// # system.shutdown();
/// ```
pub struct ActorRef<A> {
    counted: Counted,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> ActorRef<A> {
    /// # Safety
    /// The cell is one of `A`'s.
    pub(crate) unsafe fn from_counted(counted: Counted) -> Self {
        Self {
            counted,
            actor: PhantomData,
        }
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Sends a message without waiting for anything.
    ///
    /// Messages from one sender arrive in the order sent. `Ok` means that the message is in the
    /// mailbox; it is lost if the actor ends before it gets there.
    ///
    /// # Errors
    /// If the mailbox is full or the actor has ended; the message comes back.
    #[inline]
    pub fn cast<M: Message>(&self, message: M) -> Result<(), SendError<M>>
    where
        A: Handler<M>,
    {
        cast::<A, M>(&self.counted, message)
    }

    /// Sends a message when it is awaited, as the policy of the actor's type says: where that is
    /// [`OnFull::Wait`](crate::OnFull::Wait) it waits for room, in the order in which those who
    /// wait came; elsewhere it is done at once, as [`cast`](Self::cast). Cancel-safe: dropped
    /// before it is done, nothing has been sent.
    ///
    /// # Errors
    /// If the mailbox is full and the policy is to tell the sender, or if the actor has ended; the
    /// message comes back.
    #[inline]
    pub fn send<M: Message>(&self, message: M) -> Sending<M>
    where
        A: Handler<M>,
    {
        Sending::new::<A>(&self.counted, message)
    }

    /// Sends a message whose answer is awaited. The message is sent now, not when the call is first
    /// polled, so calls and casts of one sender keep their order.
    ///
    /// The time limit is 5 s unless [`Call::timeout`] says otherwise.
    #[inline]
    pub fn call<M: Message>(&self, message: M) -> Call<M>
    where
        A: Handler<M>,
    {
        Call::send::<A>(&self.counted, message)
    }

    /// A sender of one type of message that forgets the type of the actor.
    pub fn recipient<M: Message>(&self) -> Recipient<M>
    where
        A: Handler<M>,
    {
        let operations = &RecipientOperations {
            cast: cast::<A, M>,
            cast_exempt: cast_exempt::<A, M>,
        };
        Recipient {
            counted: self.counted.clone(),
            operations,
        }
    }

    /// The same reference without its type.
    pub fn erase(&self) -> AnyRef {
        AnyRef {
            counted: self.counted.clone(),
        }
    }

    /// Stops the actor behind the mail that has already been sent; reason `Normal`.
    pub fn stop(&self) {
        stop(&self.counted);
    }

    /// Stops the actor after the current message: `terminate` runs, waiting mail fails; reason
    /// `Shutdown`.
    pub fn shutdown(&self) {
        self.counted.signal(SHUTDOWN);
    }

    /// Ends the actor at once, also in the middle of an await; nothing of its own runs but the drop
    /// of its state. A handler that does not return cannot be interrupted. Reason `Killed`.
    pub fn kill(&self) {
        self.counted.signal(KILL);
    }

    /// Sends an exit signal to this incarnation, as OTP's `exit/2` does. `Normal` is ignored and
    /// `Kill` cannot be trapped. Any other reason ends the actor at once with that reason, also in
    /// the middle of an await and without `terminate`; one that [traps
    /// exits](crate::Context::trap_exits) gets it as a message instead.
    pub fn exit_with(&self, reason: ExitReason) {
        exit_with(&self.counted, reason);
    }

    /// The pid of this incarnation, [`Pid::NONE`] once it is over and no other has been started.
    pub fn pid(&self) -> Pid {
        pid(&self.counted)
    }

    /// Whether the actor has not ended. True while a supervisor is restarting it.
    pub fn is_alive(&self) -> bool {
        !self.counted.header().word.is_dead()
    }

    /// Resolves with the reason when this incarnation ends. For a child that has ended and has not
    /// been restarted yet, with the reason of that end; [`ExitReason::NoProcess`] for an actor that
    /// is over.
    pub fn exit(&self) -> Exit {
        exit(&self.counted)
    }

    /// Messages that wait in the mailbox, those not counted that a worker has already taken.
    pub fn mailbox_len(&self) -> usize {
        crate::mailbox::length(self.counted.header())
    }

    /// The system it lives in.
    pub fn system(&self) -> System {
        System::of(self.counted.header().table().core)
    }
}

/// A reference to an actor of any type.
#[derive(Clone)]
pub struct AnyRef {
    counted: Counted,
}

impl AnyRef {
    pub(crate) fn from_counted(counted: Counted) -> Self {
        Self { counted }
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    /// As [`ActorRef::stop`].
    pub fn stop(&self) {
        stop(&self.counted);
    }

    /// As [`ActorRef::shutdown`].
    pub fn shutdown(&self) {
        self.counted.signal(SHUTDOWN);
    }

    /// As [`ActorRef::kill`].
    pub fn kill(&self) {
        self.counted.signal(KILL);
    }

    /// As [`ActorRef::exit_with`].
    pub fn exit_with(&self, reason: ExitReason) {
        exit_with(&self.counted, reason);
    }

    /// As [`ActorRef::pid`].
    pub fn pid(&self) -> Pid {
        pid(&self.counted)
    }

    /// As [`ActorRef::is_alive`].
    pub fn is_alive(&self) -> bool {
        !self.counted.header().word.is_dead()
    }

    /// As [`ActorRef::exit`].
    pub fn exit(&self) -> Exit {
        exit(&self.counted)
    }

    /// The Rust path of the actor's type.
    pub fn type_name(&self) -> &'static str {
        self.counted.header().table().name
    }

    /// As [`ActorRef::mailbox_len`].
    pub fn mailbox_len(&self) -> usize {
        crate::mailbox::length(self.counted.header())
    }

    /// Whether it has nothing to do: it neither handles a message nor waits for a worker.
    pub fn is_idle(&self) -> bool {
        !self.counted.header().word.is_owned()
    }

    /// As [`ActorRef::system`].
    pub fn system(&self) -> System {
        System::of(self.counted.header().table().core)
    }
}

/// A reference of any kind without its type.
impl<W: Watchable> From<&W> for AnyRef {
    fn from(reference: &W) -> Self {
        reference.erased()
    }
}

/// A sender of one type of message, whatever the actor is: what a library asks for that tells many
/// kinds of actors.
///
/// ```
/// use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, Recipient, System};
/// # struct Lamp;
/// # struct Log;
/// # impl Actor for Lamp {
/// #     type Args = ();
/// #     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> { Ok(Lamp) }
/// # }
/// # impl Actor for Log {
/// #     type Args = ();
/// #     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> { Ok(Log) }
/// # }
///
/// #[derive(Clone)]
/// struct Dark(bool);
/// impl Message for Dark {
///     type Reply = ();
/// }
/// impl Handler<Dark> for Lamp {
///     async fn handle(&mut self, Dark(on): Dark, _: &mut Context<Self>) { /* … */ }
/// }
/// impl Handler<Dark> for Log {
///     async fn handle(&mut self, Dark(on): Dark, _: &mut Context<Self>) { /* … */ }
/// }
///
/// let system = System::builder().workers(1).build();
/// let (lamp, log) = (system.spawn::<Lamp>(()), system.spawn::<Log>(()));
/// let listeners: Vec<Recipient<Dark>> = vec![lamp.recipient(), log.recipient()];
/// for listener in &listeners {
///     listener.cast(Dark(true)).expect("there is room");
/// }
/// # system.shutdown();
/// ```
pub struct Recipient<M: Message> {
    counted: Counted,
    operations: &'static RecipientOperations<M>,
}

struct RecipientOperations<M> {
    cast: fn(&Counted, M) -> Result<(), SendError<M>>,
    cast_exempt: fn(&Counted, M) -> bool,
}

impl<M: Message> Recipient<M> {
    /// As [`ActorRef::cast`].
    ///
    /// # Errors
    /// If the mailbox is full or the actor has ended; the message comes back.
    #[inline]
    pub fn cast(&self, message: M) -> Result<(), SendError<M>> {
        (self.operations.cast)(&self.counted, message)
    }

    /// Sends past the bound what is owed once for something that the actor itself has asked for, as
    /// a down is. False: the actor has ended.
    #[doc(hidden)]
    pub fn cast_owed(&self, message: M) -> bool {
        (self.operations.cast_exempt)(&self.counted, message)
    }

    pub(crate) fn counted(&self) -> &Counted {
        &self.counted
    }

    pub(crate) fn exempt(&self) -> fn(&Counted, M) -> bool {
        self.operations.cast_exempt
    }

    /// As [`ActorRef::pid`].
    pub fn pid(&self) -> Pid {
        pid(&self.counted)
    }

    /// As [`ActorRef::is_alive`].
    pub fn is_alive(&self) -> bool {
        !self.counted.header().word.is_dead()
    }

    /// The same reference without its message.
    pub fn erase(&self) -> AnyRef {
        AnyRef {
            counted: self.counted.clone(),
        }
    }
}

#[inline]
fn cast<A: Handler<M>, M: Message>(to: &Counted, message: M) -> Result<(), SendError<M>> {
    let table = to.header().table();
    let limit = Some(table.capacity);
    let node = CastNode::allocate::<A>(message);
    // SAFETY: we hold a reference, and the node is ours.
    match unsafe { cell::push(to.cell(), node, limit) } {
        Pushed::Schedule | Pushed::Queued => Ok(()),
        // SAFETY: a refused node stays ours.
        Pushed::Full => unsafe { cast_at_bound(to, node) },
        // SAFETY: S2, as above.
        Pushed::Dead => Err(SendError::Closed(unsafe { closed(to, node) })),
    }
}

/// # Safety
/// The node is the caller's, and one of `M`'s.
#[cold]
unsafe fn cast_at_bound<M: Message>(to: &Counted, node: NonNull<Node>) -> Result<(), SendError<M>> {
    // SAFETY: what this needs is what the caller has promised: nodes that are not sent stay ours.
    unsafe {
        match at_bound(to, node, || CastNode::<M>::message_of(node).key()) {
            AtBound::Sent => Ok(()),
            AtBound::Dropped => {
                drop(CastNode::<M>::into_message(node));
                Ok(())
            }
            AtBound::Refused => Err(SendError::Full(CastNode::into_message(node))),
            AtBound::Dead => Err(SendError::Closed(closed(to, node))),
        }
    }
}

/// A message that was not delivered because its actor had ended.
pub(crate) fn count_dead_letter(to: &Counted) {
    let core = to.header().table().core();
    core.dead_letters.fetch_add(1, Relaxed);
}

#[cold]
unsafe fn closed<M: Message>(to: &Counted, node: NonNull<Node>) -> M {
    count_dead_letter(to);
    // SAFETY: what this needs is what the caller has promised.
    unsafe { CastNode::into_message(node) }
}

/// Sends past the bound: for the runtime's own messages. False: the actor has ended.
pub(crate) fn cast_exempt<A: Handler<M>, M: Message>(to: &Counted, message: M) -> bool {
    let node = CastNode::allocate::<A>(message);
    let sent = to.push_exempt(node);
    if !sent {
        // SAFETY: a refused node stays ours.
        drop(unsafe { CastNode::<M>::into_message(node) });
    }
    sent
}

fn stop(to: &Counted) {
    let node = allocate_stop();
    if !to.push_exempt(node) {
        // SAFETY: a refused node stays ours.
        unsafe { (node.as_ref().operations.drop)(node, &ExitReason::NoProcess) };
    }
}

fn pid(of: &Counted) -> Pid {
    of.header().table().core().pids.ensure(of.cell())
}

pub(crate) fn exit(of: &Counted) -> Exit {
    // No pid: the incarnation the caller means is over, and its reason is known while the cell is
    // vacant.
    exit_at(of, pid(of))
}

/// As [`exit`], for one incarnation.
pub(crate) fn exit_of(of: &Counted, target: Pid) -> Exit {
    if of.header().table().core().pids.of(of.cell()) == Some(target) {
        return exit_at(of, target);
    }
    let exit = Exit::new();
    exit.slot().set(ExitReason::NoProcess);
    exit
}

fn exit_at(of: &Counted, target: Pid) -> Exit {
    let exit = Exit::new();
    let id = of.header().table().core().next_id();
    let watch = Signal::Watch(id, Watcher::Future(exit.slot()));
    signal::send(of, target, watch);
    exit
}

fn exit_with(to: &Counted, reason: ExitReason) {
    signal::send_exit(to, pid(to), Pid::NONE, reason, false);
}

/// References of every kind, and what dereferences to one.
pub trait Watchable: sealed::Sealed {}

/// Whom a monitor, a link or an exit may mean: any [reference](Watchable), which stands for the
/// current incarnation, or a [`Pid`].
pub trait Target: sealed::Named {}

pub(crate) mod sealed {
    use super::{AnyRef, Core, Counted, NonNull, Pid};

    pub trait Sealed {
        fn erased(&self) -> AnyRef;
    }

    /// The system of whoever asks.
    pub struct Home(pub(crate) NonNull<Core>);

    /// Who is meant; without a cell nobody of that pid lives.
    pub struct Whom {
        pub(crate) found: Option<Counted>,
        pub(crate) pid: Pid,
    }

    pub trait Named {
        /// # Panics
        /// If the actor lives in another system: pids mean nothing there.
        fn whom(&self, home: Home) -> Whom;
    }
}

impl<W: Watchable> sealed::Named for W {
    fn whom(&self, home: sealed::Home) -> sealed::Whom {
        let AnyRef { counted } = self.erased();
        assert!(
            counted.header().table().core == home.0,
            "monitors, links and exits stay within one system"
        );
        let pid = pid(&counted);
        let found = (!pid.is_none()).then_some(counted);
        sealed::Whom { found, pid }
    }
}
impl<W: Watchable> Target for W {}

impl sealed::Named for Pid {
    fn whom(&self, home: sealed::Home) -> sealed::Whom {
        // SAFETY: the caller is an actor of this core.
        let found = unsafe { home.0.as_ref() }.pids.find(*self);
        sealed::Whom { found, pid: *self }
    }
}
impl Target for Pid {}

impl<A: Actor> sealed::Sealed for ActorRef<A> {
    fn erased(&self) -> AnyRef {
        self.erase()
    }
}
impl<A: Actor> Watchable for ActorRef<A> {}

impl sealed::Sealed for AnyRef {
    fn erased(&self) -> AnyRef {
        self.clone()
    }
}
impl Watchable for AnyRef {}

impl<M: Message> sealed::Sealed for Recipient<M> {
    fn erased(&self) -> AnyRef {
        self.erase()
    }
}
impl<M: Message> Watchable for Recipient<M> {}

impl<R> sealed::Sealed for R
where
    R: std::ops::Deref,
    R::Target: Watchable,
{
    fn erased(&self) -> AnyRef {
        self.deref().erased()
    }
}

impl<R> Watchable for R
where
    R: std::ops::Deref,
    R::Target: Watchable,
{
}

impl<A> Clone for ActorRef<A> {
    #[inline]
    fn clone(&self) -> Self {
        Self {
            counted: self.counted.clone(),
            actor: PhantomData,
        }
    }
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self {
            counted: self.counted.clone(),
            operations: self.operations,
        }
    }
}

macro_rules! identity {
    ($($name:ident $(<$parameter:ident $(: $bound:ident)?>)?),*) => {$(
        impl$(<$parameter $(: $bound)?>)? PartialEq for $name$(<$parameter>)? {
            fn eq(&self, other: &Self) -> bool {
                self.counted.cell() == other.counted.cell()
            }
        }
        impl$(<$parameter $(: $bound)?>)? Eq for $name$(<$parameter>)? {}
        impl$(<$parameter $(: $bound)?>)? Hash for $name$(<$parameter>)? {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.counted.cell().hash(state);
            }
        }
        impl$(<$parameter $(: $bound)?>)? fmt::Debug for $name$(<$parameter>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let table = self.counted.header().table();
                let pid = table.core().pids.of(self.counted.cell());
                let short = table.name.rsplit("::").next().unwrap_or(table.name);
                match pid {
                    Some(pid) => write!(f, "{short}{pid}"),
                    None => write!(f, "{short}<bare>"),
                }
            }
        }
    )*};
}

identity!(ActorRef<A>, AnyRef, Recipient<M: Message>);
