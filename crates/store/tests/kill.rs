//! A program that writes under load is killed with SIGKILL, again and again: everything that it
//! acknowledged is there, whole and in order.
//!
//! A kill leaves what the kernel has in its memory, so this shows that nothing is acknowledged
//! before it is written, and that what is found is whole; not that it was synced.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use vaxel_store::{
    Append, EntityId, JobState, JobStore, Journal, NewEvent, NewJob, Put, Sqlite, StateStore,
    Transact, Write,
};

const WRITERS: u64 = 8;
const ROUNDS: u64 = 10;

/// Tells a test process that it is the program to be killed, and on which file.
const FILE: &str = "VAXEL_STORE_TEST_FILE";

fn journal(writer: u64) -> EntityId {
    EntityId::new(format!("writer/{writer}"))
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Writes for ever: one to three events, a state that says how many there are, and a job.
fn write_for_ever(store: &Sqlite, writer: u64) {
    let entity = journal(writer);
    let owner = store.claim(&entity).wait().expect("nobody else is there");
    let stored = store.load(&entity).wait().expect("it reads");
    let (mut last, mut version) = (owner.sequence, stored.map_or(0, |stored| stored.version));
    loop {
        let next = last + 1 + (last + writer) % 3;
        let events = (last + 1..=next).map(|sequence| NewEvent::new(1, sequence.to_le_bytes()));
        let append = Append {
            entity: entity.clone(),
            fence: owner.fence,
            expected: last,
            events: events.collect(),
        };
        let put = Put {
            entity: entity.clone(),
            expected: version,
            format: 1,
            payload: Some(next.to_le_bytes().to_vec()),
        };
        let job = NewJob::new(format!("queue/{writer}"), next.to_le_bytes());
        let write = Write::new().append(append).put(put).enqueue(job);
        store.write(write).wait().expect("the disk works");
        (last, version) = (next, version + 1);
        let acknowledged = format!("ack {writer} {last}\n");
        std::io::stdout()
            .lock()
            .write_all(acknowledged.as_bytes())
            .expect("somebody reads");
    }
}

/// Not a test: what [`nothing_that_was_acknowledged_is_lost`] starts and kills.
#[test]
fn program_to_be_killed() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let store = Arc::new(Sqlite::open(path).expect("it can be opened"));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            thread::spawn(move || write_for_ever(&store, writer))
        })
        .collect();
    writers
        .into_iter()
        .for_each(|writer| writer.join().expect("it is killed before"));
}

/// Runs the program until it has acknowledged so many writes, kills it, and answers the last
/// sequence number that each writer was told.
fn run_and_kill(path: &Path, writes: usize) -> Vec<u64> {
    let mut program = Command::new(std::env::current_exe().expect("it runs"))
        .args(["--exact", "program_to_be_killed", "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let output = BufReader::new(program.stdout.take().expect("it is piped"));
    let mut acknowledged = vec![0; WRITERS as usize];
    let mut seen = 0;
    for line in output.lines().map_while(Result::ok) {
        let mut words = line.split(' ');
        // The last line may be cut off: what was not said was not acknowledged.
        let (Some("ack"), Some(writer), Some(last)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let (Ok(writer), Ok(last)) = (writer.parse::<usize>(), last.parse::<u64>()) {
            acknowledged[writer] = acknowledged[writer].max(last);
        }
        seen += 1;
        if seen == writes {
            program.kill().expect("it runs");
        }
    }
    program.wait().expect("it was killed");
    assert!(
        seen >= writes,
        "the program ended by itself after {seen} writes"
    );
    acknowledged
}

/// What is stored of a writer: events without gaps, and a state and jobs that agree with them.
fn check(store: &Sqlite, writer: u64, acknowledged: u64) -> u64 {
    let entity = journal(writer);
    let (mut last, mut page) = (0, store.read(&entity, 0, 1_000).wait().expect("it reads"));
    while !page.is_empty() {
        for event in &page {
            last += 1;
            assert_eq!((event.sequence, number(&event.payload)), (last, last));
        }
        page = store.read(&entity, last, 1_000).wait().expect("it reads");
    }
    assert!(
        last >= acknowledged,
        "writer {writer}: {last} of {acknowledged} acknowledged events"
    );
    let state = store.load(&entity).wait().expect("it reads");
    let state = state
        .and_then(|state| state.payload)
        .map_or(0, |payload| number(&payload));
    assert_eq!(state, last, "events and state are written together");
    let queue = format!("queue/{writer}");
    let (mut after, mut newest) = (0, 0);
    loop {
        let jobs = store
            .jobs(&queue, JobState::Available, after, 1_000)
            .wait()
            .expect("it reads");
        let Some(job) = jobs.last() else { break };
        (after, newest) = (job.id, number(&job.payload));
    }
    assert_eq!(newest, last, "events and jobs are written together");
    last
}

#[test]
fn nothing_that_was_acknowledged_is_lost() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("data.db");
    let mut before = vec![0; WRITERS as usize];
    for round in 1..=ROUNDS {
        // Other places each time: primes spread them over commits and checkpoints.
        let writes = (round * 97 % 400 + 3) as usize;
        let acknowledged = run_and_kill(&path, writes);
        let store = Sqlite::open(&path).expect("it recovers");
        for writer in 0..WRITERS {
            let index = writer as usize;
            let last = check(&store, writer, acknowledged[index]);
            assert!(last >= before[index], "what was there stays there");
            before[index] = last;
        }
    }
    assert!(before.iter().sum::<u64>() > 1_000, "{before:?}");
}
