//! The connection of transactions: everything but claims and appends.
//!
//! Several share a commit: their statements are sent without waiting for the answers, and when all
//! are done the transaction is committed. When one of them is refused it is rolled back, and each
//! is run as a transaction of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{BoxFuture, join, join_all};

use super::faults::Trouble;
use super::lane::{Lane, idle};
use super::queue::Queue;
use super::session::Session;
use super::statements::Sql;
use crate::{Answering, WriteError};

/// How many transactions share a commit at most.
const GROUP: usize = 64;

/// How often one that collides with another program's is tried.
const TRIES: usize = 3;

/// Why a part of a transaction did not happen.
#[derive(Debug)]
pub(super) enum Refused {
    /// A rule of this crate.
    Rule(WriteError),
    /// The server, or the way to it.
    Trouble(Trouble),
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Self::Rule(error)
    }
}

/// A transaction in the queue.
pub(super) trait Work: Send {
    /// Runs inside of a transaction; again, after it was rolled back.
    fn run<'a>(&'a mut self, session: &'a Arc<Session>) -> BoxFuture<'a, ()>;

    /// Whether it must not share a transaction.
    fn is_alone(&self) -> bool;

    /// What it was refused with, if it was.
    fn refusal(&self) -> Option<&Refused>;

    /// Answers, once the commit has ended so.
    fn settle(self: Box<Self>, commit: &Result<(), WriteError>);
}

/// Work with a typed answer.
pub(super) struct Task<T, F> {
    pub(super) run: F,
    pub(super) is_alone: bool,
    pub(super) outcome: Option<Result<T, Refused>>,
    pub(super) answering: Answering<T, WriteError>,
}

impl<T, F, Fut> Work for Task<T, F>
where
    T: Send,
    F: Fn(Arc<Session>) -> Fut + Send,
    Fut: Future<Output = Result<T, Refused>> + Send + 'static,
{
    fn run<'a>(&'a mut self, session: &'a Arc<Session>) -> BoxFuture<'a, ()> {
        let running = (self.run)(session.clone());
        let outcome = &mut self.outcome;
        Box::pin(async move { *outcome = Some(running.await) })
    }

    fn is_alone(&self) -> bool {
        self.is_alone
    }

    fn refusal(&self) -> Option<&Refused> {
        self.outcome.as_ref()?.as_ref().err()
    }

    fn settle(self: Box<Self>, commit: &Result<(), WriteError>) {
        let Task {
            outcome, answering, ..
        } = *self;
        match (outcome, commit) {
            (Some(Err(Refused::Rule(error))), _) => answering.send(Err(error)),
            (Some(Err(Refused::Trouble(trouble))), _) => {
                answering.send(Err(trouble.before_commit()));
            }
            (_, Err(error)) => answering.send(Err(error.clone())),
            (Some(Ok(value)), Ok(())) => answering.send(Ok(value)),
            (None, Ok(())) => drop(answering),
        }
    }
}

/// Serves until the queue is closed and empty.
pub(super) async fn serve(lane: Lane) {
    let queue = lane.queue.clone();
    let mut session = None;
    loop {
        let waiting = queue.transactions.notified();
        let group = match lane.ready(&mut session).await {
            Some(_) => queue.take_works(GROUP),
            None => Vec::new(),
        };
        match (&session, group.is_empty()) {
            (Some(session), false) => together(&queue, session, group).await,
            _ if queue.is_closed() => return,
            (Some(_), true) => idle(waiting).await,
            (None, _) => {}
        }
    }
}

async fn together(queue: &Queue, session: &Arc<Session>, mut group: Vec<Box<dyn Work>>) {
    if group.len() > 1
        && let Some(commit) = transact(queue, session, &mut group).await
    {
        return group.into_iter().for_each(|work| work.settle(&commit));
    }
    for work in group {
        alone(queue, session, work).await;
    }
}

async fn alone(queue: &Queue, session: &Arc<Session>, work: Box<dyn Work>) {
    let mut one = [work];
    for _ in 1..TRIES {
        if let Some(commit) = transact(queue, session, &mut one).await {
            let [work] = one;
            return work.settle(&commit);
        }
        let refusal = one[0].refusal();
        if !matches!(refusal, Some(Refused::Trouble(trouble)) if trouble.is_collision()) {
            break;
        }
    }
    let [work] = one;
    work.settle(&Ok(()));
}

/// Runs all in one transaction. `None` when one of them was refused and nothing was written; else
/// how the commit ended.
async fn transact(
    queue: &Queue,
    session: &Arc<Session>,
    group: &mut [Box<dyn Work>],
) -> Option<Result<(), WriteError>> {
    let begin = session.execute(Sql::Begin, &[]);
    let works = join_all(group.iter_mut().map(|work| work.run(session)));
    let (begun, _) = join(begin, works).await;
    if let Err(trouble) = begun {
        return Some(Err(trouble.before_commit()));
    }
    if group.iter().any(|work| work.refusal().is_some()) {
        queue.counts.commits_failed.fetch_add(1, Relaxed);
        // Fails only if the connection is gone, and the transaction with it.
        _ = session.execute(Sql::Rollback, &[]).await;
        return None;
    }
    let committed = session.execute(Sql::Commit, &[]).await;
    let counted = match &committed {
        Ok(_) => &queue.counts.commits,
        Err(_) => &queue.counts.commits_failed,
    };
    counted.fetch_add(1, Relaxed);
    Some(committed.map(drop).map_err(|trouble| trouble.of_commit()))
}
