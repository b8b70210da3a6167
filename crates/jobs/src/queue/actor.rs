//! The actor of a queue.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use vaxel_actor::rate::TokenBucket;
use vaxel_actor::{Actor, Context, ExitReason, Handler, Message, Task, TimerRef, secs};
use vaxel_store::{ClaimedJob, Timestamp, WriteError};

use super::attempt::{Guarded, run};
use super::lease::Lease;
use super::{Control, Queue, QueueArgs};

/// Works off a queue; made by [`Queue::child`].
pub struct QueueActor {
    queue: Queue,
    bucket: Option<TokenBucket>,
    running: HashMap<u64, Leased>,
    is_paused: bool,
    timer: Option<TimerRef>,
}

struct Leased {
    token: u64,
    lease: Arc<Lease>,
    /// Dropping it ends the attempt: so does the end of this actor, however it comes.
    task: Guarded<()>,
}

/// Tells a queue that there may be something to do.
pub(crate) struct Look;

impl Message for Look {
    type Reply = ();
}

/// The time has come to look.
struct Due;

impl Message for Due {
    type Reply = ();
}

/// The time has come to renew leases.
struct Renew;

impl Message for Renew {
    type Reply = ();
}

/// The time has come to delete jobs that have been over for long enough.
struct Prune;

impl Message for Prune {
    type Reply = ();
}

/// An attempt has ended.
pub(super) struct Ended(u64);

impl Message for Ended {
    type Reply = ();
}

/// How long until a store that has failed is asked again.
const AFTER_ERROR: Duration = secs(1);

/// How often a queue looks for jobs to prune.
const PRUNE_EVERY: Duration = secs(60);

/// How many jobs are pruned at a time: other writes wait meanwhile, for some milliseconds.
const PRUNE_MAX: usize = 1_000;

impl Actor for QueueActor {
    type Args = QueueArgs;

    async fn init(QueueArgs(queue): QueueArgs, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let bucket = queue
            .rate
            .map(|rate| TokenBucket::new_in(&cx.system(), rate));
        cx.send_every(queue.lease / 3, || Renew);
        cx.send_after(PRUNE_EVERY, Prune);
        cx.continue_with(Look);
        queue
            .jobs
            .add_queue(queue.name.clone(), cx.me().recipient());
        Ok(QueueActor {
            queue,
            bucket,
            running: HashMap::new(),
            is_paused: false,
            timer: None,
        })
    }

    fn inspect(&self) -> Option<String> {
        let (name, running) = (&self.queue.name, self.running.len());
        let paused = if self.is_paused { ", paused" } else { "" };
        Some(format!("{name}: {running} running{paused}"))
    }

    /// Waits for what runs; what does not end in time is ended and runs again elsewhere.
    async fn terminate(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        let tasks = std::mem::take(&mut self.running).into_values();
        let all = async {
            for leased in tasks {
                leased.task.ended().await;
            }
        };
        let _ = vaxel_actor::time::timeout(self.queue.grace, all).await;
    }
}

impl QueueActor {
    /// How many may be begun now.
    fn room(&self) -> usize {
        let free = self.queue.concurrency - self.running.len().min(self.queue.concurrency);
        let tokens = self
            .bucket
            .as_ref()
            .map_or(usize::MAX, |bucket| bucket.available() as usize);
        if self.is_paused { 0 } else { free.min(tokens) }
    }

    async fn look(&mut self, cx: &mut Context<Self>) {
        self.running.retain(|_, leased| !leased.task.is_finished());
        let room = self.room();
        let wait = if room == 0 {
            self.until_room()
        } else {
            self.claim(room, cx).await
        };
        if let Some(timer) = self.timer.take() {
            cx.cancel(&timer);
        }
        self.timer = Some(cx.send_after(wait, Due));
    }

    /// How long until there may be room for another one; an end of an attempt is told.
    fn until_room(&self) -> Duration {
        let is_rated = !self.is_paused && self.running.len() < self.queue.concurrency;
        let token = self.bucket.as_ref().filter(|_| is_rated);
        let wait = token.and_then(|bucket| bucket.try_take().err());
        wait.unwrap_or(self.queue.poll).min(self.queue.poll)
    }

    /// Claims what is due and begins it; answers when to look again.
    async fn claim(&mut self, room: usize, cx: &mut Context<Self>) -> Duration {
        let (claimed, sent) = match self.claimed(room).await {
            Ok(claimed) => claimed,
            Err(error) => {
                let Queue { jobs, name, .. } = &self.queue;
                jobs.count().store_errors.fetch_add(1, Relaxed);
                tracing::warn!(queue = %name, %error, "jobs cannot be claimed");
                return AFTER_ERROR;
            }
        };
        for job in claimed {
            self.begin(job, sent, cx);
        }
        if self.room() == 0 {
            return self.until_room();
        }
        let due = self.queue.jobs.store().next_due(&self.queue.name).await;
        let due = due
            .ok()
            .flatten()
            .map(|due| due.since(self.queue.jobs.now()));
        due.map_or(self.queue.poll, |due| due.min(self.queue.poll))
    }

