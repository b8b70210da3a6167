//! What a handler knows of its own actor.

mod relations;

use crate::call::CallHead;
use crate::cell::node::CastNode;
use crate::cell::{CLOSE, Counted, FINISH, Header, KILL, SHUTDOWN, STOP};
use crate::clock::Time;
use crate::reference::cast_exempt;
use crate::timer::{Action, Every, Key, Post};
use crate::{Actor, ActorRef, ExitReason, Handler, Message, Pid, RegisterError, System};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The actor from inside: given to `init`, to every handler and to `terminate`.
///
/// ```
/// use std::time::Duration;
/// use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, System, TimerRef};
///
/// /// Ends when nobody has used it for a while.
/// struct Session {
///     idle: TimerRef,
/// }
/// const IDLE: Duration = Duration::from_secs(60);
///
/// impl Actor for Session {
///     type Args = ();
///     async fn init((): (), cx: &mut Context<Self>) -> Result<Self, ExitReason> {
///         Ok(Session { idle: cx.send_after(IDLE, Idle) })
///     }
/// }
///
/// struct Idle;
/// impl Message for Idle {
///     type Reply = ();
/// }
/// impl Handler<Idle> for Session {
///     async fn handle(&mut self, _: Idle, cx: &mut Context<Self>) {
///         cx.stop_with(ExitReason::shutdown_with("idle"));
///     }
/// }
///
/// struct Use;
/// impl Message for Use {
///     type Reply = ();
/// }
/// impl Handler<Use> for Session {
///     async fn handle(&mut self, _: Use, cx: &mut Context<Self>) {
///         cx.cancel(&self.idle);
///         self.idle = cx.send_after(IDLE, Idle);
///     }
/// }
///
/// // Time moves when it is told to: no test has to wait.
/// let system = System::builder().workers(1).manual_clock().build();
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
/// let session = system.spawn::<Session>(());
/// let exit = session.exit();
/// let used = session.clone();
/// run(&system, async move { used.call(Use).await }).unwrap();
/// system.advance(IDLE);
/// assert_eq!(run(&system, exit), ExitReason::shutdown_with("idle"));
/// # system.shutdown();
/// ```
pub struct Context<A> {
    cell: NonNull<Header>,
    /// The call that is being handled, which outlives the handler's future.
    call: Option<NonNull<CallHead>>,
    actor: PhantomData<fn(A)>,
}

// SAFETY: a context lives inside a future of its own actor, which moves between workers whole.
unsafe impl<A> Send for Context<A> {}
// SAFETY: everything that changes the actor takes the context mutably; the rest is atomic.
unsafe impl<A> Sync for Context<A> {}

/// Which monitor; see [`Context::monitor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorRef(pub(crate) u64);

