//! Tasks: futures that run as actors of their own, and whose output is awaited.
//!
//! For work that is done beside what an actor or a program goes on with: [`Task::spawn`] for one
//! piece, [`stream`] for many with a limit, [`TaskSupervisor`] for tasks that somebody keeps an eye
//! on. The words and rules are those of Elixir's `Task`.
//!
//! # Order
//! Tasks run in no order with each other or with what spawned them: the future is first polled in a
//! turn of its own. Awaiting a task yields the output once; it is there before links and monitors
//! are told of the end.
//!
//! # Failure
//! A panic ends the task alone and is the [`TaskError`] of who awaits it, with its message and
//! place. A task of an actor ([`cx.task`](TaskContext::task), [`Task::linked`]) is linked to it:
//! a crash reaches the actor as an exit signal, which ends it unless it traps exits, and when the
//! actor ends the task does too, whatever it waits for. [`Task::spawn`] links to nobody.
//!
//! # Time
//! Awaiting ends after five seconds unless told otherwise ([`Task::timeout`]). The task runs on
//! then; a linked one ends with its owner at the latest. [`yield_for`](Task::yield_for) looks
//! whether it is done and keeps it otherwise; [`shutdown`](Task::shutdown) and
//! [`kill`](Task::kill) end it at its next await. What runs between two awaits cannot be
//! interrupted.
//!
//! # Cancel safety
//! Dropping a [`Task`] lets it run to its end, whose output is dropped; dropping a [`TaskStream`]
//! ends the tasks that are under way. No method loses an output when its future is dropped.
//!
//! # Bounds
//! A task is one cell. A stream starts as many at a time as there are workers, and in order holds
//! as many outputs back; a task supervisor has no more than `children_max`.
//!
//! # Differences from Elixir
//! A time-out is an error and not the exit of who waits, and anybody may await a task, not only its
//! owner. Ending a task by its handle is no crash of it: links and monitors are told `normal`, so
//! the owner need not unlink. A crash in a [`stream`] is the result of its item and no exit signal,
//! as in `async_stream_nolink`. While a handler awaits a task, mail waits.
//!
//! Many tasks are awaited in the order in which they end by adding them to
//! [`Requests`](crate::Requests).
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::task::{self, Task, TaskError};
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let sum = Task::spawn(async { (1..=100).sum::<u32>() });
//! assert_eq!(sum.await, Ok(5050));
//!
//! let bad = Task::spawn(async { "12x".parse::<u32>().expect("a number") });
//! match bad.timeout(secs(1)).await {
//!     Err(TaskError::Exit(ExitReason::Panic(crash))) => {
//!         assert!(crash.message.starts_with("a number"));
//!         assert!(crash.location.contains(".rs:"));
//!     }
//!     other => panic!("{other:?}"),
//! }
//!
//! let mut squares = task::stream(1..=4_u32, |n| async move { n * n }).max_concurrency(2);
//! let mut sum = 0;
//! while let Some(square) = squares.next().await {
//!     sum += square?;
//! }
//! assert_eq!(sum, 30);
//! # Ok::<(), TaskError>(())
//! # }).unwrap();
//! ```

mod runner;
mod slot;
mod stream;
mod supervisor;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use vaxel_runtime::time::{Elapsed, Sleep};
use vaxel_runtime::{Actor, AnyRef, Context, ExitReason, Pid, System};

use self::runner::Runner;
use self::slot::{Promise, Slot};
pub use self::stream::{OnTimeout, TaskStream, stream};
pub use self::supervisor::{
    StartTaskError, TaskSupervisor, TaskSupervisorBuilder, TaskSupervisorRef,
};
use crate::durations::secs;
use crate::time_limit::{TimeLimit, sleep_in, until};

/// How long a task is awaited, and an item of a stream may take, unless told otherwise.
pub const TIMEOUT: Duration = secs(5);

/// A future that runs as an actor of its own; see the [module](self).
///
/// A future itself: awaiting it, or `&mut` of it, yields the output. It may be awaited again after
/// a time-out; once its output was taken it yields [`ExitReason::NoProcess`].
#[must_use = "the output of a task must be awaited; `let _ = …` lets it run unobserved"]
pub struct Task<T> {
    slot: Arc<Slot<T>>,
    actor: AnyRef,
    limit: Option<Duration>,
    /// While it is awaited under a limit.
    sleep: Option<Sleep>,
}

/// A task yields no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It ended without one: it panicked, was killed, or its owner ended.
    #[error("the task ended without an output: {0}")]
    Exit(ExitReason),
    /// It has not ended within the limit.
    #[error("the task has not ended in time")]
    Timeout,
}

