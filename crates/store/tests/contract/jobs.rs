use std::time::Duration;

use vaxel_store::{
    ClaimedJob, Enqueued, FinishJob, JobState, NewJob, Outcome, Store, Timestamp, Unique,
    WriteError,
};

const LEASE: Duration = Duration::from_secs(30);

fn at(second: i64) -> Timestamp {
    Timestamp(second * 1_000)
}

fn job(payload: &str) -> NewJob {
    let mut job = NewJob::new("mail", payload.as_bytes());
    (job.now, job.run_at) = (at(0), at(0));
    job
}

fn enqueue(store: &dyn Store, job: NewJob) -> u64 {
    store.enqueue(job).wait().expect("it fits").id()
}

fn claim(store: &dyn Store, limit: usize, now: Timestamp) -> Vec<ClaimedJob> {
    let claimed = store.claim_jobs("mail", limit, now, now + LEASE);
    claimed.wait().expect("it can be claimed")
}

fn finish(
    store: &dyn Store,
    job: &ClaimedJob,
    now: Timestamp,
    outcome: Outcome,
) -> Result<(), WriteError> {
    let (id, lease) = (job.id, job.lease);
    store
        .finish_job(FinishJob {
            id,
            lease,
            now,
            outcome,
        })
        .wait()
}

fn state(store: &dyn Store, id: u64) -> JobState {
    store
        .job(id)
        .wait()
        .expect("it reads")
        .expect("it is there")
        .state
}

fn texts(jobs: &[ClaimedJob]) -> Vec<&str> {
    let text = |job| str::from_utf8(job).expect("the tests write text");
    jobs.iter().map(|job| text(&job.payload)).collect()
}

pub(crate) fn a_job_is_claimed_once_and_finished(store: &dyn Store) {
    let id = enqueue(store, job("a"));
    assert_eq!(state(store, id), JobState::Available);
    let claimed = claim(store, 10, at(1));
    assert_eq!(
        (claimed.len(), claimed[0].id, claimed[0].attempt),
        (1, id, 1)
    );
    assert_eq!(claim(store, 10, at(1)), []);
    assert_eq!(state(store, id), JobState::Executing);
    finish(store, &claimed[0], at(2), Outcome::Completed).expect("it is held");
    assert_eq!(state(store, id), JobState::Completed);
    let again = finish(store, &claimed[0], at(2), Outcome::Completed).expect_err("it is over");
    assert!(matches!(again, WriteError::LeaseLost { .. }), "{again:?}");
    assert_eq!(
        store.job_counts("mail").wait().expect("it reads"),
        [(JobState::Completed, 1)]
    );
}

pub(crate) fn jobs_come_by_priority_and_then_by_time(store: &dyn Store) {
    for (payload, priority, run_at) in [("d", 5, 1), ("c", 2, 4), ("b", 2, 3), ("a", 0, 5)] {
        let mut job = job(payload);
        (job.priority, job.run_at) = (priority, at(run_at));
        enqueue(store, job);
    }
    assert_eq!(texts(&claim(store, 3, at(9))), ["a", "b", "c"]);
    assert_eq!(texts(&claim(store, 3, at(9))), ["d"]);
}

pub(crate) fn a_job_waits_for_its_time(store: &dyn Store) {
    let mut later = job("later");
    later.run_at = at(10);
    enqueue(store, later);
    assert_eq!(claim(store, 1, at(9)), []);
    let due = || store.next_due("mail").wait().expect("it reads");
    assert_eq!(due(), Some(at(10)));
    assert_eq!(texts(&claim(store, 1, at(10))), ["later"]);
    assert_eq!(due(), Some(at(10) + LEASE), "then its lease may end");
}

pub(crate) fn a_failed_job_comes_again_and_dies_at_the_end(store: &dyn Store) {
    let mut twice = job("a");
    twice.attempts_max = 2;
    let id = enqueue(store, twice);
    let failed = |second: i64| Outcome::Failed {
        retry_at: at(second + 5),
        error: format!("at {second}"),
    };
    let first = claim(store, 1, at(1)).remove(0);
    finish(store, &first, at(1), failed(1)).expect("it is held");
    assert_eq!(claim(store, 1, at(5)), []);
    let second = claim(store, 1, at(6)).remove(0);
    assert_eq!((second.attempt, second.attempts_max), (2, 2));
    finish(store, &second, at(7), failed(7)).expect("it is held");
    let dead = store.job(id).wait().expect("it reads").expect("it is kept");
    assert_eq!(dead.state, JobState::Dead);
    let errors = dead
        .errors
        .iter()
        .map(|error| (error.attempt, error.message.as_str()));
    assert_eq!(errors.collect::<Vec<_>>(), [(1, "at 1"), (2, "at 7")]);
}

pub(crate) fn a_snoozed_job_keeps_its_attempts(store: &dyn Store) {
    enqueue(store, job("a"));
    for round in 0..3 {
        let now = at(i64::from(round) * 10);
        let claimed = claim(store, 1, now).remove(0);
        assert_eq!((claimed.attempt, claimed.snoozes), (1, round));
        let until = now + Duration::from_secs(10);
        finish(store, &claimed, now, Outcome::Snoozed { until }).expect("it is held");
    }
}

