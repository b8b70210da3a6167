//! Queues: who runs a job, when, and how often.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use common::{in_timeless_system, jobs_on, log, soon, until};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use vaxel_actor::rate::Rate;
use vaxel_actor::{Supervisor, SupervisorRef, System, millis, secs};
use vaxel_jobs::{Attempt, End, Job, JobFailure, Jobs, Queue, QueueActor, QueueRef, Request};
use vaxel_store::{Enqueued, JobState, Memory, Put, Write};

#[derive(Serialize, Deserialize)]
enum Work {
    Say(String),
    Fail,
    Panic,
    Hang,
    SnoozeTwice,
    Discard,
    Store(u64),
}

impl Job for Work {
    const KIND: &'static str = "work";
    const ATTEMPTS_MAX: u32 = 3;
    const TIME_LIMIT: Option<Duration> = Some(secs(3_600));

    fn backoff(attempt: u32) -> Duration {
        secs(10) * attempt
    }
}

fn say(text: &str) -> Work {
    Work::Say(text.to_owned())
}

async fn work(work: Work, attempt: Attempt, pen: Sender<String>) -> Result<End, JobFailure> {
    let pen = &pen;
    let say = |text: String| async move { pen.send(text).await };
    match work {
        Work::Say(text) => say(text).await?,
        Work::Fail => {
            say(format!("fail {}", attempt.attempt)).await?;
            return Err("as the test wants it".into());
        }
        Work::Panic => panic!("as the test wants it"),
        Work::Hang => {
            say(format!("hang {}", attempt.attempt)).await?;
            std::future::pending::<()>().await;
        }
        Work::SnoozeTwice if attempt.snoozes < 2 => return Ok(End::Snooze(secs(100))),
        Work::SnoozeTwice => say(format!("attempt {}", attempt.attempt)).await?,
        Work::Discard => return Ok(End::Discard("nobody can do that".into())),
        Work::Store(expected) => {
            let put = Put {
                entity: "result".into(),
                expected,
                format: 1,
                payload: Some(vec![1]),
            };
            return Ok(End::DoneWith(Write::new().put(put)));
        }
    }
    Ok(End::Done)
}

fn queue(jobs: &Jobs, pen: &Sender<String>) -> Queue {
    let pen = pen.clone();
    // The time does not move by itself, so nobody would wait for the end of a grace.
    let queue = Queue::new(jobs, "default").grace(Duration::ZERO);
    queue.handle(move |job: Work, attempt| work(job, attempt, pen.clone()))
}

async fn start(system: &System, queue: Queue) -> (SupervisorRef, QueueRef) {
    let supervisor = Supervisor::one_for_one().child(queue.child().name("queue"));
    let supervisor = supervisor.start().await.expect("it starts");
    let actor = system
        .whereis::<QueueActor>("queue")
        .expect("it has a name");
    (supervisor, actor.into())
}

async fn state(jobs: &Jobs, id: u64) -> JobState {
    jobs.job(id)
        .await
        .expect("it reads")
        .expect("it is kept")
        .state
}

async fn enqueue(jobs: &Jobs, request: impl Into<Request>) -> u64 {
    jobs.enqueue(request).await.expect("it fits").id()
}

#[test]
fn jobs_run_at_their_time_and_are_completed() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, mut lines) = log();
        let _running = start(&system, queue(&jobs, &pen)).await;
        let later = enqueue(&jobs, Request::of(&say("later")).after(secs(60))).await;
        let now = enqueue(&jobs, &say("now")).await;
        assert_eq!(lines.next().await, "now");
        until(&system, "the first", millis(0), async || {
            state(&jobs, now).await == JobState::Completed
        })
        .await;
        system.advance(secs(59));
        assert_eq!(state(&jobs, later).await, JobState::Available);
        assert_eq!(lines.rest(), Vec::<String>::new());
        until(&system, "the second", millis(500), async || {
            state(&jobs, later).await == JobState::Completed
        })
        .await;
        assert_eq!(lines.next().await, "later");
    });
}