impl<T: Send + 'static> Task<T> {
    /// Runs a future as an actor in the current system, linked to nobody.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::spawn_in(&System::current(), future)
    }

    /// As [`spawn`](Self::spawn) in `system`.
    pub fn spawn_in<F>(system: &System, future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let promise = Promise::new();
        let slot = promise.slot();
        let actor = system.spawn_queued::<Runner<F>>((future, promise));
        Self::new(slot, actor.erase())
    }

    /// Runs a future as an actor that is linked to the one whose context this is.
    ///
    /// ```
    /// use vaxel_actor::prelude::*;
    /// use vaxel_actor::Task;
    ///
    /// struct Report;
    ///
    /// #[actor(crate = vaxel_actor)]
    /// impl Report {
    /// #   fn init() -> Self { Report }
    ///     #[call]
    ///     async fn total(&mut self, columns: [Vec<u64>; 2], cx: &mut Context<Self>) -> u64 {
    ///         let [left, right] = columns;
    ///         let left = Task::linked(cx, async move { left.iter().sum::<u64>() });
    ///         let right = right.iter().sum::<u64>();
    ///         // A crash of the task ends this actor too: what it was asked cannot be answered.
    ///         left.await.unwrap_or(0) + right
    ///     }
    /// }
    ///
    /// # vaxel_actor::Program::new().workers(1).run(async {
    /// let report = Report::spawn();
    /// assert_eq!(report.total([vec![1, 2], vec![3]]).await, Ok(6));
    /// # });
    /// ```
    pub fn linked<A, F>(cx: &mut Context<A>, future: F) -> Self
    where
        A: Actor,
        F: Future<Output = T> + Send + 'static,
    {
        let promise = Promise::new();
        let slot = promise.slot();
        let actor = cx.spawn_link::<Runner<F>>((future, promise));
        Self::new(slot, actor.erase())
    }
}

impl<T> Task<T> {
    fn new(slot: Arc<Slot<T>>, actor: AnyRef) -> Self {
        Task {
            slot,
            actor,
            limit: Some(TIMEOUT),
            sleep: None,
        }
    }

    /// Sets how long it is awaited, from the first poll on.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Has it awaited as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.limit = None;
        self
    }

    /// The output if the task ends within the limit, else nothing, and the task runs on and can be
    /// asked again. A limit of zero looks once.
    ///
    /// # Errors
    /// If the task ended without an output.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn yield_for(&mut self, limit: impl Into<TimeLimit>) -> Result<Option<T>, TaskError> {
        let system = self.actor.system();
        let slot = &self.slot;
        let output = std::future::poll_fn(|cx| slot.poll_take(cx.waker()));
        let deadline = match limit.into() {
            TimeLimit::Unlimited => return output.await.map(Some),
            TimeLimit::At(deadline) => deadline,
            TimeLimit::After(limit) => system.now() + limit,
        };
        match until(&system, deadline, output).await {
            Ok(outcome) => outcome.map(Some),
            Err(Elapsed) => Ok(None),
        }
    }

    /// Ends the task, and waits until its future has been dropped. The output, if it was faster;
    /// nothing if it was ended. Its owner is not affected.
    ///
    /// # Errors
    /// If the task had crashed. [`TaskError::Timeout`] if it has not come to an await within the
    /// limit; it ends there all the same.
    pub async fn shutdown(mut self, limit: impl Into<TimeLimit>) -> Result<Option<T>, TaskError> {
        self.kill();
        match self.yield_for(limit).await {
            Ok(Some(output)) => Ok(Some(output)),
            Ok(None) => Err(TaskError::Timeout),
            Err(TaskError::Exit(ExitReason::Killed)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the task at its next await, without waiting for it: who awaits it is told
    /// [`ExitReason::Killed`], its owner is not affected. Does nothing to one that has ended.
    pub fn kill(&self) {
        self.slot.cancel();
    }

    /// Whether it has ended. True also when the output was taken.
    pub fn is_finished(&self) -> bool {
        self.slot.is_over()
    }

    /// The pid of the task's actor, [`Pid::NONE`] once it has ended.
    pub fn pid(&self) -> Pid {
        self.actor.pid()
    }

    /// The task's actor: for monitors and links of others.
    pub fn actor(&self) -> &AnyRef {
        &self.actor
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Result<T, TaskError>> {
        let this = &mut *self;
        if let Poll::Ready(outcome) = this.slot.poll_take(cx.waker()) {
            this.sleep = None;
            return Poll::Ready(outcome);
        }
        let Some(limit) = this.limit else {
            return Poll::Pending;
        };
        let system = this.actor.system();
        let sleep = this
            .sleep
            .get_or_insert_with(|| sleep_in(&system, system.now() + limit));
        let is_late = Pin::new(sleep).poll(cx).is_ready();
        if !is_late {
            return Poll::Pending;
        }
        this.sleep = None;
        Poll::Ready(Err(TaskError::Timeout))
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Tasks from inside an actor.
pub trait TaskContext {
    /// Runs a future as an actor that is linked to this one; see [`Task::linked`].
    fn task<F>(&mut self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static;

    /// Runs a future as an actor that is linked to nobody.
    fn task_nolink<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static;
}

impl<A: Actor> TaskContext for Context<A> {
    fn task<F>(&mut self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Task::linked(self, future)
    }

    fn task_nolink<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Task::spawn_in(&self.system(), future)
    }
}
