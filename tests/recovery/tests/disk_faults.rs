//! Each operation on the disk fails in turn, before or after it was done. What is answered with
//! success is there afterwards, and what is answered with "nothing was written" is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vaxel_recovery_disk::{Disk, Moment, Operation, Step, Trouble};
use vaxel_store::{
    Append, EntityId, Journal, NewEvent, Sqlite, SqliteConfig, StateStore, WriteError,
};

/// More appends than a checkpoint needs, each with its number, and what became of each.
const APPENDS: u64 = 12;

fn append_all(store: &Sqlite, entity: &EntityId) -> Vec<(u64, Result<(), WriteError>)> {
    let mut outcomes = Vec::new();
    let Ok(owner) = store.claim(entity).wait() else {
        return outcomes;
    };
    let mut expected = 0;
    for number in 1..=APPENDS {
        let append = Append {
            entity: entity.clone(),
            fence: owner.fence,
            expected,
            events: vec![NewEvent::new(1, number.to_le_bytes())],
        };
        let outcome = store.append(append).wait();
        if let Ok(appended) = &outcome {
            expected = appended.sequence;
        }
        outcomes.push((number, outcome.map(drop)));
    }
    outcomes
}

fn open(folder: &tempfile::TempDir) -> Result<Sqlite, vaxel_store::OpenError> {
    let config = SqliteConfig::default().checkpoint_pages(8);
    Sqlite::open_with(folder.path().join("data.db"), config)
}

/// Whether the operation was met.
fn round(planned: Step, trouble: Trouble) -> bool {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // The schema is there already: what is tested is the work of every day.
    drop(open(&folder).expect("it opens"));
    let disk = Disk::under(folder.path()).expect("the folder is there");
    let entity = EntityId::new("entity");
    let store = open(&folder).expect("nothing fails yet");
    let met = Arc::new(AtomicBool::new(false));
    let (seen, begun) = (met.clone(), disk.count(planned.operation));
    disk.at_each_step(move |mut step| {
        step.number -= begun;
        if step != planned {
            return Ok(());
        }
        seen.store(true, Ordering::Relaxed);
        Err(trouble)
    });
    let outcomes = append_all(&store, &entity);
    disk.at_each_step(|_| Ok(()));
    drop(store);

    let case = format!("{planned:?} {trouble:?}");
    let store = open(&folder).unwrap_or_else(|error| panic!("{case}: {error}"));
    let events = store.read(&entity, 0, 1_000).wait().expect("it reads");
    let found: Vec<_> = events
        .iter()
        .map(|event| u64::from_le_bytes(event.payload.as_slice().try_into().expect("a number")))
        .collect();
    for (number, outcome) in outcomes {
        let is_there = found.contains(&number);
        match outcome {
            Ok(()) => assert!(is_there, "{case}: {number} is lost: {found:?}"),
            Err(error) if error.is_outcome_unknown() => {}
            Err(error) => assert!(!is_there, "{case}: {number} was written: {error:?}"),
        }
    }
    assert!(store.load(&entity).wait().is_ok(), "{case}");
    met.load(Ordering::Relaxed)
}

fn sweep(operation: Operation, trouble: Trouble) {
    for moment in [Moment::Before, Moment::After] {
        let planned = |number| Step {
            operation,
            moment,
            number,
        };
        let met = (0..)
            .take_while(|number| round(planned(*number), trouble))
            .count();
        assert!(met >= 3, "{operation:?} {moment:?} was met {met} times");
    }
}

#[test]
fn a_write_that_fails_is_told_as_what_it_was() {
    sweep(Operation::Write, Trouble::Io);
}

#[test]
fn a_full_disk_is_told_as_what_it_was() {
    sweep(Operation::Write, Trouble::Full);
}

#[test]
fn a_sync_that_fails_is_told_as_what_it_was() {
    sweep(Operation::Sync, Trouble::Io);
}