#[test]
fn a_job_that_fails_is_tried_again_later_each_time_and_then_dead() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, mut lines) = log();
        let _running = start(&system, queue(&jobs, &pen)).await;
        let begun = system.now();
        let id = enqueue(&jobs, &Work::Fail).await;
        until(&system, "its death", millis(250), async || {
            state(&jobs, id).await == JobState::Dead
        })
        .await;
        assert_eq!(lines.rest(), ["fail 1", "fail 2", "fail 3"]);
        assert!(
            system.now() - begun >= secs(30),
            "10 s and 20 s lie between the attempts"
        );
        let dead = jobs.job(id).await.expect("it reads").expect("it is kept");
        let messages: Vec<_> = dead
            .errors
            .iter()
            .map(|error| error.message.as_str())
            .collect();
        assert_eq!(messages, ["as the test wants it"; 3]);
        until(&system, "the count", millis(0), async || {
            jobs.counters().failed == 3
        })
        .await;
    });
}

#[test]
fn a_panic_a_discard_and_an_unknown_kind_are_told_apart_from_success() {
    #[derive(Serialize, Deserialize)]
    struct Unknown;
    impl Job for Unknown {
        const KIND: &'static str = "unknown";
        const ATTEMPTS_MAX: u32 = 1;
    }
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, _lines) = log();
        let _running = start(&system, queue(&jobs, &pen)).await;
        let panics = enqueue(&jobs, Request::of(&Work::Panic).attempts_max(1)).await;
        let discarded = enqueue(&jobs, &Work::Discard).await;
        let unknown = enqueue(&jobs, &Unknown).await;
        for (id, why) in [
            (panics, "as the test wants it"),
            (discarded, "nobody can do that"),
            (unknown, "handles no unknown"),
        ] {
            until(&system, why, millis(0), async || {
                state(&jobs, id).await == JobState::Dead
            })
            .await;
            let job = jobs.job(id).await.expect("it reads").expect("it is kept");
            assert!(job.errors[0].message.contains(why), "{:?}", job.errors);
        }
    });
}

#[test]
fn a_snooze_costs_no_attempt() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, mut lines) = log();
        let _running = start(&system, queue(&jobs, &pen)).await;
        let id = enqueue(&jobs, &Work::SnoozeTwice).await;
        until(&system, "its end", secs(1), async || {
            state(&jobs, id).await == JobState::Completed
        })
        .await;
        assert_eq!(lines.rest(), ["attempt 1"]);
    });
}

#[test]
fn what_is_stored_with_the_end_is_stored_once() {
    in_timeless_system(|system| async move {
        let store = Arc::new(Memory::new());
        let jobs = jobs_on(&system, store.clone());
        let (pen, _lines) = log();
        let _running = start(&system, queue(&jobs, &pen)).await;
        let good = enqueue(&jobs, &Work::Store(0)).await;
        until(&system, "its end", millis(0), async || {
            state(&jobs, good).await == JobState::Completed
        })
        .await;
        let stale = enqueue(&jobs, Request::of(&Work::Store(7)).attempts_max(1)).await;
        until(&system, "its end", millis(0), async || {
            state(&jobs, stale).await == JobState::Dead
        })
        .await;
        let stored = jobs.store().load(&"result".into()).await.expect("it reads");
        assert_eq!(stored.map(|stored| stored.version), Some(1));
    });
}

