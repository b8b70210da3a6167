//! Each call of the store fails in turn, in each way there is: actors and jobs keep what they
//! promise.

#[path = "../../../crates/jobs/tests/common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use common::{in_timeless_system, jobs_on, soon, until};
use vaxel_actor::{Supervisor, millis};
use vaxel_jobs::{Attempt, End, EnqueueError, Queue, Request};
use vaxel_persistence::{Entities, Persistence, PersistenceConfig};
use vaxel_recovery::{Count, Faulty, Next, Tally, Trouble};
use vaxel_store::{EntityId, JobState, JobStore, Journal, Memory, Put, StateStore, Write};

/// Runs a case for each call that it makes and each way in which that call can fail.
fn sweep(case: impl Fn(Arc<Faulty>, Arc<Memory>)) {
    for trouble in Trouble::ALL {
        let mut at = 0;
        loop {
            let memory = Arc::new(Memory::new());
            let plan = move |call| (call == at).then_some(trouble);
            let faulty = Arc::new(Faulty::new(memory.clone(), plan));
            case(faulty.clone(), memory);
            if faulty.calls() <= at {
                break;
            }
            at += 1;
        }
        assert!(at > 5, "{trouble:?}: {at} calls are few");
    }
}

/// The numbers that are stored, in order.
fn stored(memory: &Memory) -> Vec<u64> {
    let entity = EntityId::new("count/a");
    let events = memory.read(&entity, 0, 1_000).wait().expect("it reads");
    let numbers = events.iter().zip(1..).map(|(event, sequence)| {
        assert_eq!(event.sequence, sequence);
        String::from_utf8_lossy(&event.payload)
            .parse()
            .expect("a number")
    });
    numbers.collect()
}

#[test]
fn an_entity_says_what_was_stored_whichever_call_fails() {
    sweep(|faulty, memory| {
        in_timeless_system(|_| async move {
            let persistence = Persistence::with(faulty, PersistenceConfig::default());
            let counts = Entities::<Count>::new(&persistence);
            let mut answered = Vec::new();
            let mut unknown = 0;
            // More than a snapshot needs, and some with a job in their transaction.
            for _ in 0..24 {
                match soon("an answer", counts.execute("a", Next)).await {
                    Ok(number) => answered.push(number),
                    Err(error) => unknown += usize::from(error.is_outcome_unknown()),
                }
            }
            let stored = stored(&memory);
            let counted: Vec<_> = (1..=stored.len() as u64).collect();
            assert_eq!(stored, counted, "each once and in order");
            let silent = stored.iter().filter(|number| !answered.contains(number));
            assert!(silent.count() <= unknown, "what failed is not stored");
            assert!(answered.iter().all(|number| stored.contains(number)));
            assert!(answered.len() >= 22, "one call fails, not {answered:?}");
            let with_job = stored.len() / 4;
            let jobs = memory.job_counts("default").wait().expect("it reads");
            let jobs: u64 = jobs.iter().map(|(_, count)| count).sum();
            assert_eq!(
                jobs, with_job as u64,
                "events and jobs are written together"
            );
        });
    });
}

fn is_unknown(error: &EnqueueError) -> bool {
    matches!(error, EnqueueError::Write(error) if error.is_outcome_unknown())
}

async fn done(job: Tally, _: Attempt) -> Result<End, vaxel_jobs::JobFailure> {
    Ok(End::DoneWith(Write::new().put(Put {
        entity: EntityId::new(format!("done/{}", job.key)),
        expected: 0,
        format: 1,
        payload: Some(Vec::new()),
    })))
}

#[test]
fn jobs_are_done_once_whichever_call_fails() {
    sweep(|faulty, memory| {
        in_timeless_system(|system| async move {
            let jobs = jobs_on(&system, faulty);
            let mut sure = HashSet::new();
            let mut unsure = HashSet::new();
            for number in 0..4 {
                let key = number.to_string();
                let request = Request::of(&Tally { key: key.clone() }).unique(key.as_str());
                match jobs.enqueue(request).await {
                    Ok(_) => _ = sure.insert(key),
                    Err(error) if is_unknown(&error) => _ = unsure.insert(key),
                    Err(_) => {}
                }
            }
            let queue = Queue::new(&jobs, "default").concurrency(2).handle(done);
            let queue = queue.grace(Duration::ZERO).child().name("queue");
            let _running = Supervisor::one_for_one().child(queue).start().await;
            until(&system, "all jobs", millis(500), async || {
                let counts = memory.job_counts("default").wait().expect("it reads");
                counts.iter().all(|(state, _)| state.is_over())
            })
            .await;
            let counts = memory.job_counts("default").wait().expect("it reads");
            assert!(
                counts
                    .iter()
                    .all(|(state, _)| *state == JobState::Completed),
                "{counts:?}"
            );
            let names = memory.names("done/", None, 100).wait().expect("it reads");
            let done: HashSet<_> = names
                .iter()
                .map(|name| name.as_str()["done/".len()..].to_owned())
                .collect();
            assert!(done.is_superset(&sure), "{done:?} of {sure:?}");
            assert!(
                done.iter()
                    .all(|key| sure.contains(key) || unsure.contains(key))
            );
            for name in names {
                let state = memory.load(&name).wait().expect("it reads");
                assert_eq!(state.map(|state| state.version), Some(1), "{name} once");
            }
        });
    });
}
