//! The writer: one thread that commits for everybody.
//!
//! 1. It waits for a write, and takes whatever else is queued by then, up to the bound of a batch.
//! 2. All of it runs in one transaction, each in the order in which it was queued. A write that is
//!    refused changes nothing and does not disturb the others.
//! 3. After the commit, which syncs, everybody is answered.
//!
//! So the time of one sync is shared by all who came while the one before was under way.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};

use super::opening::fault;
use crate::{Answer, Answering, Fault, FaultKind, Unanswered, WriteError};

/// A write in the queue.
pub(super) trait Work: Send {
    /// Runs inside of the transaction.
    fn run(&mut self, connection: &Connection);

    /// Whether it may change anything: a database in memory is read by its writer.
    fn is_write(&self) -> bool;

    /// How much of the queue it takes.
    fn bytes(&self) -> usize;

    /// What it failed with, if it did.
    fn failure(&self) -> Option<&WriteError>;

    /// Answers, once the commit has ended so.
    fn settle(self: Box<Self>, commit: &Result<(), WriteError>);
}

/// Work with a typed answer.
struct Job<T, E: From<Unanswered>, F> {
    run: Option<F>,
    is_write: bool,
    bytes: usize,
    outcome: Option<Result<T, E>>,
    answering: Answering<T, E>,
}

impl<T, F> Work for Job<T, WriteError, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, WriteError> + Send,
{
    fn run(&mut self, connection: &Connection) {
        self.outcome = self.run.take().map(|run| run(connection));
    }

    fn is_write(&self) -> bool {
        self.is_write
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn failure(&self) -> Option<&WriteError> {
        self.outcome.as_ref()?.as_ref().err()
    }

    fn settle(self: Box<Self>, commit: &Result<(), WriteError>) {
        let Job {
            outcome, answering, ..
        } = *self;
        match (commit, outcome) {
            // What was refused was refused, whatever became of the others.
            (_, Some(Err(error))) => answering.send(Err(error)),
            (Err(error), _) => answering.send(Err(error.clone())),
            (Ok(()), Some(Ok(value))) => answering.send(Ok(value)),
            (Ok(()), None) => drop(answering),
        }
    }
}

/// What tests let go wrong: what the next commit fails with, once it is rolled back.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Option<WriteError>>);

impl Faults {
    pub(crate) fn plant(&self, error: WriteError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<WriteError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What is counted; see [`StoreCounters`](crate::StoreCounters).
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) writes: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) commits_failed: AtomicU64,
    pub(super) overloaded: AtomicU64,
}

/// The handle: dropping it has everything queued written, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
    bounds: Bounds,
    /// Payload of what waits.
    waiting_bytes: Arc<AtomicUsize>,
    pub(super) counts: Arc<Counts>,
}

