//! The actor of a queue.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use vaxel_actor::rate::TokenBucket;
use vaxel_actor::{Actor, Context, ExitReason, Handler, Message, Task, TimerRef, secs};
use vaxel_store::ClaimedJob;

use super::attempt::{Guarded, run};
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

/// An attempt has ended.
pub(super) struct Ended(u64);

impl Message for Ended {
    type Reply = ();
}

/// How long until a store that has failed is asked again.
const AFTER_ERROR: Duration = secs(1);

impl Actor for QueueActor {
    type Args = QueueArgs;

    async fn init(QueueArgs(queue): QueueArgs, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let bucket = queue
            .rate
            .map(|rate| TokenBucket::new_in(&cx.system(), rate));
        cx.send_every(queue.lease / 3, || Renew);
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
        let Queue { jobs, name, .. } = &self.queue;
        let now = jobs.now();
        let claimed = jobs
            .store()
            .claim_jobs(name, room, now, now + self.queue.lease)
            .await;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                jobs.count().store_errors.fetch_add(1, Relaxed);
                tracing::warn!(queue = %name, %error, "jobs cannot be claimed");
                return AFTER_ERROR;
            }
        };
        for job in claimed {
            self.begin(job, cx);
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

    fn begin(&mut self, job: ClaimedJob, cx: &mut Context<Self>) {
        if let Some(bucket) = &self.bucket {
            let _ = bucket.try_take();
        }
        let (id, token) = (job.id, job.lease);
        let (queue, me) = (self.queue.clone(), cx.me().recipient::<Ended>());
        let task = Task::spawn_in(&cx.system(), async move {
            run(queue, job).await;
            // One that finds no room is noticed at the next look.
            let _ = me.cast(Ended(id));
        });
        let task = Guarded::new(task);
        self.running.insert(id, Leased { token, task });
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
        match jobs
            .store()
            .renew_jobs(held, jobs.now() + self.queue.lease)
            .await
        {
            Ok(still) => {
                let before = self.running.len();
                let is_held =
                    |id: &u64, leased: &Leased| still.contains(id) || leased.task.is_finished();
                self.running.retain(|id, leased| is_held(id, leased));
                let lost = (before - self.running.len()) as u64;
                jobs.count().leases_lost.fetch_add(lost, Relaxed);
            }
            Err(error) => {
                jobs.count().store_errors.fetch_add(1, Relaxed);
                tracing::warn!(queue = %self.queue.name, %error, "leases cannot be renewed");
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
