//! A program is killed with SIGKILL under load: at random, and before and after a write, a sync
//! and an acknowledgement. Started again it has everything that it had acknowledged, and does
//! everything that it had promised to do.
//!
//! Ten rounds, or as many as `VAXEL_ROUNDS` says.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use vaxel_recovery::{Dice, rounds};
use vaxel_store::{EntityId, JobState, JobStore, Journal, Sqlite, StateStore};

/// What the program has been heard to acknowledge.
#[derive(Default)]
struct Acknowledged {
    events: BTreeMap<String, u64>,
    jobs: Vec<(u64, String)>,
    timers: HashSet<String>,
    lines: usize,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("event"), Some(key), Some(number)) => {
                let number: u64 = number.parse().expect("a number");
                let last = self.events.entry(key.to_owned()).or_default();
                *last = number.max(*last);
            }
            (Some("job"), Some(id), Some(key)) => {
                let id = id.parse().expect("a number");
                self.jobs.push((id, key.to_owned()));
            }
            (Some("timer"), Some(name), None) => _ = self.timers.insert(name.to_owned()),
            _ => panic!("the program says {line:?}"),
        }
        self.lines += 1;
    }
}

fn program(file: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vaxel-recovery"));
    program.arg(file).stdout(Stdio::piped());
    program
}

/// How a round ends.
enum Death {
    /// It kills itself there.
    At(&'static str, &'static str, u64),
    /// It is killed after so many acknowledgements.
    After(usize),
}

fn death(round: u64, dice: &mut Dice) -> Death {
    match round % 7 {
        0 => Death::At("write", "before", dice.below(400)),
        1 => Death::At("write", "after", dice.below(400)),
        2 => Death::At("sync", "before", dice.below(100)),
        3 => Death::At("sync", "after", dice.below(100)),
        4 => Death::At("acknowledge", "before", dice.below(300)),
        5 => Death::At("acknowledge", "after", dice.below(300)),
        _ => Death::After(1 + dice.below(300) as usize),
    }
}

/// Runs the program until it is dead.
fn run(file: &Path, round: u64, death: &Death, acknowledged: &mut Acknowledged) {
    let mut command = program(file);
    command.arg(round.to_string());
    if let Death::At(what, moment, number) = death {
        command.args([what, moment]).arg(number.to_string());
    }
    let mut running = command.spawn().expect("it starts");
    let output = BufReader::new(running.stdout.take().expect("it is piped"));
    let before = acknowledged.lines;
    for line in output.split(b'\n').map_while(Result::ok) {
        // A line is written at once, and a pipe takes so short a one whole or not at all.
        acknowledged.note(&String::from_utf8_lossy(&line));
        if matches!(death, Death::After(wanted) if acknowledged.lines - before == *wanted) {
            running.kill().expect("it runs");
        }
    }
    let status = running.wait().expect("it was killed");
    assert!(!status.success(), "it ends by itself: {status}");
}

/// Events without gaps, and at least those that were acknowledged.
fn check_events(store: &Sqlite, acknowledged: &Acknowledged) -> BTreeMap<String, u64> {
    let keys = (0..4).map(|key| key.to_string());
    keys.map(|key| {
        let entity = EntityId::new(format!("count/{key}"));
        let mut last = 0;
        loop {
            let page = store.read(&entity, last, 1_000).wait().expect("it reads");
            if page.is_empty() {
                break;
            }
            for event in page {
                last += 1;
                let number = String::from_utf8_lossy(&event.payload).parse();
                assert_eq!((event.sequence, number), (last, Ok(last)), "{entity}");
            }
        }
        let told = acknowledged.events.get(&key).copied().unwrap_or(0);
        assert!(
            last >= told,
            "{entity}: {last} of {told} acknowledged events"
        );
        (key, last)
    })
    .collect()
}

fn check_jobs(store: &Sqlite, acknowledged: &Acknowledged) {
    for (id, key) in &acknowledged.jobs {
        let job = store.job(*id).wait().expect("it reads");
        let job = job.unwrap_or_else(|| panic!("job {id} ({key}) was acknowledged and is gone"));
        let payload = String::from_utf8_lossy(&job.payload);
        assert!(payload.contains(key), "job {id} is {payload}, not {key}");
        assert_ne!(job.state, JobState::Dead, "{key}: {:?}", job.errors);
    }
}

fn times(store: &Sqlite, name: &str) -> u64 {
    let stored = store.load(&EntityId::new(name)).wait().expect("it reads");
    stored.map_or(0, |stored| stored.version)
}

/// Everything that was to be done has been done: jobs once, reminders at least once.
fn check_done(store: &Sqlite, acknowledged: &Acknowledged, events: &BTreeMap<String, u64>) {
    let of_events = events.iter().flat_map(|(key, last)| {
        (4..=*last)
            .step_by(4)
            .map(move |number| format!("event/{key}/{number}"))
    });
    let of_jobs = acknowledged.jobs.iter().map(|(_, key)| key.clone());
    for key in of_events.chain(of_jobs) {
        assert_eq!(
            times(store, &format!("done/{key}")),
            1,
            "{key} is done once"
        );
    }
    for name in &acknowledged.timers {
        assert!(times(store, &format!("fired/{name}")) >= 1, "{name} is due");
    }
    for queue in ["default", "reminders"] {
        let counts = store.job_counts(queue).wait().expect("it reads");
        let completed = |(state, _): &(JobState, u64)| *state == JobState::Completed;
        assert!(counts.iter().all(completed), "{queue}: {counts:?}");
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_is_done() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("data.db");
    let mut dice = Dice::new(0x5eed_0ba7);
    let mut acknowledged = Acknowledged::default();
    for round in 0..rounds() {
        run(&file, round, &death(round, &mut dice), &mut acknowledged);
        let store = Sqlite::open(&file).expect("it recovers");
        check_events(&store, &acknowledged);
        check_jobs(&store, &acknowledged);
    }
    assert!(acknowledged.lines > 100, "{} lines", acknowledged.lines);
    let drained = program(&file).arg("drain").status().expect("it starts");
    assert!(drained.success(), "{drained}");
    let store = Sqlite::open(&file).expect("it recovers");
    let events = check_events(&store, &acknowledged);
    check_jobs(&store, &acknowledged);
    check_done(&store, &acknowledged, &events);
}