pub(crate) fn a_job_whose_lease_ended_is_given_to_another(store: &dyn Store) {
    let id = enqueue(store, job("a"));
    let gone = claim(store, 1, at(0)).remove(0);
    assert_eq!(claim(store, 1, at(29)), []);
    let next = claim(store, 1, at(30)).remove(0);
    assert_eq!((next.id, next.attempt), (id, 2));
    let late = finish(store, &gone, at(31), Outcome::Completed).expect_err("not its own");
    assert!(late.is_conflict(), "{late:?}");
    let held = store.renew_jobs(vec![(gone.id, gone.lease)], at(90)).wait();
    assert_eq!(held.expect("it can be asked"), []);
    finish(store, &next, at(32), Outcome::Completed).expect("it is held");

    let mut once = job("b");
    once.attempts_max = 1;
    let id = enqueue(store, once);
    claim(store, 1, at(40));
    assert_eq!(claim(store, 1, at(70)), []);
    assert_eq!(state(store, id), JobState::Dead, "it had one attempt");
}

pub(crate) fn a_renewed_lease_does_not_end(store: &dyn Store) {
    enqueue(store, job("long"));
    let held = claim(store, 1, at(0)).remove(0);
    for minute in 1..60 {
        let now = at(minute * 60 - 31);
        let renewed = store
            .renew_jobs(vec![(held.id, held.lease)], at(minute * 60))
            .wait();
        assert_eq!(renewed.expect("it can be renewed"), [held.id]);
        assert_eq!(claim(store, 1, now), [], "an hour long nobody else has it");
    }
    finish(store, &held, at(3_600), Outcome::Completed).expect("it is held");
}

fn unique(payload: &str, period: Option<u64>) -> NewJob {
    let mut job = job(payload);
    job.unique = Some(Unique {
        key: "one".into(),
        period: period.map(Duration::from_secs),
    });
    job
}

pub(crate) fn a_unique_job_is_enqueued_once(store: &dyn Store) {
    let ids: Vec<Enqueued> = std::thread::scope(|scope| {
        let insert = || {
            store
                .enqueue(unique("a", Some(60)))
                .wait()
                .expect("it fits")
        };
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(insert)).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|enqueued| enqueued.expect("it only inserts"))
            .collect()
    });
    let fresh = ids.iter().filter(|id| matches!(id, Enqueued::New(_)));
    assert_eq!(fresh.count(), 1);
    assert!(ids.iter().all(|id| id.id() == ids[0].id()));
    let done = claim(store, 10, at(1));
    finish(store, &done[0], at(2), Outcome::Completed).expect("it is held");
    let mut again = unique("b", Some(60));
    again.now = at(59);
    assert!(matches!(
        store.enqueue(again.clone()).wait(),
        Ok(Enqueued::Existing(_))
    ));
    again.now = at(60);
    assert!(matches!(store.enqueue(again).wait(), Ok(Enqueued::New(_))));
    let mut elsewhere = unique("c", Some(60));
    elsewhere.queue = "other".into();
    assert!(matches!(
        store.enqueue(elsewhere).wait(),
        Ok(Enqueued::New(_))
    ));
}

pub(crate) fn a_key_that_lasts_as_long_as_its_job_is_free_afterwards(store: &dyn Store) {
    let first = enqueue(store, unique("a", None));
    assert_eq!(enqueue(store, unique("a", None)), first);
    let held = claim(store, 1, at(1)).remove(0);
    assert_eq!(
        enqueue(store, unique("a", None)),
        first,
        "also while it runs"
    );
    finish(store, &held, at(2), Outcome::Completed).expect("it is held");
    assert_ne!(enqueue(store, unique("a", None)), first);
}

pub(crate) fn a_cancelled_job_is_not_held_any_more(store: &dyn Store) {
    let id = enqueue(store, job("a"));
    let held = claim(store, 1, at(0)).remove(0);
    assert!(store.cancel_job(id, at(1)).wait().expect("it can be"));
    assert!(
        !store
            .cancel_job(id, at(1))
            .wait()
            .expect("it can be asked again")
    );
    let renewed = store.renew_jobs(vec![(held.id, held.lease)], at(60)).wait();
    assert_eq!(renewed.expect("it can be asked"), []);
    assert!(finish(store, &held, at(2), Outcome::Completed).is_err());
    assert_eq!(state(store, id), JobState::Cancelled);
}

pub(crate) fn a_dead_job_is_retried_with_all_its_attempts(store: &dyn Store) {
    let id = enqueue(store, job("a"));
    assert!(
        !store.retry_job(id, at(0)).wait().expect("it can be asked"),
        "it waits anyway"
    );
    let held = claim(store, 1, at(0)).remove(0);
    let error = "é".repeat(2_000);
    finish(store, &held, at(1), Outcome::Dead { error }).expect("it is held");
    let dead = store
        .jobs("mail", JobState::Dead, 0, 10)
        .wait()
        .expect("it reads");
    assert_eq!(dead.len(), 1);
    let errors = store
        .job(id)
        .wait()
        .expect("it reads")
        .expect("it is kept")
        .errors;
    assert_eq!(errors[0].message.len(), 1_024, "the message is cut");
    assert!(store.retry_job(id, at(5)).wait().expect("it can be"));
    assert_eq!(claim(store, 1, at(5))[0].attempt, 1);
}

pub(crate) fn jobs_that_are_over_are_pruned(store: &dyn Store) {
    let ids: Vec<u64> = ["a", "b", "c"].map(|name| enqueue(store, job(name))).into();
    for (second, held) in (1..).zip(claim(store, 2, at(0))) {
        finish(store, &held, at(second), Outcome::Completed).expect("it is held");
    }
    let prune = |before, limit| store.prune_jobs(before, limit).wait().expect("it can be");
    assert_eq!(prune(at(1), 10), 0);
    assert_eq!(prune(at(9), 1), 1);
    assert_eq!(
        store.job(ids[0]).wait().expect("it reads"),
        None,
        "the oldest goes first"
    );
    assert_eq!(prune(at(9), 10), 1);
    assert_eq!(state(store, ids[2]), JobState::Available);
    let next = enqueue(store, job("d"));
    assert!(next > ids[2], "an id never names another job");
}
