//! Many actors and many jobs: 5,000 of each, or as many as `VAXEL_SCALE` says.

#[path = "../../../crates/persistence/tests/common/system.rs"]
mod system;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use system::{in_system_of, soon};
use vaxel_actor::millis;
use vaxel_jobs::Request;
use vaxel_persistence::{Entities, Persistence};
use vaxel_recovery::{Count, Next, Tally, WORKERS};
use vaxel_store::{JobState, JobStore, NewJob, Sqlite, StateStore, Timestamp, Transact, Write};

const KILLS: u64 = 10;

/// How many a single write enqueues, or a page holds.
const PAGE: usize = 1_000;

fn scale() -> u64 {
    let scale = std::env::var("VAXEL_SCALE").ok();
    scale.and_then(|text| text.parse().ok()).unwrap_or(5_000)
}

/// As many at once.
const CALLERS: u64 = 64;

/// Has each of the counters count once; answers what they say, summed up.
async fn count_all(counts: &Entities<Count>, counters: u64) -> u64 {
    let sum = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (counts, sum) = (counts.clone(), sum.clone());
            tokio::spawn(async move {
                for key in (caller..counters).step_by(CALLERS as usize) {
                    let number = counts.execute(&key.to_string(), Next).await;
                    sum.fetch_add(number.expect("it recovers"), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("it does not panic");
    }
    sum.load(Ordering::Relaxed)
}

#[test]
fn actors_recover_on_demand_beside_traffic_and_go_to_sleep() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Sqlite::open(folder.path().join("data.db")).expect("it opens");
    let persistence = Persistence::new(store);
    let counters = scale().min(100_000);
    in_system_of(
        |builder| builder,
        async |_| {
            let first = Entities::<Count>::new(&persistence);
            assert_eq!(count_all(&first, counters).await, counters);
            drop(first);

            let counts = Entities::<Count>::new(&persistence).idle_after(millis(1_500));
            let is_over = Arc::new(AtomicBool::new(false));
            let (busy, stop) = (counts.clone(), is_over.clone());
            let traffic = tokio::spawn(async move {
                let mut last = 0;
                while !stop.load(Ordering::Relaxed) {
                    let number = busy.execute("busy", Next).await.expect("it is awake");
                    assert_eq!(number, last + 1);
                    last = number;
                }
                last
            });
            assert_eq!(count_all(&counts, counters).await, 2 * counters);
            is_over.store(true, Ordering::Relaxed);
            let beside = soon("the traffic", traffic).await.expect("it counts");
            assert!(beside > 10, "{beside} commands beside it are few");
            soon("all to sleep", async {
                while counts.awake() > 0 {
                    // tidy: allow(sleep-in-test): who falls asleep tells nobody
                    tokio::time::sleep(millis(20)).await;
                }
            })
            .await;
            assert_eq!(counts.execute("0", Next).await.ok(), Some(3));
        },
    );
}

fn enqueue_all(store: &Sqlite, jobs: u64) {
    let job = |number: u64| -> NewJob {
        let key = number.to_string();
        let request = Request::of(&Tally { key });
        request.into_new_job(Timestamp::now()).expect("it is text")
    };
    let numbers: Vec<_> = (0..jobs).collect();
    let writes = numbers.chunks(PAGE).map(|page| {
        let write = page
            .iter()
            .fold(Write::new(), |write, number| write.enqueue(job(*number)));
        store.write(write)
    });
    for written in writes.collect::<Vec<_>>() {
        written.wait().expect("it fits");
    }
}

/// Works jobs off until so many are done, and kills the program then; to the end where there is no
/// number.
fn work(file: &Path, until: Option<u64>) {
    let mut running = Command::new(env!("CARGO_BIN_EXE_vaxel-recovery"))
        .arg(file)
        .arg("work")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(running.stdout.take().expect("it is piped"));
    for line in output.lines().map_while(Result::ok) {
        let completed: u64 = line.parse().expect("a number");
        if until.is_some_and(|until| completed >= until) {
            running.kill().expect("it runs");
        }
    }
    let status = running.wait().expect("it ends");
    assert_eq!(status.success(), until.is_none(), "{status}");
}

#[test]
fn jobs_are_done_as_often_as_promised_through_ten_kills() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("data.db");
    let jobs = scale();
    enqueue_all(&Sqlite::open(&file).expect("it opens"), jobs);
    for _ in 0..KILLS {
        work(&file, Some(jobs / (2 * KILLS)));
    }
    work(&file, None);

    let store = Sqlite::open(&file).expect("it opens");
    let (mut after, mut completed, mut again) = (0, 0, 0);
    loop {
        let page = store.jobs("default", JobState::Completed, after, PAGE);
        let page = page.wait().expect("it reads");
        let Some(last) = page.last() else { break };
        after = last.id;
        completed += page.len() as u64;
        again += page
            .iter()
            .map(|job| u64::from(job.attempt) - 1)
            .sum::<u64>();
    }
    assert_eq!(completed, jobs, "each is done");
    let bound = KILLS * WORKERS as u64;
    assert!(
        again <= bound,
        "{again} attempts were begun again, {bound} may be"
    );
    for number in (0..jobs).step_by(1 + jobs as usize / 10_000) {
        let done = store.load(&format!("done/{number}").as_str().into()).wait();
        let done = done.expect("it reads").map(|done| done.version);
        assert_eq!(done, Some(1), "{number} is done once");
    }
}
