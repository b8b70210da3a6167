//! How the traits of this crate reach the [`Engine`](super::engine::Engine).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::queue::Entry;
use super::{Postgres, events, jobs, ops, states};
use crate::{
    Answer, Append, Appended, Claimed, ClaimedJob, Enqueued, EntityId, FinishJob, JobState,
    JobStore, Journal, NewJob, Offset, Put, ReadError, SaveSnapshot, Snapshot, StateStore,
    StoreCounters, StoredEvent, StoredJob, StoredState, TailedEvent, Timestamp, Transact, Write,
    WriteError, Written, checks, size,
};

impl Transact for Postgres {
    fn write(&self, write: Write) -> Answer<Vec<Written>, WriteError> {
        let (checked, bytes) = (checks::write(&write), size::write(&write));
        let (is_alone, write) = (ops::is_alone(&write), Arc::new(write));
        self.engine
            .change(checked, bytes, is_alone, move |session| {
                let write = write.clone();
                async move { ops::write(&session, &write).await }
            })
    }

    fn counters(&self) -> StoreCounters {
        let counts = &self.engine.queue.counts;
        StoreCounters {
            writes: counts.writes.load(Relaxed),
            commits: counts.commits.load(Relaxed),
            commits_failed: counts.commits_failed.load(Relaxed),
            writes_overloaded: counts.overloaded.load(Relaxed),
            reads_overloaded: counts.reads_overloaded.load(Relaxed),
            connects: counts.connects.load(Relaxed),
        }
    }
}

impl Journal for Postgres {
    fn claim(&self, entity: &EntityId) -> Answer<Claimed, WriteError> {
        let (checked, entity) = (checks::entity(entity), entity.clone());
        self.engine
            .journal(checked, |answering| Entry::Claim(entity, answering))
    }

    fn append(&self, append: Append) -> Answer<Appended, WriteError> {
        self.engine.journal(checks::append(&append), |answering| {
            Entry::Append(append, answering)
        })
    }

    fn read(
        &self,
        entity: &EntityId,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredEvent>, ReadError> {
        let entity = entity.clone();
        self.engine
            .look(move |session| async move { events::read(&session, &entity, after, limit).await })
    }

    fn tail(
        &self,
        after: Offset,
        tag: Option<Arc<str>>,
        limit: usize,
    ) -> Answer<Vec<TailedEvent>, ReadError> {
        self.engine
            .look(move |session| async move { events::tail(&session, after, tag, limit).await })
    }

    fn save_snapshot(&self, save: SaveSnapshot) -> Answer<(), WriteError> {
        let (checked, bytes) = (checks::snapshot(&save), save.snapshot.payload.len());
        let save = Arc::new(save);
        self.engine.change(checked, bytes, false, move |session| {
            let save = save.clone();
            async move { events::save_snapshot(&session, &save).await }
        })
    }

    fn snapshot(&self, entity: &EntityId, at_most: u64) -> Answer<Option<Snapshot>, ReadError> {
        let entity = entity.clone();
        self.engine
            .look(move |session| async move { events::snapshot(&session, &entity, at_most).await })
    }

    fn projection(&self, name: &str) -> Answer<Offset, ReadError> {
        let name = name.to_owned();
        self.engine
            .look(move |session| async move { events::offset(&session, &name).await })
    }
}

impl StateStore for Postgres {
    fn put(&self, put: Put) -> Answer<u64, WriteError> {
        let (checked, bytes) = (checks::put(&put), put.payload.as_ref().map_or(0, Vec::len));
        let put = Arc::new(put);
        self.engine.change(checked, bytes, false, move |session| {
            let put = put.clone();
            async move { states::put(&session, &put).await }
        })
    }

    fn load(&self, entity: &EntityId) -> Answer<Option<StoredState>, ReadError> {
        let entity = entity.clone();
        self.engine
            .look(move |session| async move { states::load(&session, &entity).await })
    }

    fn names(
        &self,
        prefix: &str,
        after: Option<&EntityId>,
        limit: usize,
    ) -> Answer<Vec<EntityId>, ReadError> {
        let prefix = prefix.to_owned();
        let after = after.map_or_else(String::new, ToString::to_string);
        self.engine.look(move |session| async move {
            states::names(&session, &prefix, &after, limit).await
        })
    }
}

impl JobStore for Postgres {
    fn enqueue(&self, job: NewJob) -> Answer<Enqueued, WriteError> {
        let (checked, bytes) = (checks::job(&job), job.payload.len());
        let job = Arc::new(job);
        self.engine.change(checked, bytes, false, move |session| {
            let job = job.clone();
            async move { jobs::enqueue(&session, &job).await }
        })
    }

    fn claim_jobs(
        &self,
        queue: &str,
        limit: usize,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Answer<Vec<ClaimedJob>, WriteError> {
        let queue: Arc<str> = queue.into();
        self.engine.change(Ok(()), 0, false, move |session| {
            let queue = queue.clone();
            async move { jobs::claim(&session, &queue, limit, now, lease_until).await }
        })
    }

    fn renew_jobs(
        &self,
        held: Vec<(u64, u64)>,
        lease_until: Timestamp,
    ) -> Answer<Vec<u64>, WriteError> {
        let held: Arc<[_]> = held.into();
        self.engine.change(Ok(()), 0, false, move |session| {
            let held = held.clone();
            async move { jobs::renew(&session, &held, lease_until).await }
        })
    }

    fn finish_job(&self, finish: FinishJob) -> Answer<(), WriteError> {
        let finish = Arc::new(finish);
        self.engine.change(Ok(()), 0, false, move |session| {
            let finish = finish.clone();
            async move { jobs::finish(&session, &finish).await }
        })
    }

    fn cancel_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError> {
        self.engine
            .change(Ok(()), 0, false, move |session| async move {
                jobs::cancel(&session, id, now).await
            })
    }

    fn retry_job(&self, id: u64, now: Timestamp) -> Answer<bool, WriteError> {
        self.engine
            .change(Ok(()), 0, false, move |session| async move {
                jobs::retry(&session, id, now).await
            })
    }

    fn prune_jobs(&self, before: Timestamp, limit: usize) -> Answer<usize, WriteError> {
        self.engine
            .change(Ok(()), 0, false, move |session| async move {
                jobs::prune(&session, before, limit).await
            })
    }

    fn next_due(&self, queue: &str) -> Answer<Option<Timestamp>, ReadError> {
        let queue = queue.to_owned();
        self.engine
            .look(move |session| async move { jobs::next_due(&session, &queue).await })
    }

    fn job(&self, id: u64) -> Answer<Option<StoredJob>, ReadError> {
        self.engine
            .look(move |session| async move { jobs::job(&session, id).await })
    }

    fn jobs(
        &self,
        queue: &str,
        state: JobState,
        after: u64,
        limit: usize,
    ) -> Answer<Vec<StoredJob>, ReadError> {
        let queue = queue.to_owned();
        self.engine.look(move |session| async move {
            jobs::jobs(&session, &queue, state, after, limit).await
        })
    }

    fn job_counts(&self, queue: &str) -> Answer<Vec<(JobState, u64)>, ReadError> {
        let queue = queue.to_owned();
        self.engine
            .look(move |session| async move { jobs::counts(&session, &queue).await })
    }
}
