//! What the program does that is killed: counters that are event-sourced, each fourth event with a
//! job in its transaction; jobs of their own; and reminders.
//!
//! Everything leaves a state behind when it is done: `done/KEY` for a job, which is written
//! together with its end and at version zero, so that doing it twice is refused; and
//! `fired/NAME` for a reminder, whose version says how often it was delivered.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vaxel_actor::{Supervisor, SupervisorRef, millis};
use vaxel_jobs::{Attempt, End, Job, JobFailure, Jobs, Queue, Reminder, Request};
use vaxel_persistence::{
    Command, Entities, Entity, EventSourced, Execute, Json, Persistence, PersistenceConfig,
    Snapshots,
};
use vaxel_store::{EntityId, JobState, Put, Store, Write};

/// A counter.
#[derive(Serialize, Deserialize)]
pub struct Count {
    key: String,
    events: u64,
}

/// What happens to a counter: its event of that number.
#[derive(Serialize, Deserialize)]
pub struct Counted(pub u64);

/// Adds an event; answers its number.
pub struct Next;

/// A job that leaves its key behind.
#[derive(Serialize, Deserialize)]
pub struct Tally {
    /// Under which it is done.
    pub key: String,
}

impl EventSourced for Count {
    const KIND: &'static str = "count";
    const SNAPSHOTS: Snapshots = Snapshots::every(20);
    type Event = Counted;
    type Format = Json;

    fn new(key: &str) -> Self {
        Count {
            key: key.to_owned(),
            events: 0,
        }
    }

    fn apply(&mut self, _: &Counted) {
        self.events += 1;
    }
}

impl Command for Next {
    type Reply = u64;
}

impl Execute<Next> for Count {
    async fn execute(_: Next, count: &mut Entity<'_, Self>) -> u64 {
        let number = count.events + 1;
        count.persist(Counted(number));
        if number.is_multiple_of(4) {
            let key = format!("event/{}/{number}", count.key);
            let request = Request::of(&Tally { key });
            if let Ok(job) = request.into_new_job(vaxel_store::Timestamp::now()) {
                count.also(Write::new().enqueue(job));
            }
        }
        number
    }
}

impl Job for Tally {
    const KIND: &'static str = "tally";
    const ATTEMPTS_MAX: u32 = 1_000;

    fn backoff(_: u32) -> Duration {
        millis(10)
    }
}

async fn tally(job: Tally, _: Attempt) -> Result<End, JobFailure> {
    let entity = EntityId::new(format!("done/{}", job.key));
    Ok(End::DoneWith(Write::new().put(Put {
        entity,
        expected: 0,
        format: 1,
        payload: Some(Vec::new()),
    })))
}

async fn fired(store: Arc<dyn Store>, reminder: Reminder) -> Result<(), JobFailure> {
    let entity = EntityId::new(format!("fired/{}", reminder.name));
    let expected = store.load(&entity).await?.map_or(0, |state| state.version);
    store
        .put(Put {
            entity,
            expected,
            format: 1,
            payload: Some(Vec::new()),
        })
        .await?;
    Ok(())
}

/// Starts the queues that do the jobs and deliver the reminders. Leases are short: the jobs of a
/// program that was killed are soon run again.
///
/// # Errors
/// When they do not start.
pub async fn queues(jobs: &Jobs) -> Result<SupervisorRef, vaxel_actor::StartError> {
    let store = jobs.store().clone();
    let tallies = Queue::new(jobs, "default").handle(tally);
    let reminders = Queue::new(jobs, Reminder::QUEUE);
    let reminders = reminders.remind(move |reminder| fired(store.clone(), reminder));
    let quick = |queue: Queue| queue.lease(millis(900)).poll(millis(50)).child();
    let supervisor = Supervisor::one_for_one()
        .child(quick(tallies))
        .child(quick(reminders));
    supervisor.start().await
}

/// Puts load on the store for ever, and says what has been acknowledged: `event KEY NUMBER`,
/// `job ID KEY`, `timer NAME`. `run` tells what this process makes from what others made.
pub async fn serve(
    store: Arc<dyn Store>,
    run: u64,
    acknowledge: impl Fn(String) + Clone + Send + 'static,
) {
    let persistence = Persistence::with(store.clone(), PersistenceConfig::default());
    let counts = Entities::<Count>::new(&persistence);
    let jobs = Jobs::on(store);
    let _queues = queues(&jobs).await.expect("the queues start");
    for key in 0..4 {
        let (counts, acknowledge) = (counts.clone(), acknowledge.clone());
        tokio::spawn(async move {
            let key = key.to_string();
            loop {
                // What fails here fails because the disk does, which other tests are about.
                if let Ok(number) = counts.execute(&key, Next).await {
                    acknowledge(format!("event {key} {number}"));
                }
            }
        });
    }
    let (others, told) = (jobs.clone(), acknowledge.clone());
    tokio::spawn(async move {
        for number in 0_u64.. {
            let key = format!("job/{run}/{number}");
            if let Ok(enqueued) = others.enqueue(&Tally { key: key.clone() }).await {
                told(format!("job {} {key}", enqueued.id()));
            }
        }
    });
    for number in 0_u64.. {
        let name = format!("{run}/{number}");
        let reminder = Reminder::new(name.as_str()).after(millis(number % 80));
        if jobs.remind(reminder).await.is_ok() {
            acknowledge(format!("timer {name}"));
        }
    }
}

/// Works off what is left, and returns when nothing is.
pub async fn drain(store: Arc<dyn Store>) {
    let jobs = Jobs::on(store);
    let _queues = queues(&jobs).await.expect("the queues start");
    for queue in ["default", Reminder::QUEUE] {
        loop {
            let counts = jobs.counts(queue).await.expect("it reads");
            let is_open = |(state, count): &(JobState, u64)| !state.is_over() && *count > 0;
            if !counts.iter().any(is_open) {
                break;
            }
            // tidy: allow(sleep-in-test): the last job is done by an actor that tells nobody
            vaxel_actor::time::sleep(millis(20)).await;
        }
    }
}

/// How many jobs [`work`] runs at once.
pub const WORKERS: usize = 256;

/// Works off the tallies of a queue, says how many this process has completed as often as that
/// has changed, and returns when none is left.
pub async fn work(store: Arc<dyn Store>, say: impl Fn(u64)) {
    let jobs = Jobs::on(store);
    let queue = Queue::new(&jobs, "default").handle(tally);
    let queue = queue.concurrency(WORKERS).lease(millis(900));
    let queue = queue.poll(millis(50)).child();
    let supervisor = Supervisor::one_for_one().child(queue).start().await;
    let _queue = supervisor.expect("the queue starts");
    let mut before = 0;
    loop {
        // tidy: allow(sleep-in-test): how far the queue is can be looked at, and is not told
        vaxel_actor::time::sleep(millis(5)).await;
        let completed = jobs.counters().completed;
        if completed > before {
            say(completed);
        } else if jobs
            .store()
            .next_due("default")
            .await
            .is_ok_and(|due| due.is_none())
        {
            return;
        }
        before = completed;
    }
}
