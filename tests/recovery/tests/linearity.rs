//! Commands take effect one at a time, between their call and their reply: histories of concurrent
//! commands on event-sourced registers, with crashes, faults of the store and two processes that
//! take the register from each other, are linearizable.

#[path = "../../../crates/persistence/tests/common/system.rs"]
mod system;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use serde::{Deserialize, Serialize};
use system::{in_system_of, soon};
use vaxel_persistence::{
    Command, Entities, Entity, EventSourced, Execute, ExecuteError, Json, Persistence,
    PersistenceConfig, Snapshots,
};
use vaxel_recovery::{Call, Dice, Faulty, Model, Trouble, is_linearizable, rounds};
use vaxel_store::Memory;

/// A number that is added to, set and looked at.
#[derive(Serialize, Deserialize)]
struct Register {
    value: i64,
}

#[derive(Serialize, Deserialize)]
enum Changed {
    Added(i64),
    Set(i64),
}

/// What a register is asked. The answer is its value: after `Add` and `Look`, and before `Set`.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Add(i64),
    Set(i64),
    Look,
    /// Ends in the midst of a command, with an event decided and not stored.
    Crash,
}

impl EventSourced for Register {
    const KIND: &'static str = "register";
    const SNAPSHOTS: Snapshots = Snapshots::every(7);
    type Event = Changed;
    type Format = Json;

    fn new(_: &str) -> Self {
        Register { value: 0 }
    }

    fn apply(&mut self, event: &Changed) {
        match event {
            Changed::Added(by) => self.value += by,
            Changed::Set(value) => self.value = *value,
        }
    }
}

impl Command for Ask {
    type Reply = i64;
}

impl Execute<Ask> for Register {
    async fn execute(ask: Ask, register: &mut Entity<'_, Self>) -> i64 {
        let before = register.value;
        match ask {
            Ask::Add(by) => register.persist(Changed::Added(by)),
            Ask::Set(value) => {
                register.persist(Changed::Set(value));
                return before;
            }
            // Without this one who was fenced off answers from memory.
            Ask::Look => register.check_fence(),
            Ask::Crash => {
                register.persist(Changed::Set(-1));
                panic!("as the test wants it");
            }
        }
        register.value
    }
}

/// The register, asked one at a time.
struct OneAtATime;

impl Model for OneAtATime {
    type State = i64;
    type Ask = Ask;
    type Answer = i64;

    fn begin() -> i64 {
        0
    }

    fn apply(value: &i64, ask: &Ask) -> (i64, i64) {
        match ask {
            Ask::Add(by) => (value + by, value + by),
            Ask::Set(new) => (*new, *value),
            Ask::Look | Ask::Crash => (*value, *value),
        }
    }
}

type History = Vec<Call<Ask, i64>>;

fn call(ask: Ask, begun: u64, ended: Option<(u64, i64)>) -> Call<Ask, i64> {
    Call { ask, begun, ended }
}

fn holds(history: &[Call<Ask, i64>]) -> bool {
    is_linearizable::<OneAtATime>(history)
}

#[test]
fn histories_that_are_linearizable_are_taken() {
    assert!(holds(&[]));
    // Two at once, in either order.
    let both = |first, second| {
        [
            call(Ask::Add(1), 0, Some((2, first))),
            call(Ask::Add(1), 1, Some((3, second))),
        ]
    };
    assert!(holds(&both(1, 2)) && holds(&both(2, 1)));
    // One without an answer has its effect late, or never.
    let lost = call(Ask::Set(7), 0, None);
    let look = |begun, value| call(Ask::Look, begun, Some((begun + 1, value)));
    assert!(holds(&[lost.clone(), look(1, 0), look(3, 7)]));
    assert!(holds(&[lost.clone(), look(1, 0), look(3, 0)]));
    assert!(!holds(&[lost, look(1, 7), look(3, 0)]), "not both");
}