#[test]
fn no_more_run_at_once_than_the_queue_allows() {
    #[derive(Serialize, Deserialize)]
    struct Wait;
    impl Job for Wait {
        const KIND: &'static str = "wait";
    }
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let gate = Arc::new(Semaphore::new(0));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (opening, seen) = (gate.clone(), most.clone());
        let queue = Queue::new(&jobs, "default")
            .concurrency(3)
            .handle(move |_: Wait, _| {
                let (gate, running, most) = (gate.clone(), running.clone(), most.clone());
                async move {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    gate.acquire().await?.forget();
                    running.fetch_sub(1, SeqCst);
                    Ok(End::Done)
                }
            });
        let (_supervisor, queue) = start(&system, queue).await;
        for _ in 0..20 {
            enqueue(&jobs, &Wait).await;
        }
        until(&system, "three", millis(0), async || seen.load(SeqCst) == 3).await;
        assert_eq!(queue.pause().await, Ok(3));
        opening.add_permits(100);
        soon("the pause", async {
            while queue.running().await != Ok(0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(jobs.counters().completed, 3, "paused, it begins no more");
        queue.resume().await.expect("it lives");
        until(&system, "all", millis(0), async || {
            jobs.counters().completed == 20
        })
        .await;
        assert_eq!(seen.load(SeqCst), 3);
    });
}

#[test]
fn no_more_are_begun_in_a_period_than_the_rate_allows() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, mut lines) = log();
        let queue = queue(&jobs, &pen).rate(Rate::per_second(2).burst(2));
        let _running = start(&system, queue).await;
        for number in 0..6 {
            enqueue(&jobs, &say(&number.to_string())).await;
        }
        let begun = system.now();
        until(&system, "all six", millis(10), async || {
            jobs.counters().completed == 6
        })
        .await;
        assert!(
            system.now() - begun >= secs(2),
            "two at once, then two a second"
        );
        assert_eq!(lines.rest().len(), 6);
    });
}

#[test]
fn a_job_that_runs_long_is_leased_all_the_time_and_a_lost_worker_gives_it_back() {
    in_timeless_system(|system| async move {
        let store = Arc::new(Memory::new());
        let jobs = jobs_on(&system, store.clone());
        let elsewhere = jobs_on(&system, store);
        let (pen, mut lines) = log();
        let (supervisor, _) = start(&system, queue(&jobs, &pen)).await;
        let id = enqueue(&jobs, &Work::Hang).await;
        assert_eq!(lines.next().await, "hang 1");
        for _ in 0..100 {
            system.advance(secs(10));
            // Whoever asks now must find it leased, once the renewal has been stored.
            soon("the renewal", async {
                while due(&elsewhere).await < elsewhere.now() + secs(30) {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        assert_eq!(
            lines.rest(),
            Vec::<String>::new(),
            "for 1,000 s nobody else has run it"
        );
        let actor = system
            .whereis::<QueueActor>("queue")
            .expect("it has a name");
        actor.kill();
        until(&system, "the second attempt", secs(1), async || {
            jobs.job(id)
                .await
                .expect("it reads")
                .expect("it is kept")
                .attempt
                == 2
        })
        .await;
        assert_eq!(
            lines.next().await,
            "hang 2",
            "its supervisor has started the queue again"
        );
        drop(supervisor);
    });
}

/// Says that it has begun, and again when it is ended.
#[derive(Serialize, Deserialize)]
struct Endless;

impl Job for Endless {
    const KIND: &'static str = "endless";
}

struct Says(Sender<String>, u32);

impl Drop for Says {
    fn drop(&mut self) {
        let _ = self.0.try_send(format!("end {}", self.1));
    }
}

fn endless(jobs: &Jobs, pen: &Sender<String>) -> Queue {
    let pen = pen.clone();
    let queue = Queue::new(jobs, "default").grace(Duration::ZERO);
    queue.handle(move |_: Endless, attempt| {
        let says = Says(pen.clone(), attempt.attempt);
        async move {
            says.0.send(format!("begin {}", says.1)).await?;
            std::future::pending().await
        }
    })
}

#[test]
fn an_attempt_ends_before_its_lease_does_while_the_store_hangs() {
    in_timeless_system(|system| async move {
        let store = Arc::new(Memory::new());
        let jobs = jobs_on(&system, store.clone());
        let (pen, mut lines) = log();
        let _running = start(&system, endless(&jobs, &pen)).await;
        enqueue(&jobs, &Endless).await;
        assert_eq!(lines.next().await, "begin 1");
        let held = store.hold();
        // Renewals are asked for after 10 s and 20 s, and not answered.
        for _ in 0..26 {
            system.advance(secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(lines.rest(), Vec::<String>::new(), "the lease is of 30 s");
        system.advance(secs(1));
        assert_eq!(lines.next().await, "end 1");
        drop(held);
        until(&system, "the next attempt", secs(1), async || {
            lines.rest().contains(&"begin 2".to_owned())
        })
        .await;
        assert_eq!(jobs.counters().leases_lost, 1);
    });
}

#[test]
fn a_claim_that_took_longer_than_its_lease_is_renewed_before_it_is_begun() {
    in_timeless_system(|system| async move {
        let store = Arc::new(Memory::new());
        let jobs = jobs_on(&system, store.clone());
        let (pen, mut lines) = log();
        let id = enqueue(&jobs, Request::of(&Endless).attempts_max(1)).await;
        let held = store.hold();
        let asked = jobs.store().counters().writes;
        let _running = start(&system, endless(&jobs, &pen)).await;
        soon("the claim", async {
            while jobs.store().counters().writes == asked {
                tokio::task::yield_now().await;
            }
        })
        .await;
        system.advance(secs(40));
        drop(held);
        assert_eq!(lines.next().await, "begin 1");
        assert!(due(&jobs).await > jobs.now() + secs(25), "it is leased");
        assert_eq!(state(&jobs, id).await, JobState::Executing);
    });
}

/// When the queue has something to do: while a job runs, the end of its lease.
async fn due(jobs: &Jobs) -> vaxel_store::Timestamp {
    let due = jobs.store().next_due("default").await.expect("it reads");
    due.expect("a job runs")
}

#[test]
fn a_running_job_that_is_cancelled_is_ended() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, mut lines) = log();
        let (_supervisor, queue) = start(&system, queue(&jobs, &pen)).await;
        let id = enqueue(&jobs, &Work::Hang).await;
        assert_eq!(lines.next().await, "hang 1");
        assert_eq!(jobs.cancel(id).await.ok(), Some(true));
        until(&system, "its end", secs(1), async || {
            queue.running().await == Ok(0)
        })
        .await;
        assert_eq!(state(&jobs, id).await, JobState::Cancelled);
        assert_eq!(jobs.counters().leases_lost, 1);
        assert_eq!(jobs.retry(id).await.ok(), Some(true));
        until(&system, "another try", secs(1), async || {
            lines.rest() == ["hang 1"]
        })
        .await;
    });
}

#[test]
fn jobs_that_are_over_are_pruned_after_a_while() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let (pen, _lines) = log();
        let _running = start(&system, queue(&jobs, &pen).keep(secs(3_600))).await;
        let later = enqueue(&jobs, Request::of(&say("later")).after(secs(7_200))).await;
        let first = enqueue(&jobs, &say("first")).await;
        until(&system, "its end", millis(0), async || {
            state(&jobs, first).await == JobState::Completed
        })
        .await;
        system.advance(secs(3_500));
        assert_eq!(state(&jobs, first).await, JobState::Completed);
        until(&system, "the pruning", secs(20), async || {
            jobs.job(first).await.expect("it reads").is_none()
        })
        .await;
        assert_eq!(jobs.counters().pruned, 1);
        assert_eq!(state(&jobs, later).await, JobState::Available);
    });
}

