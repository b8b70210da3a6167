//! Queues: actors that claim what is due and run it, so many at a time.

mod actor;
mod attempt;
mod lease;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::rate::Rate;
use vaxel_actor::{ActorRef, CallError, ChildSpec, Message, secs};

pub(crate) use self::actor::Look;
pub use self::actor::QueueActor;
use crate::job::{Attempt, End, Job, JobFailure};
use crate::jobs::Jobs;

type Running = Pin<Box<dyn Future<Output = Result<End, JobFailure>> + Send>>;

/// Begins an attempt from the parameters of the job.
type Run = dyn Fn(&str, Attempt) -> Result<Running, serde_json::Error> + Send + Sync;

/// How jobs of a kind are run.
#[derive(Clone)]
struct Handler {
    run: Arc<Run>,
    backoff: fn(u32) -> Duration,
    time_limit: Option<Duration>,
}

/// A queue and how it is worked off; see the [crate](crate) for an example.
#[derive(Clone)]
#[must_use = "a queue does nothing before it is started"]
pub struct Queue {
    jobs: Jobs,
    name: Arc<str>,
    handlers: HashMap<&'static str, Handler>,
    concurrency: usize,
    rate: Option<Rate>,
    lease: Duration,
    poll: Duration,
    grace: Duration,
    keep: Duration,
}

/// What a [`QueueActor`] is started from.
#[derive(Clone)]
pub struct QueueArgs(Queue);

impl Queue {
    /// A queue of this name.
    pub fn new(jobs: &Jobs, name: impl Into<Arc<str>>) -> Self {
        Queue {
            jobs: jobs.clone(),
            name: name.into(),
            handlers: HashMap::new(),
            concurrency: 10,
            rate: None,
            lease: secs(30),
            poll: secs(1),
            grace: secs(15),
            keep: secs(24 * 3_600),
        }
    }

    /// Runs jobs of this kind so. A handler runs as a task of its own and may await; a panic fails
    /// the attempt. Jobs of a kind that has no handler fail, and are tried again.
    pub fn handle<J, F>(mut self, run: impl Fn(J, Attempt) -> F + Send + Sync + 'static) -> Self
    where
        J: Job,
        F: Future<Output = Result<End, JobFailure>> + Send + 'static,
    {
        let handler = Handler {
            run: Arc::new(
                move |args: &str, attempt: Attempt| -> Result<Running, serde_json::Error> {
                    let job = serde_json::from_str(args)?;
                    Ok(Box::pin(run(job, attempt)) as Running)
                },
            ),
            backoff: J::backoff,
            time_limit: J::TIME_LIMIT,
        };
        self.handlers.insert(J::KIND, handler);
        self
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// How many run at once in this process. Default: 10.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// How many are begun in a period. Default: as many as there is room for.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// For how long a job is leased; renewed three times as often. When this process is gone its
    /// jobs run again after that time. Where a lease cannot be renewed its attempt is ended, a
    /// tenth of the lease before others may run the job. Default: 30 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(30));
        self
    }

    /// How often the queue looks for jobs that nobody has told it of, because they were enqueued
    /// by another process or together with events. Default: 1 s.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll.max(Duration::from_millis(1));
        self
    }

    /// How long running jobs may take to end when the queue is shut down; then they are ended, and
    /// run again. Default: 15 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long jobs that are over are kept, dead ones included; then they are pruned, within a
    /// minute. The shortest of the queues that run on a store counts for all of it.
    /// `Duration::MAX` keeps them for ever. Default: one day.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// The queue as a child of a supervisor.
    pub fn child(self) -> ChildSpec<QueueActor> {
        let limit = self.grace + secs(5);
        ChildSpec::new(QueueArgs(self)).shutdown(limit)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A running queue, to be paused and drained.
#[derive(Debug, Clone)]
pub struct QueueRef(ActorRef<QueueActor>);

impl From<ActorRef<QueueActor>> for QueueRef {
    fn from(actor: ActorRef<QueueActor>) -> Self {
        QueueRef(actor)
    }
}

pub(crate) enum Control {
    Pause,
    Resume,
    Running,
}

impl Message for Control {
    type Reply = usize;
}

impl QueueRef {
    /// Begins no more jobs in this process; those that run go on. Answers how many do.
    ///
    /// # Errors
    /// If the queue does not answer.
    pub async fn pause(&self) -> Result<usize, CallError> {
        self.0.call(Control::Pause).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// If the queue does not answer.
    pub async fn resume(&self) -> Result<(), CallError> {
        self.0.call(Control::Resume).await.map(drop)
    }

    /// How many jobs run.
    ///
    /// # Errors
    /// If the queue does not answer.
    pub async fn running(&self) -> Result<usize, CallError> {
        self.0.call(Control::Running).await
    }

    /// Pauses, and waits until no job runs.
    ///
    /// # Errors
    /// If the queue does not answer.
    pub async fn drain(&self) -> Result<(), CallError> {
        let mut running = self.pause().await?;
        while running > 0 {
            vaxel_actor::time::sleep(Duration::from_millis(10)).await;
            running = self.running().await?;
        }
        Ok(())
    }
}
