//! Whole programs: what is built around `main`, and what happens at its end.

mod common;

use std::sync::{Mutex, OnceLock, PoisonError};

use common::log;
use vaxel_actor::Program;
use vaxel_actor::prelude::*;

/// A program has the process's default system, so there is one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

static ENDED: OnceLock<common::Pen<&'static str>> = OnceLock::new();

struct Leaf {
    name: &'static str,
    ended: common::Pen<&'static str>,
}

#[actor(crate = vaxel_actor)]
impl Leaf {
    fn init(name: &'static str, ended: common::Pen<&'static str>) -> Self {
        Leaf { name, ended }
    }

    fn terminate(&mut self) {
        let _ = self.ended.send(self.name);
    }
}

#[vaxel_actor::main(crate = vaxel_actor, workers = 2)]
async fn program() -> usize {
    let ended = ENDED.get().expect("the test has set it");
    for (name, leaf) in [("first", "a"), ("second", "b")] {
        let child = Leaf::child(leaf, ended.clone()).name(name);
        let started = Supervisor::one_for_one().child(child).start().await;
        // Nobody holds the reference: the system does.
        drop(started.expect("it starts"));
    }
    System::current().workers()
}

#[test]
fn a_program_stops_its_trees_in_reverse() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (pen, ended) = log();
    ENDED.set(pen).expect("it is set once");
    assert_eq!(program(), 2);
    assert_eq!(ended.rest(), ["b", "a"]);
    assert!(
        System::try_current().is_none(),
        "the default system is gone"
    );
}

#[test]
fn a_program_wraps_its_threads_inside_tokio() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (pen, seen) = log();
    let program = Program::new().workers(1).around_worker(move |work| {
        let _ = pen.send(tokio::runtime::Handle::try_current().is_ok());
        work();
    });
    program.run(async {});
    let seen = seen.rest();
    assert!(
        !seen.is_empty() && seen.iter().all(|inside| *inside),
        "{seen:?}"
    );
}

#[test]
fn a_program_that_panics_still_stops_in_order() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (pen, ended) = log();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Program::new().workers(1).run(async {
            let child = Leaf::child("a", pen);
            let started = Supervisor::one_for_one().child(child).start().await;
            let _tree = started.expect("it starts");
            panic!("the body fails");
        })
    }));
    assert!(outcome.is_err());
    assert_eq!(ended.rest(), ["a"]);
}