/// A timer of this incarnation; see [`Context::send_after`].
#[derive(Debug, Clone)]
pub struct TimerRef(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Once(Key),
    Every(Arc<Mutex<Option<Key>>>),
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(cell: NonNull<Header>, call: Option<NonNull<CallHead>>) -> Self {
        Self {
            cell,
            call,
            actor: PhantomData,
        }
    }

    pub(crate) fn cell(&self) -> NonNull<Header> {
        self.cell
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: a context lives inside a future of its cell (S5).
        unsafe { self.cell.as_ref() }
    }

    fn counted(&self) -> Counted {
        // SAFETY: a context is used inside a poll of its cell.
        unsafe { Counted::of_owner(self.cell) }
    }

    /// A reference to this actor.
    pub fn me(&self) -> ActorRef<A> {
        // SAFETY: the cell is one of `A`'s.
        unsafe { ActorRef::from_counted(self.counted()) }
    }

    /// The pid of this incarnation.
    pub fn pid(&self) -> Pid {
        self.header().table().core().pids.ensure(self.cell)
    }

    /// The system it lives in.
    pub fn system(&self) -> System {
        System::of(self.header().table().core)
    }

    /// Stops this actor after the current message; reason `Normal`. Waiting mail fails.
    pub fn stop(&mut self) {
        self.stop_with(ExitReason::Normal);
    }

    /// Stops this actor after the current message with a reason of its own. `terminate` runs.
    pub fn stop_with(&mut self, reason: ExitReason) {
        self.header().request_stop(reason);
    }

    /// Until when the caller of this call waits, and those on whose behalf it calls; see
    /// [`Call`](crate::Call#deadlines). `None` in handlers of other messages, and when the caller
    /// waits without a limit.
    pub fn deadline(&self) -> Option<Time> {
        let call = self.call?;
        // SAFETY: the completion of this handler answers the call after the handler's future,
        // which holds this context, is done.
        let limit = unsafe { &(*call.as_ptr()).limit };
        limit.begin(self.header().table().core().clock.now())
    }

    /// Whether this actor will stop after the current message: for handlers that take long.
    pub fn is_stopping(&self) -> bool {
        let header = self.header();
        let asked = header.signals.load(std::sync::atomic::Ordering::Relaxed);
        header.flags.get() & (STOP | FINISH) != 0 || asked & (SHUTDOWN | CLOSE | KILL) != 0
    }

    /// Spawns an actor in this system.
    pub fn spawn<B: Actor>(&self, args: B::Args) -> ActorRef<B> {
        crate::system::spawn_in(self.header().table().core, args)
    }

    /// Gives this actor a name; see [`System::register`].
    ///
    /// # Errors
    /// If another actor has the name.
    pub fn register(&self, name: &str) -> Result<(), RegisterError> {
        self.header()
            .table()
            .core()
            .names
            .register(name, &self.counted())
    }

    /// Sends this actor a message after a while, past the bound of its mailbox. The timer belongs
    /// to this incarnation: it does not outlive it, and it does not keep the actor alive.
    pub fn send_after<M: Message>(&mut self, after: Duration, message: M) -> TimerRef
    where
        A: Handler<M>,
    {
        let (core, pid) = (self.header().table().core(), self.pid());
        // SAFETY: a fresh node is ours.
        let post = unsafe { Post::new(CastNode::allocate::<A>(message)) };
        let deadline = core.clock.now() + after;
        let send = Action::Send(pid, post);
        TimerRef(Kind::Once(core.timers.start(&core.clock, deadline, send)))
    }

    /// Sends this actor a message every `period`, the first after one period. Does not drift; what
    /// is missed because the machine was busy is skipped. A period below 1 ms counts as 1 ms.
    pub fn send_every<M: Message>(
        &mut self,
        period: Duration,
        message: impl Fn() -> M + Send + 'static,
    ) -> TimerRef
    where
        A: Handler<M>,
    {
        let (core, pid) = (self.header().table().core(), self.pid());
        let period = period.max(Duration::from_millis(1));
        let key = Arc::new(Mutex::new(None));
        let next = core.clock.now() + period;
        let run = Box::new(move |core: &crate::system::core::Core| {
            core.pids
                .find(pid)
                .is_some_and(|to| cast_exempt::<A, M>(&to, message()))
        });
        let every = Every {
            period,
            next,
            run,
            key: key.clone(),
        };
        let mut slot = key.lock().unwrap_or_else(PoisonError::into_inner);
        let send = Action::Every(Box::new(every));
        *slot = Some(core.timers.start(&core.clock, next, send));
        drop(slot);
        TimerRef(Kind::Every(key))
    }

    /// Takes a timer back. True when it had not fired for the last time; a message that it has
    /// already sent arrives all the same.
    pub fn cancel(&mut self, timer: &TimerRef) -> bool {
        let timers = &self.header().table().core().timers;
        match &timer.0 {
            Kind::Once(key) => timers.cancel(*key),
            Kind::Every(key) => {
                let key = key.lock().unwrap_or_else(PoisonError::into_inner).take();
                key.map(|key| timers.cancel(key)).is_some()
            }
        }
    }
}
