//! A server that is killed and started again under load, again and again: what was acknowledged is
//! there, nothing is there twice, and no sequence number is missing.
//!
//! A kill leaves what the kernel has in its memory, so this does not show that the server syncs;
//! it does show what the store makes of connections that break at any point of a commit.

#![cfg(feature = "postgres")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use vaxel_store::{
    Append, Claimed, EntityId, JobState, JobStore, Journal, NewEvent, NewJob, Offset, Postgres,
    PostgresConfig, Put, StateStore, Transact, Write, WriteError,
};
use vaxel_test_postgres::{Absent, Ending, Server, Settings};

const WRITERS: u64 = 8;

/// How many acknowledgements there are between two outages.
const BETWEEN: u64 = 300;

/// How many outages there are, where it is not the ordinary number.
const OUTAGES: &str = "VAXEL_POSTGRES_OUTAGES";

fn journal(writer: u64) -> EntityId {
    EntityId::new(format!("writer/{writer}"))
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// What a writer believes: each write has an id of its own, also when it is tried again.
#[derive(Default)]
struct Model {
    acknowledged: Vec<u64>,
    unknown: HashSet<u64>,
}

struct Writer {
    store: Arc<Postgres>,
    writer: u64,
    owner: Claimed,
    version: u64,
    next_id: u64,
    model: Model,
}

impl Writer {
    fn new(store: Arc<Postgres>, writer: u64) -> Self {
        let mut new = Writer {
            store,
            writer,
            owner: Claimed {
                fence: Default::default(),
                sequence: 0,
            },
            version: 0,
            next_id: 1,
            model: Model::default(),
        };
        new.look();
        new
    }

    /// Becomes the owner, and learns what is there. A claim or a read may meet an outage as well.
    fn look(&mut self) {
        let entity = journal(self.writer);
        for _ in 0..100 {
            let (claimed, state) = (
                self.store.claim(&entity).wait(),
                self.store.load(&entity).wait(),
            );
            if let (Ok(claimed), Ok(state)) = (claimed, state) {
                self.owner = claimed;
                self.version = state.map_or(0, |state| state.version);
                return;
            }
        }
        panic!("the server does not come back");
    }

    /// Even writers append; odd ones append, store a state and enqueue a job together.
    fn write(&mut self) -> Result<(), WriteError> {
        let id = self.next_id;
        self.next_id += 1;
        let append = Append {
            entity: journal(self.writer),
            fence: self.owner.fence,
            expected: self.owner.sequence,
            events: vec![NewEvent::new(1, id.to_le_bytes())],
        };
        if self.writer.is_multiple_of(2) {
            return self.store.append(append).wait().map(drop);
        }
        let put = Put {
            entity: journal(self.writer),
            expected: self.version,
            format: 1,
            payload: Some(id.to_le_bytes().to_vec()),
        };
        let job = NewJob::new(format!("queue/{}", self.writer), id.to_le_bytes());
        let write = Write::new().append(append).put(put).enqueue(job);
        self.store.write(write).wait().map(drop)
    }

    fn write_until(&mut self, is_over: &AtomicBool, acknowledged: &SyncSender<()>) {
        while !is_over.load(Relaxed) {
            let id = self.next_id;
            match self.write() {
                Ok(()) => {
                    self.model.acknowledged.push(id);
                    self.owner.sequence += 1;
                    self.version += u64::from(!self.writer.is_multiple_of(2));
                    // Only how many there are matters, and only up to the bound.
                    _ = acknowledged.try_send(());
                }
                Err(error) if error.is_outcome_unknown() => {
                    self.model.unknown.insert(id);
                    self.look();
                }
                Err(WriteError::NotWritten { .. }) => self.look(),
                Err(error) => panic!("nobody else writes {}: {error:?}", self.writer),
            }
        }
    }
}

fn outages() -> u32 {
    let named = std::env::var(OUTAGES).ok();
    named.map_or(6, |text| text.parse().expect("a number of outages"))
}

fn stop_and_start(server: &mut Server, acknowledged: &Receiver<()>) {
    for outage in 0..outages() {
        for _ in 0..BETWEEN {
            let waited = acknowledged.recv_timeout(Duration::from_secs(60));
            waited.unwrap_or_else(|_| panic!("no write in a minute:\n{}", server.log()));
        }
        server.stop(match outage % 3 {
            2 => Ending::Fast,
            1 => Ending::Immediate,
            _ => Ending::Killed,
        });
        server.start_again();
    }
}

/// What is stored of a writer against what it believes; answers how many of its writes ended
/// unknown and are there all the same.
fn check(store: &Postgres, writer: u64, model: &Model) -> usize {
    let (mut ids, mut after) = (Vec::new(), 0);
    loop {
        let page = store
            .read(&journal(writer), after, 1_000)
            .wait()
            .expect("it reads");
        let Some(last) = page.last() else { break };
        let numbers = page.iter().map(|event| event.sequence);
        assert!(
            numbers.eq(after + 1..=last.sequence),
            "writer {writer}: a gap"
        );
        after = last.sequence;
        ids.extend(page.iter().map(|event| number(&event.payload)));
    }
    assert!(
        ids.is_sorted_by(|a, b| a < b),
        "writer {writer}: twice, or out of order"
    );
    let stored: HashSet<u64> = ids.iter().copied().collect();
    for id in &model.acknowledged {
        assert!(
            stored.contains(id),
            "writer {writer}: acknowledged write {id} is lost"
        );
    }
    let believed: HashSet<u64> = model.acknowledged.iter().copied().collect();
    let surprises: Vec<_> = stored.difference(&believed).collect();
    for id in &surprises {
        assert!(
            model.unknown.contains(id),
            "writer {writer}: {id} was said not to be written"
        );
    }
    if !writer.is_multiple_of(2) {
        let state = store.load(&journal(writer)).wait().expect("it reads");
        let state = state
            .and_then(|state| state.payload)
            .map(|payload| number(&payload));
        assert_eq!(
            state,
            ids.last().copied(),
            "events and state are written together"
        );
        assert_eq!(
            jobs(store, writer),
            ids,
            "events and jobs are written together"
        );
    }
    surprises.len()
}

fn jobs(store: &Postgres, writer: u64) -> Vec<u64> {
    let (queue, mut after, mut ids) = (format!("queue/{writer}"), 0, Vec::new());
    loop {
        let page = store.jobs(&queue, JobState::Available, after, 1_000).wait();
        let page = page.expect("it reads");
        let Some(last) = page.last() else { return ids };
        after = last.id;
        ids.extend(page.iter().map(|job| number(&job.payload)));
    }
}

fn tailed(store: &Postgres) -> usize {
    let (mut after, mut seen) = (Offset::START, 0);
    loop {
        let page = store.tail(after, None, 1_000).wait().expect("it reads");
        let Some(last) = page.last() else { return seen };
        after = last.event.offset;
        seen += page.len();
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what a run that passed has seen")]
fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed() {
    let mut server = match Server::start(&Settings::default()) {
        Ok(server) => server,
        Err(Absent(why)) => panic!("NOT RUN: {why}"),
    };
    let config = PostgresConfig::default().patience(Duration::from_secs(60));
    let store = Postgres::open_with(&server.url("postgres"), config).expect("it is there");
    let store = Arc::new(store);
    let is_over = AtomicBool::new(false);
    let (acknowledge, acknowledged) = sync_channel(2 * BETWEEN as usize);
    let models: Vec<Model> = std::thread::scope(|scope| {
        let writing: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, is_over, told) = (store.clone(), &is_over, acknowledge.clone());
                scope.spawn(move || {
                    let mut writer = Writer::new(store, writer);
                    writer.write_until(is_over, &told);
                    writer.model
                })
            })
            .collect();
        stop_and_start(&mut server, &acknowledged);
        is_over.store(true, Relaxed);
        let models = writing
            .into_iter()
            .map(|writer| writer.join().expect("it only writes"));
        models.collect()
    });
    let surprises: usize = (0..)
        .zip(&models)
        .map(|(writer, model)| check(&store, writer, model))
        .sum();
    let acknowledged: usize = models.iter().map(|model| model.acknowledged.len()).sum();
    let unknown: usize = models.iter().map(|model| model.unknown.len()).sum();
    assert_eq!(tailed(&store), acknowledged + surprises);
    assert!(acknowledged as u64 >= u64::from(outages()) * BETWEEN);
    eprintln!(
        "{} outages: {acknowledged} acknowledged, {unknown} unknown of which {surprises} written",
        outages()
    );
}