#[test]
fn of_a_hundred_that_enqueue_one_unique_job_one_does() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let inserts: Vec<_> = (0..100)
            .map(|number| {
                let (jobs, job) = (jobs.clone(), say(&number.to_string()));
                tokio::spawn(async move { jobs.enqueue(Request::of(&job).unique("key")).await })
            })
            .collect();
        let (mut new, mut ids) = (0, std::collections::HashSet::new());
        for insert in inserts {
            let enqueued = soon("an insert", insert).await.expect("it ends");
            let enqueued = enqueued.expect("it fits");
            new += u32::from(matches!(enqueued, Enqueued::New(_)));
            ids.insert(enqueued.id());
        }
        assert_eq!((new, ids.len()), (1, 1));
    });
}

#[test]
fn a_unique_job_is_enqueued_once() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let request = || Request::of(&say("once")).unique_within("key", secs(60));
        let first = jobs.enqueue(request()).await.expect("it fits");
        assert!(matches!(first, Enqueued::New(_)));
        let second = jobs.enqueue(request()).await.expect("it fits");
        assert_eq!(second, Enqueued::Existing(first.id()));
        system.advance(secs(60));
        assert!(matches!(
            jobs.enqueue(request()).await,
            Ok(Enqueued::New(_))
        ));
        assert_eq!(jobs.prune(secs(0)).await.ok(), Some(0), "none is over");
    });
}
