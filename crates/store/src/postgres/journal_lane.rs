//! A connection of claims and appends: it takes whatever is queued by then, writes all of it in one
//! round trip, and answers after the server has committed, which syncs.
//!
//! A batch of appends is one statement, in which each is checked against its fence and its last
//! event, and those that are right are written. When the server refuses the whole (two programs
//! wrote the same event, a name that it cannot store) each is sent as a statement of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::{join, join_all};

use super::events::{self, Against, Found};
use super::faults::Trouble;
use super::lane::{Lane, idle};
use super::queue::{Entry, Queue};
use super::session::Session;
use crate::{Answering, Append, Appended, Claimed, EntityId, Fence, WriteError};

/// How often an append that collides with another program's is tried.
const TRIES: usize = 3;

type Claims = Vec<(EntityId, Answering<Claimed, WriteError>)>;
type Appends = Vec<(Append, Answering<Appended, WriteError>)>;

/// Serves until the queue is closed and empty.
pub(super) async fn serve(lane: Lane) {
    let queue = lane.queue.clone();
    let mut session = None;
    loop {
        let waiting = queue.journal.notified();
        let batch = match lane.ready(&mut session).await {
            Some(_) => queue.take(),
            None => Vec::new(),
        };
        match (&session, batch.is_empty()) {
            (Some(session), false) => write(&queue, session, batch).await,
            _ if queue.is_closed() => return,
            (Some(_), true) => idle(waiting).await,
            (None, _) => {}
        }
    }
}

async fn write(queue: &Queue, session: &Arc<Session>, batch: Vec<Entry>) {
    let entities: Vec<_> = batch.iter().map(|entry| entry.entity().clone()).collect();
    let (mut claims, mut appends) = (Claims::new(), Appends::new());
    for entry in batch {
        match entry {
            Entry::Claim(entity, answering) => claims.push((entity, answering)),
            Entry::Append(append, answering) => appends.push((append, answering)),
        }
    }
    join(
        claim(queue, session, claims),
        append(queue, session, appends),
    )
    .await;
    queue.done(entities.iter());
}

fn counted<T>(queue: &Queue, outcome: &Result<T, Trouble>) {
    let counted = match outcome {
        Ok(_) => &queue.counts.commits,
        Err(_) => &queue.counts.commits_failed,
    };
    counted.fetch_add(1, Relaxed);
}

async fn claim(queue: &Queue, session: &Session, mut claims: Claims) {
    if claims.is_empty() {
        return;
    }
    // The order in which the statements answer, and in which rows are locked.
    claims.sort_by(|(a, _), (b, _)| a.cmp(b));
    let names: Vec<_> = claims.iter().map(|(entity, _)| entity.as_str()).collect();
    let outcome = events::claim(session, &names).await;
    counted(queue, &outcome);
    match outcome {
        Ok(claimed) => {
            for ((_, answering), claimed) in claims.into_iter().zip(claimed) {
                answering.send(Ok(claimed));
            }
        }
        Err(trouble) if trouble.is_undone() && claims.len() > 1 => {
            // Boxed: each runs as a batch of one.
            let alone = claims
                .into_iter()
                .map(|one| Box::pin(claim(queue, session, vec![one])));
            join_all(alone).await;
        }
        Err(trouble) => {
            let error = trouble.of_commit();
            let all = claims.into_iter();
            all.for_each(|(_, answering)| answering.send(Err(error.clone())));
        }
    }
}

async fn append(queue: &Queue, session: &Session, appends: Appends) {
    if appends.is_empty() {
        return;
    }
    let all = appends.iter().map(|(append, _)| append);
    let outcome = events::append(session, all, Against::AllClaims).await;
    counted(queue, &outcome);
    match outcome {
        Ok(found) => {
            for ((append, answering), found) in appends.into_iter().zip(found) {
                answering.send(judge(&append, found));
            }
        }
        Err(trouble) if trouble.is_undone() => {
            let alone = appends.into_iter().map(|(append, answering)| async move {
                answering.send(append_alone(session, append).await);
            });
            join_all(alone).await;
        }
        Err(trouble) => {
            let error = trouble.of_commit();
            let all = appends.into_iter();
            all.for_each(|(_, answering)| answering.send(Err(error.clone())));
        }
    }
}

async fn append_alone(session: &Session, append: Append) -> Result<Appended, WriteError> {
    let mut tries = 1;
    loop {
        let one = std::iter::once(&append);
        match events::append(session, one, Against::AllClaims).await {
            Ok(found) => {
                let found = found.into_iter().next().unwrap_or_default();
                return judge(&append, found);
            }
            Err(trouble) if trouble.is_collision() && tries < TRIES => tries += 1,
            Err(trouble) => return Err(trouble.of_commit()),
        }
    }
}

/// What became of an append, by what it found.
pub(super) fn judge(append: &Append, found: Found) -> Result<Appended, WriteError> {
    let entity = append.entity.clone();
    let (fence, expected) = (append.fence, append.expected);
    let owner = Fence(found.fence);
    if owner != fence {
        return Err(WriteError::Fenced {
            entity,
            fence,
            owner,
        });
    }
    let found_at = found.head;
    match found_at == expected {
        true => Ok(Appended {
            sequence: expected + append.events.len() as u64,
            offset: found.offset,
        }),
        false => Err(WriteError::Conflict {
            entity,
            expected,
            found: found_at,
        }),
    }
}
