//! The thread of a store, and everything that runs on it.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::lane::Lane;
use super::queue::{Bounds, Entry, Queue};
use super::readers::{self, Reads};
use super::session::{Session, Target};
use super::transactions::{Refused, Task};
use super::{PostgresConfig, faults, journal_lane, transactions};
use crate::{Answer, Fault, FaultKind, OpenError, ReadError, WriteError};

/// One thread with all connections; queues in front of it.
pub(super) struct Engine {
    pub(super) queue: Arc<Queue>,
    reads: Option<Reads>,
    thread: Option<JoinHandle<()>>,
}

type Opened = SyncSender<Result<(), OpenError>>;

impl Engine {
    /// Connects, brings the schema up to date, and starts. Blocks the thread.
    pub(super) fn start(target: Target, config: &PostgresConfig) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue::new(Bounds {
            number: config.queue,
            bytes: config.queue_bytes,
            batch: config.batch,
        }));
        let (reads, waiting) = Reads::new(config.queue);
        let name = target.name.clone();
        let lane = Lane {
            target: Arc::new(target),
            queue: queue.clone(),
            patience: config.patience,
        };
        let config = config.clone();
        let (opened, is_open) = sync_channel(1);
        let no_thread = |error: std::io::Error| OpenError::Other {
            database: name.clone(),
            source: Fault::new(FaultKind::Io, format!("no thread can be started: {error}")),
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(no_thread)?;
        let thread = std::thread::Builder::new()
            .name("vaxel-store-postgres".to_owned())
            .spawn(move || run(&runtime, lane, waiting, &config, &opened))
            .map_err(no_thread)?;
        let engine = Engine {
            queue,
            reads: Some(reads),
            thread: Some(thread),
        };
        let ended = |_| no_thread(std::io::Error::other("it ended"));
        is_open.recv().map_err(ended)??;
        Ok(engine)
    }

    /// Queues a claim or an append that has passed its checks.
    pub(super) fn journal<T>(
        &self,
        checked: Result<(), WriteError>,
        entry: impl FnOnce(crate::Answering<T, WriteError>) -> Entry,
    ) -> Answer<T, WriteError> {
        if let Err(error) = checked {
            return Answer::ready(Err(error));
        }
        let (answering, answer) = Answer::later();
        self.queue.push(entry(answering));
        answer
    }

    /// Queues a transaction that has passed its checks.
    pub(super) fn change<T, F, Fut>(
        &self,
        checked: Result<(), WriteError>,
        bytes: usize,
        is_alone: bool,
        run: F,
    ) -> Answer<T, WriteError>
    where
        T: Send + 'static,
        F: Fn(Arc<Session>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Refused>> + Send + 'static,
    {
        if let Err(error) = checked {
            return Answer::ready(Err(error));
        }
        let (answering, answer) = Answer::later();
        let task = Task {
            run,
            is_alone,
            outcome: None,
            answering,
        };
        self.queue.push_work(Box::new(task), bytes);
        answer
    }

    /// Queues a read.
    pub(super) fn look<T, F, Fut>(&self, run: F) -> Answer<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Session>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, faults::Trouble>> + Send + 'static,
    {
        match &self.reads {
            Some(reads) => reads.submit(&self.queue.counts, run),
            None => Answer::ready(Err(crate::Unanswered.into())),
        }
    }
}

fn run(
    runtime: &Runtime,
    lane: Lane,
    waiting: readers::Waiting,
    config: &PostgresConfig,
    opened: &Opened,
) {
    runtime.block_on(async {
        let outcome = lane.target.migrate().await;
        let is_open = outcome.is_ok();
        _ = opened.send(outcome);
        if !is_open {
            return;
        }
        let mut serving = JoinSet::new();
        for _ in 0..config.appenders {
            serving.spawn(journal_lane::serve(lane.clone()));
        }
        serving.spawn(transactions::serve(lane.clone()));
        for _ in 0..config.readers {
            let target = lane.target.clone();
            serving.spawn(readers::serve(target, waiting.clone(), lane.patience));
        }
        serving.join_all().await;
        lane.queue
            .refuse_all(&Fault::new(FaultKind::Closed, "it was closed"));
    });
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.close();
        self.reads = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // An answer may have woken who held the last handle, on the engine's own thread.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}