#[test]
fn histories_that_are_not_linearizable_are_found() {
    let look = |begun, value| call(Ask::Look, begun, Some((begun + 1, value)));
    // An update that is lost: both say they came first.
    let lost = [
        call(Ask::Add(1), 0, Some((2, 1))),
        call(Ask::Add(1), 1, Some((3, 1))),
    ];
    assert!(!holds(&lost));
    // A stale value after the write was answered.
    assert!(!holds(&[call(Ask::Set(7), 0, Some((1, 0))), look(2, 0)]));
    // A value that was seen and is gone.
    let set = call(Ask::Set(7), 0, Some((9, 0)));
    assert!(!holds(&[set, look(1, 7), look(3, 0)]));
    // A value that nobody wrote.
    assert!(!holds(&[look(0, 3)]));
}

/// Concurrent callers through two processes, and what they saw.
async fn concurrently(seed: u64) -> History {
    let memory = Arc::new(Memory::new());
    let processes: Vec<_> = (0..2_u64)
        .map(|process| {
            let plan = move |call| {
                let mut dice = Dice::new(seed ^ (call << 8) ^ process);
                let trouble = dice.below(300) as usize;
                Trouble::ALL.get(trouble).copied()
            };
            let faulty = Arc::new(Faulty::new(memory.clone(), plan));
            let persistence = Persistence::with(faulty, PersistenceConfig::default());
            Entities::<Register>::new(&persistence)
        })
        .collect();
    let clock = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (clock, dice) = (clock.clone(), Dice::new(seed * 31 + caller));
            tokio::spawn(ask_often(processes.clone(), clock, dice))
        })
        .collect();
    let mut history = Vec::new();
    for caller in callers {
        let seen = soon("a caller", caller).await.expect("it does not panic");
        history.extend(seen);
    }
    history
}

async fn ask_often(
    processes: Vec<Entities<Register>>,
    clock: Arc<AtomicU64>,
    mut dice: Dice,
) -> History {
    let mut history = Vec::new();
    // The second process takes the register now and then. Calls are few, since each without an
    // answer doubles what a search may have to try.
    for number in 0..15 {
        let ask = match dice.below(40) {
            0..16 => Ask::Add(1 + number),
            16..28 => Ask::Look,
            28..39 => Ask::Set(1_000 * (1 + dice.below(1_000) as i64)),
            _ => Ask::Crash,
        };
        let begun = clock.fetch_add(1, SeqCst);
        let registers = &processes[usize::from(dice.below(12) == 0)];
        let answer = registers.execute("x", ask).await;
        let ended = clock.fetch_add(1, SeqCst);
        match (ask, answer) {
            (Ask::Crash, answer) => assert!(answer.is_err()),
            (_, Ok(value)) => history.push(call(ask, begun, Some((ended, value)))),
            // A look that was not answered says nothing.
            (Ask::Look, Err(_)) => {}
            (_, Err(error)) if has_no_effect(&error) => {}
            (_, Err(_)) => history.push(call(ask, begun, None)),
        }
    }
    history
}

fn has_no_effect(error: &ExecuteError) -> bool {
    !error.is_outcome_unknown()
}

#[test]
fn commands_take_effect_one_at_a_time_through_crashes_and_faults() {
    let (mut answered, mut unanswered) = (0, 0);
    for seed in 1..=rounds() {
        let history = in_system_of(|builder| builder, |_| concurrently(seed));
        assert!(holds(&history), "seed {seed}: {history:#?}");
        unanswered += history.iter().filter(|call| call.ended.is_none()).count();
        answered += history.iter().filter(|call| call.ended.is_some()).count();
        // The same with one answer that cannot be: what is asserted can fail.
        let mut wrong = history;
        let mut answers: Vec<_> = wrong
            .iter_mut()
            .filter_map(|call| call.ended.as_mut())
            .collect();
        answers.sort_by_key(|(ended, _)| *ended);
        let middle = answers.len() / 2;
        answers[middle].1 += 1_000_000_007;
        assert!(!holds(&wrong), "seed {seed}");
    }
    assert!(
        answered > 20 * rounds() as usize,
        "{answered} answers are few"
    );
    assert!(unanswered > 0, "no fault was met");
}
