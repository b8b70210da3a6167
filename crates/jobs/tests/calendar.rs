//! Cron and reminders: each slot once, and what was missed by policy.

mod common;

use std::sync::Arc;

use common::{in_timeless_system, jobs_on, log, until};
use serde::{Deserialize, Serialize};
use vaxel_actor::{Supervisor, SupervisorRef, System, millis, secs};
use vaxel_jobs::{CatchUp, Cron, Job, Jobs, Missed, Queue, Reminder, Request};
use vaxel_store::{JobState, Memory, Store, Timestamp};

#[derive(Serialize, Deserialize)]
struct Slot(i64);

impl Job for Slot {
    const KIND: &'static str = "slot";
}

fn slot(at: Timestamp) -> Request {
    Request::of(&Slot(at.0 / 1_000))
}

fn cron(jobs: &Jobs, expression: &str, catch_up: CatchUp) -> Cron {
    let cron = Cron::new(jobs).entry("slots", expression, catch_up, slot);
    cron.expect("the expression is right")
}

async fn start(cron: Cron) -> SupervisorRef {
    let supervisor = Supervisor::one_for_one().child(cron.child()).start().await;
    supervisor.expect("it starts")
}

async fn slots(jobs: &Jobs) -> Vec<i64> {
    let waiting = jobs
        .store()
        .jobs("default", JobState::Available, 0, 1_000)
        .await;
    let number = |payload: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(payload).expect("it is JSON");
        value["args"].as_i64().expect("a number")
    };
    waiting
        .expect("it reads")
        .iter()
        .map(|job| number(&job.payload))
        .collect()
}

/// Waits until the entry has been seen, so that its slots begin.
async fn marked(system: &System, jobs: &Jobs) {
    until(system, "the mark", millis(0), async || {
        jobs.store()
            .load(&"cron/slots".into())
            .await
            .is_ok_and(|mark| mark.is_some())
    })
    .await;
}

#[test]
fn a_slot_fires_once_though_two_processes_have_the_entry() {
    in_timeless_system(|system| async move {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let jobs = jobs_on(&system, store.clone());
        let other = jobs_on(&system, store);
        let _here = start(cron(&jobs, "* * * * *", CatchUp::All)).await;
        let _there = start(cron(&other, "* * * * *", CatchUp::All)).await;
        marked(&system, &jobs).await;
        until(&system, "five slots", secs(5), async || {
            slots(&jobs).await.len() >= 5
        })
        .await;
        let mut expected = (1_020..).step_by(60);
        for slot in slots(&jobs).await {
            assert_eq!(Some(slot), expected.next(), "each minute once, in order");
        }
    });
}

/// The slots that fire after an hour in which no process was there.
fn after_an_hour(catch_up: CatchUp) -> Vec<i64> {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let running = start(cron(&jobs, "*/10 * * * *", catch_up)).await;
        marked(&system, &jobs).await;
        let exit = running.exit();
        running.shutdown();
        common::soon("its end", exit).await;
        // The clock begins at 1,000 s, and there is a slot every 600 s.
        system.advance(secs(3_650));
        let _again = start(cron(&jobs, "*/10 * * * *", catch_up)).await;
        let next = 4_800;
        let fired = async || slots(&jobs).await.last().is_some_and(|last| *last >= next);
        until(&system, "the next slot", secs(1), fired).await;
        slots(&jobs).await
    })
}

#[test]
fn what_was_missed_is_caught_up_with_by_policy() {
    assert_eq!(after_an_hour(CatchUp::Once), [4_200, 4_800]);
    assert_eq!(after_an_hour(CatchUp::Skip), [4_800]);
    let all: Vec<i64> = (1_200..=4_800).step_by(600).collect();
    assert_eq!(after_an_hour(CatchUp::All), all);
}

#[test]
fn a_wrong_expression_names_its_entry() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let wrong = Cron::new(&jobs).entry("nightly", "61 3 * * *", CatchUp::Once, slot);
        let error = wrong.err().expect("there is no minute 61").to_string();
        assert!(
            error.contains("nightly") && error.contains("61 3 * * *"),
            "{error}"
        );
    });
}

#[test]
fn a_reminder_comes_again_and_what_was_missed_by_policy() {
    in_timeless_system(|system| async move {
        let jobs = jobs_on(&system, Arc::new(Memory::new()));
        let every = |name: &str| Reminder::new(name).after(millis(100)).every(millis(200));
        jobs.remind(every("once")).await.expect("it fits");
        jobs.remind(every("all").missed(Missed::All))
            .await
            .expect("it fits");
        // Five times of each pass while nobody is there.
        system.advance(millis(1_000));
        let (pen, mut lines) = log();
        let queue = Queue::new(&jobs, Reminder::QUEUE).remind(move |reminder| {
            let pen = pen.clone();
            async move { Ok(pen.send(reminder.name).await?) }
        });
        let _running = Supervisor::one_for_one().child(queue.child()).start().await;
        let mut counts = (0, 0);
        until(&system, "what was missed", millis(0), async || {
            for line in lines.rest() {
                let count = if line == "once" {
                    &mut counts.0
                } else {
                    &mut counts.1
                };
                *count += 1;
            }
            counts == (1, 5)
        })
        .await;
        assert_eq!(jobs.forget("all").await.ok(), Some(true));
        assert_eq!(jobs.forget("all").await.ok(), Some(false));
        until(&system, "the next time", millis(50), async || {
            counts.0 += lines.rest().iter().filter(|line| *line == "once").count();
            counts.0 >= 3
        })
        .await;
    });
}
