//! Many tasks, a few at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use vaxel_runtime::System;

use super::{TIMEOUT, Task, TaskError};
use crate::requests::Requests;

/// Runs `work` on every item, each in a task of its own, a limited number at a time, and yields the
/// outcomes: Elixir's `Task.async_stream`.
///
/// Items are taken, and tasks started, while the stream is polled. Unless told otherwise as many
/// run as the system has workers, the outcomes come in the order of the items, and an item may take
/// five seconds.
///
/// ```
/// use vaxel_actor::prelude::*;
/// use vaxel_actor::task::{self, OnTimeout, TaskError};
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let lengths = task::stream(["a", "bcd"], |word| async move {
///     if word == "a" {
///         std::future::pending::<()>().await;
///     }
///     word.len()
/// });
/// let lengths = lengths.timeout(millis(10)).on_timeout(OnTimeout::KillTask);
/// assert_eq!(lengths.collect().await, [Err(TaskError::Timeout), Ok(3)]);
/// # });
/// ```
///
/// # Panics
/// If there is no current system.
pub fn stream<I, W, F>(items: I, work: W) -> TaskStream<I::IntoIter, F::Output>
where
    I: IntoIterator<Item: Send + 'static>,
    W: Fn(I::Item) -> F + Send + Sync + 'static,
    F: Future<Output: Send> + Send + 'static,
{
    let (system, work) = (System::current(), Arc::new(work));
    let max_concurrency = system.workers();
    let start = move |item| {
        let work = work.clone();
        // A panic in the closure is the task's as well.
        Task::spawn_in(&system, async move { work(item).await })
    };
    TaskStream {
        items: Some(items.into_iter()),
        start: Box::new(start),
        settings: Settings {
            max_concurrency,
            timeout: Some(TIMEOUT),
            on_timeout: OnTimeout::Exit,
            is_ordered: true,
        },
        running: Requests::new(),
        held: BTreeMap::new(),
        started: 0,
        yielded: 0,
    }
}

/// What becomes of a stream of which an item takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnTimeout {
    /// It yields the time-out and is over: the other tasks end, the other items are not taken.
    #[default]
    Exit,
    /// It yields the time-out and goes on with the other items.
    KillTask,
}

/// The outcomes of many tasks; see [`stream`]. Dropping it ends the tasks that are under way.
///
/// # Bounds
/// At most `max_concurrency` tasks run or have ended since the stream was last polled. In order,
/// these and the outcomes that wait for those before them are at most twice as many: an item that
/// takes long holds the others up then.
#[must_use = "a stream does nothing unless it is polled"]
pub struct TaskStream<I: Iterator, T> {
    /// None when there are no more.
    items: Option<I>,
    start: Box<dyn Fn(I::Item) -> Task<T> + Send>,
    settings: Settings,
    running: Requests<usize, Result<T, TaskError>>,
    /// Outcomes that wait for those before them.
    held: BTreeMap<usize, Result<T, TaskError>>,
    started: usize,
    yielded: usize,
}

#[derive(Debug)]
struct Settings {
    max_concurrency: usize,
    timeout: Option<Duration>,
    on_timeout: OnTimeout,
    is_ordered: bool,
}

impl<I: Iterator, T> TaskStream<I, T> {
    /// How many tasks run at a time.
    ///
    /// # Panics
    /// If it is zero.
    pub fn max_concurrency(mut self, tasks: usize) -> Self {
        assert!(tasks > 0, "a stream of no tasks at a time never ends");
        self.settings.max_concurrency = tasks;
        self
    }

    /// Yields the outcomes in the order in which the tasks end.
    pub fn unordered(mut self) -> Self {
        self.settings.is_ordered = false;
        self
    }

    /// How long each item may take from when its task is started.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = Some(limit);
        self
    }

    /// Every item may take as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.settings.timeout = None;
        self
    }

    /// What becomes of the stream when an item takes too long. Its task ends in any case.
    pub fn on_timeout(mut self, then: OnTimeout) -> Self {
        self.settings.on_timeout = then;
        self
    }
}

impl<I: Iterator, T: Send + 'static> TaskStream<I, T> {
    /// The next outcome; none at the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, TaskError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// All outcomes that are left.
    pub async fn collect(mut self) -> Vec<Result<T, TaskError>> {
        let mut all = Vec::new();
        while let Some(outcome) = self.next().await {
            all.push(outcome);
        }
        all
    }

    /// Polls for the next outcome, as [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, TaskError>>> {
        loop {
            if let Some(outcome) = self.held.remove(&self.yielded) {
                return Poll::Ready(Some(self.deliver(outcome)));
            }
            self.start_tasks();
            let Some((at, outcome)) = ready!(self.running.poll_next(cx)) else {
                return Poll::Ready(None);
            };
            if self.is_fatal(&outcome) {
                self.items = None;
            }
            if !self.settings.is_ordered || at == self.yielded {
                return Poll::Ready(Some(self.deliver(outcome)));
            }
            self.held.insert(at, outcome);
        }
    }

    fn start_tasks(&mut self) {
        let max = self.settings.max_concurrency;
        let outcomes_max = max.saturating_mul(2);
        while self.running.len() < max && self.running.len() + self.held.len() < outcomes_max {
            let Some(item) = self.items.as_mut().and_then(Iterator::next) else {
                // It is not asked again: an iterator may begin anew.
                self.items = None;
                return;
            };
            let task = (self.start)(item);
            let task = match self.settings.timeout {
                Some(limit) => task.timeout(limit),
                None => task.no_timeout(),
            };
            self.running.add(self.started, UnderWay(task));
            self.started += 1;
        }
    }

    /// Whether the stream is over when this is yielded.
    fn is_fatal(&self, outcome: &Result<T, TaskError>) -> bool {
        let is_late = matches!(outcome, Err(TaskError::Timeout));
        is_late && self.settings.on_timeout == OnTimeout::Exit
    }

    fn deliver(&mut self, outcome: Result<T, TaskError>) -> Result<T, TaskError> {
        self.yielded += 1;
        if self.is_fatal(&outcome) {
            self.held.clear();
            self.running.abandon();
        }
        outcome
    }
}

/// A task that ends when nobody waits for it any more.
struct UnderWay<T>(Task<T>);

impl<T> Future for UnderWay<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl<I: Iterator, T> std::fmt::Debug for TaskStream<I, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskStream")
            .field("settings", &self.settings)
            .field("started", &self.started)
            .field("yielded", &self.yielded)
            .finish_non_exhaustive()
    }
}