/// The bounds of what waits for the writer, and of what it commits together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) number: usize,
    pub(super) bytes: usize,
    pub(super) batch: usize,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        bounds: Bounds,
        faults: Arc<Faults>,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(bounds.number);
        let counts = Arc::new(Counts::default());
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let mut commits = Commits {
            connection,
            batch_max: bounds.batch,
            waiting_bytes: waiting_bytes.clone(),
            counts: counts.clone(),
            faults,
            broken: None,
        };
        let thread = std::thread::Builder::new()
            .name("vaxel-store-writer".to_owned())
            .spawn(move || commits.serve(&waiting))?;
        Ok(Writer {
            queue: Some(queue),
            thread: Some(thread),
            bounds,
            waiting_bytes,
            counts,
        })
    }

    /// Queues a write. Never blocks.
    pub(super) fn submit<T, F>(&self, bytes: usize, run: F) -> Answer<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, WriteError> + Send + 'static,
    {
        self.counts.writes.fetch_add(1, Relaxed);
        self.queue(run, true, bytes)
    }

    /// Queues what changes nothing, in its turn with the writes.
    pub(super) fn submit_read(&self, run: impl FnOnce(&Connection) + Send + 'static) {
        let run = move |connection: &Connection| {
            run(connection);
            Ok(())
        };
        // What it has to say it says itself.
        drop(self.queue(run, false, 0));
    }

    fn queue<T, F>(&self, run: F, is_write: bool, bytes: usize) -> Answer<T, WriteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, WriteError> + Send + 'static,
    {
        let (answering, answer) = Answer::later();
        let job = Job {
            run: Some(run),
            is_write,
            bytes,
            outcome: None,
            answering,
        };
        let Some(queue) = &self.queue else {
            return answer;
        };
        let overloaded = || {
            self.counts.overloaded.fetch_add(1, Relaxed);
            let queued = self.bounds.number;
            WriteError::Overloaded { queued }
        };
        let before = self.waiting_bytes.fetch_add(bytes, Relaxed);
        // One that is larger than the bound is let in alone.
        let is_heavy = before > 0 && bytes > 0 && before + bytes > self.bounds.bytes;
        let job: Box<dyn Work> = Box::new(job);
        let sent = match is_heavy {
            true => Err(TrySendError::Full(job)),
            false => queue.try_send(job),
        };
        let (refused, error) = match sent {
            Ok(()) => return answer,
            Err(TrySendError::Full(job)) => (job, overloaded()),
            Err(TrySendError::Disconnected(job)) => {
                let source = Fault::new(FaultKind::Closed, "its writer has ended");
                (job, WriteError::NotWritten { source })
            }
        };
        self.waiting_bytes.fetch_sub(bytes, Relaxed);
        refused.settle(&Err(error));
        answer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // An answer may have woken who held the last handle, on the writer's own thread.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

struct Commits {
    connection: Connection,
    batch_max: usize,
    waiting_bytes: Arc<AtomicUsize>,
    counts: Arc<Counts>,
    faults: Arc<Faults>,
    /// Why nothing is written any more.
    broken: Option<Fault>,
}

impl Commits {
    fn serve(&mut self, waiting: &Receiver<Box<dyn Work>>) {
        let mut batch = Vec::new();
        while let Ok(first) = waiting.recv() {
            batch.push(first);
            let more = self.batch_max - 1;
            batch.extend(waiting.try_iter().take(more));
            let taken = batch.iter().map(|work| work.bytes()).sum();
            self.waiting_bytes.fetch_sub(taken, Relaxed);
            let commit = self.commit(&mut batch);
            let counted = if commit.is_ok() {
                &self.counts.commits
            } else {
                &self.counts.commits_failed
            };
            counted.fetch_add(1, Relaxed);
            for work in batch.drain(..) {
                work.settle(&commit);
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Work>]) -> Result<(), WriteError> {
        if let Some(source) = self.broken.clone() {
            return Err(WriteError::NotWritten { source });
        }
        let outcome = self.transact(batch);
        if outcome.is_err() && !self.connection.is_autocommit() {
            // Fails only if there is nothing to roll back any more.
            let _ = self.execute("ROLLBACK");
        }
        outcome
    }

    fn transact(&mut self, batch: &mut [Box<dyn Work>]) -> Result<(), WriteError> {
        self.execute("BEGIN IMMEDIATE")?;
        let mut is_write = false;
        for work in batch {
            is_write |= work.is_write();
            work.run(&self.connection);
            // SQLite has given up the whole transaction, as for a full disk.
            if self.connection.is_autocommit() {
                return Err(self.given_up(work.failure()));
            }
        }
        if is_write && let Some(error) = self.faults.take() {
            return Err(error);
        }
        self.execute("COMMIT")
            .map_err(|error| self.uncommitted(&error))
    }

    fn given_up(&self, failure: Option<&WriteError>) -> WriteError {
        match failure {
            Some(WriteError::NotWritten { source }) => WriteError::NotWritten {
                source: source.clone(),
            },
            _ => WriteError::NotWritten {
                source: Fault::new(FaultKind::Io, "the transaction was rolled back"),
            },
        }
    }

    /// A full disk is found while the log is written, before the mark that makes it count; a lock
    /// is asked for before that. Everything else may have happened at the sync.
    fn uncommitted(&mut self, error: &rusqlite::Error) -> WriteError {
        let source = fault(error);
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                WriteError::NotWritten { source }
            }
            _ => {
                let kind = source.kind();
                let detail = format!("an earlier sync failed; restart the program: {error}");
                self.broken = Some(Fault::new(kind, detail));
                WriteError::Unknown { source }
            }
        }
    }

    fn execute(&self, statement: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute(())?;
        Ok(())
    }
}

/// Runs several statements of one write so that all of them count or none.
pub(super) fn whole<T>(
    connection: &Connection,
    run: impl FnOnce() -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    let execute = |statement: &str| connection.prepare_cached(statement)?.execute(());
    execute("SAVEPOINT one")?;
    let outcome = run();
    if outcome.is_err() && !connection.is_autocommit() {
        execute("ROLLBACK TO one")?;
    }
    if !connection.is_autocommit() {
        execute("RELEASE one")?;
    }
    outcome
}
