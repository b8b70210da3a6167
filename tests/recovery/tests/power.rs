//! The power fails under load: of what was not synced some is lost, some is kept and some is torn.
//! What was acknowledged is there. Where syncs are forgotten, this test finds the loss.
//!
//! Ten rounds, or as many as `VAXEL_ROUNDS` says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use vaxel_recovery::{Dice, rounds};
use vaxel_recovery_disk::{Disk, Operation};
use vaxel_store::{
    Append, EntityId, JobState, JobStore, Journal, NewEvent, NewJob, Put, Sqlite, SqliteConfig,
    StateStore, Transact, Write, WriteError,
};

const WRITERS: usize = 6;

fn entity(writer: usize) -> EntityId {
    EntityId::new(format!("writer/{writer}"))
}

fn bytes(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// One to three events, a state that says how many there are, and a job.
fn step(last: u64, version: u64, fence: vaxel_store::Fence, writer: usize) -> (u64, Write) {
    let next = last + 1 + last % 3;
    let append = Append {
        entity: entity(writer),
        fence,
        expected: last,
        events: (last + 1..=next)
            .map(|number| NewEvent::new(1, bytes(number)))
            .collect(),
    };
    let put = Put {
        entity: entity(writer),
        expected: version,
        format: 1,
        payload: Some(bytes(next)),
    };
    let job = NewJob::new(format!("queue/{writer}"), bytes(next));
    (next, Write::new().append(append).put(put).enqueue(job))
}

/// Writes until the power fails, and notes what was acknowledged.
fn write(store: &Sqlite, writer: usize, acknowledged: &AtomicU64) -> Result<(), WriteError> {
    let fence = store.claim(&entity(writer)).wait()?.fence;
    let (mut last, mut version) = (0, 0);
    loop {
        let (next, write) = step(last, version, fence, writer);
        store.write(write).wait()?;
        (last, version) = (next, version + 1);
        acknowledged.store(last, Ordering::Release);
    }
}

/// What is there of a writer, or what is wrong with it.
fn check(store: &Sqlite, writer: usize, acknowledged: u64) -> Result<(), String> {
    let entity = entity(writer);
    let broken = |error: vaxel_store::ReadError| format!("{entity}: {error:?}");
    let mut last = 0;
    loop {
        let page = store.read(&entity, last, 1_000).wait().map_err(broken)?;
        if page.is_empty() {
            break;
        }
        for event in page {
            last += 1;
            if (event.sequence, &event.payload) != (last, &bytes(last)) {
                return Err(format!("{entity}: {event:?} in place of {last}"));
            }
        }
    }
    let state = store.load(&entity).wait().map_err(broken)?;
    let state = state.and_then(|state| state.payload).unwrap_or(bytes(0));
    let jobs = store
        .jobs(&format!("queue/{writer}"), JobState::Available, 0, 100_000)
        .wait()
        .map_err(broken)?;
    let newest = jobs.last().map_or(bytes(0), |job| job.payload.clone());
    if last < acknowledged || state != bytes(last) || newest != bytes(last) {
        return Err(format!(
            "{entity}: {last} of {acknowledged} events, state {state:?}, job {newest:?}"
        ));
    }
    Ok(())
}

/// Writes until so many syncs were done, has the power fail, and looks at what is left.
fn round(seed: u64, forget: Option<&'static str>) -> Result<u64, String> {
    let (before, after) = (tempfile::tempdir(), tempfile::tempdir());
    let (before, after) = (before.expect("a folder"), after.expect("a folder"));
    let disk = Disk::under(before.path()).expect("the folder is there");
    // Few pages, so that the power fails in checkpoints as well.
    let config = SqliteConfig::default().checkpoint_pages(30);
    let store = Sqlite::open_with(before.path().join("data.db"), config).expect("it opens");
    let store = Arc::new(store);
    if let Some(ending) = forget {
        disk.forget_syncs_of(ending);
    }
    let mut dice = Dice::new(seed);
    let syncs = disk.count(Operation::Sync) + 5 + dice.below(120);
    let acknowledged: Arc<[AtomicU64]> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            thread::spawn(move || write(&store, writer, &acknowledged[writer]))
        })
        .collect();
    while disk.count(Operation::Sync) < syncs {
        thread::yield_now();
    }
    disk.lose_power(after.path(), |bound| dice.below(bound))
        .expect("the files can be written");
    for writer in writers {
        let ended = writer.join().expect("it does not panic");
        assert!(ended.is_err(), "nothing is acknowledged without power");
    }
    drop(store);
    look(after.path(), &acknowledged)
}

fn look(folder: &Path, acknowledged: &[AtomicU64]) -> Result<u64, String> {
    let store = Sqlite::open(folder.join("data.db")).map_err(|error| error.to_string())?;
    let mut sum = 0;
    for (writer, acknowledged) in acknowledged.iter().enumerate() {
        let acknowledged = acknowledged.load(Ordering::Acquire);
        check(&store, writer, acknowledged)?;
        sum += acknowledged;
    }
    Ok(sum)
}

#[test]
fn what_was_acknowledged_survives_a_power_failure() {
    let mut acknowledged = 0;
    for seed in 1..=rounds() {
        acknowledged += round(seed, None).unwrap_or_else(|loss| panic!("seed {seed}: {loss}"));
    }
    assert!(acknowledged > 1_000, "{acknowledged} events are few");
}

#[test]
fn without_syncs_the_loss_is_found() {
    for seed in 1..=3 {
        let loss = round(seed, Some("")).expect_err("nothing was synced");
        assert!(!loss.is_empty());
    }
}

#[test]
fn without_syncs_of_the_log_the_loss_is_found() {
    let found = (1..=5).any(|seed| round(seed, Some("-wal")).is_err());
    assert!(found, "a commit is in the log until the next checkpoint");
}