    /// Claims what is due; answers it and since when it is leased. Where a store has taken so long
    /// that the leases are over already, they are renewed once before anything is begun.
    async fn claimed(&self, room: usize) -> Result<(Vec<ClaimedJob>, Timestamp), WriteError> {
        let Queue { jobs, name, .. } = &self.queue;
        let (store, length) = (jobs.store(), self.queue.lease);
        let sent = jobs.now();
        let mut claimed = store.claim_jobs(name, room, sent, sent + length).await?;
        let now = jobs.now();
        if claimed.is_empty() || Lease::new(sent, length).left(now).is_some() {
            return Ok((claimed, sent));
        }
        let held = claimed.iter().map(|job| (job.id, job.lease)).collect();
        let still = store.renew_jobs(held, now + length).await?;
        claimed.retain(|job| still.contains(&job.id));
        Ok((claimed, now))
    }

    fn begin(&mut self, job: ClaimedJob, sent: Timestamp, cx: &mut Context<Self>) {
        if let Some(bucket) = &self.bucket {
            let _ = bucket.try_take();
        }
        let (id, token) = (job.id, job.lease);
        let lease = Arc::new(Lease::new(sent, self.queue.lease));
        let (queue, me) = (self.queue.clone(), cx.me().recipient::<Ended>());
        let held = lease.clone();
        let task = Task::spawn_in(&cx.system(), async move {
            run(queue, job, &held).await;
            // One that finds no room is noticed at the next look.
            let _ = me.cast(Ended(id));
        });
        let task = Guarded::new(task);
        self.running.insert(id, Leased { token, lease, task });
    }

    /// Keeps what is still held after a renewal that was sent then.
    fn renewed(&mut self, still: &HashSet<u64>, sent: Timestamp) {
        let before = self.running.len();
        self.running.retain(|id, leased| {
            let is_held = still.contains(id);
            if is_held {
                leased.lease.renew(sent);
            }
            is_held || leased.task.is_finished()
        });
        let lost = (before - self.running.len()) as u64;
        self.queue.jobs.count().leases_lost.fetch_add(lost, Relaxed);
    }
}

impl Handler<Look> for QueueActor {
    async fn handle(&mut self, _: Look, cx: &mut Context<Self>) {
        self.look(cx).await;
    }
}

impl Handler<Due> for QueueActor {
    async fn handle(&mut self, _: Due, cx: &mut Context<Self>) {
        self.look(cx).await;
    }
}

impl Handler<Ended> for QueueActor {
    async fn handle(&mut self, Ended(id): Ended, cx: &mut Context<Self>) {
        self.running.remove(&id);
        self.look(cx).await;
    }
}

impl Handler<Renew> for QueueActor {
    async fn handle(&mut self, _: Renew, _: &mut Context<Self>) {
        if self.running.is_empty() {
            return;
        }
        let jobs = &self.queue.jobs;
        let held = self
            .running
            .iter()
            .map(|(id, leased)| (*id, leased.token))
            .collect();
        let sent = jobs.now();
        match jobs.store().renew_jobs(held, sent + self.queue.lease).await {
            Ok(still) => self.renewed(&still.into_iter().collect(), sent),
            Err(error) => {
                jobs.count().store_errors.fetch_add(1, Relaxed);
                tracing::warn!(queue = %self.queue.name, %error, "leases cannot be renewed");
            }
        }
    }
}

impl Handler<Prune> for QueueActor {
    async fn handle(&mut self, _: Prune, cx: &mut Context<Self>) {
        let Queue { jobs, keep, .. } = &self.queue;
        let pruned = jobs.prune_some(*keep, PRUNE_MAX).await;
        match pruned {
            Ok(PRUNE_MAX) => _ = cx.send_after(Duration::ZERO, Prune),
            Ok(_) => _ = cx.send_after(PRUNE_EVERY, Prune),
            Err(error) => {
                jobs.count().store_errors.fetch_add(1, Relaxed);
                tracing::warn!(%error, "jobs that are over cannot be pruned");
                cx.send_after(PRUNE_EVERY, Prune);
            }
        }
    }
}

impl Handler<Control> for QueueActor {
    async fn handle(&mut self, control: Control, cx: &mut Context<Self>) -> usize {
        match control {
            Control::Pause => self.is_paused = true,
            Control::Resume => {
                self.is_paused = false;
                cx.continue_with(Look);
            }
            Control::Running => {}
        }
        self.running.retain(|_, leased| !leased.task.is_finished());
        self.running.len()
    }
}
