//! A small telephone exchange: operators place calls, trunks carry them, ledgers write them down.
//!
//! It does nothing useful, but visibly: every worker handles a few messages a second. Each group
//! has a supervisor of its own, and all of them one above, which restarts a group that gives up.

use std::sync::Arc;
use std::time::Duration;

use vaxel::prelude::*;
use vaxel::supervisor::SupervisorBuilder;

use super::board::Board;
use super::probe::Probe;
use super::sampler::Sampler;
use super::shared::Shared;

/// Visitors click faster than software crashes: a hundred restarts in ten seconds are fine.
pub(crate) const MAX_RESTARTS: u32 = 100;
pub(crate) const WITHIN: Duration = secs(10);

/// The root's name.
pub(crate) const ROOT: &str = "exchange";

/// How often an operator places a call.
const CALL_EVERY: Duration = millis(150);

const OPERATORS: [&str; 4] = ["ada", "grace", "hedy", "mary"];
const TRUNKS: [&str; 4] = ["north", "east", "south", "west"];
const LEDGERS: [&str; 4] = ["local", "long-distance", "overseas", "archive"];
const INSTRUMENTS: [&str; 3] = ["sampler", "probe", "board"];

/// The names of all workers.
pub(crate) fn workers() -> impl Iterator<Item = &'static str> {
    [&OPERATORS[..], &TRUNKS, &LEDGERS, &INSTRUMENTS]
        .into_iter()
        .flatten()
        .copied()
}

/// The name of a group of workers, kept for ever.
pub(crate) fn group(name: &str) -> Option<&'static str> {
    ["ledgers", "trunks", "operators", "instruments"]
        .into_iter()
        .find(|group| *group == name)
}

/// Stands for a mistake in the worker that receives it.
#[derive(Message)]
pub(crate) struct Crash;

/// The whole tree.
pub(crate) fn tree(shared: &Arc<Shared>) -> SupervisorBuilder {
    let group = |names: [&'static str; 4], next: &'static [&'static str]| {
        names.into_iter().fold(supervisor(), |group, name| {
            let worker = Worker::child(name, next, Arc::clone(shared));
            group.child(worker.name(name))
        })
    };
    let instruments = supervisor()
        .child(Sampler::child(Arc::clone(shared)).name("sampler"))
        .child(Probe::child(Arc::clone(shared)).name("probe"))
        .child(Board::child(Arc::clone(shared)).name("board"));
    supervisor()
        .child(group(LEDGERS, &[]).into_child().name("ledgers"))
        .child(group(TRUNKS, &LEDGERS).into_child().name("trunks"))
        .child(group(OPERATORS, &TRUNKS).into_child().name("operators"))
        .child(instruments.into_child().name("instruments"))
}

fn supervisor() -> SupervisorBuilder {
    Supervisor::one_for_one()
        .max_restarts(MAX_RESTARTS)
        .within(WITHIN)
}

/// A worker of the exchange: takes a call and passes it on to one of the next group.
pub(crate) struct Worker {
    name: &'static str,
    next: &'static [&'static str],
    turn: usize,
    shared: Arc<Shared>,
}

/// Time to place a call.
#[derive(Message)]
struct Tick;

#[actor]
impl Worker {
    pub(crate) fn init(
        name: &'static str,
        next: &'static [&'static str],
        shared: Arc<Shared>,
        cx: &mut Context<Self>,
    ) -> Self {
        shared.begin(name);
        if OPERATORS.contains(&name) {
            cx.send_every(CALL_EVERY, || Tick);
        }
        // Workers of one group begin with different partners.
        let turn = workers().position(|worker| worker == name).unwrap_or(0);
        Worker {
            name,
            next,
            turn,
            shared,
        }
    }

    /// Takes a call.
    #[cast]
    fn connect(&mut self) {
        self.shared.count(self.name);
        self.pass_on();
    }

    #[info]
    fn tick(&mut self, _: Tick) {
        self.shared.count(self.name);
        self.pass_on();
    }

    #[info]
    fn crash(&mut self, _: Crash) {
        panic!("a visitor crashed {}", self.name);
    }

    fn pass_on(&mut self) {
        self.turn += 1;
        let Some(next) = self.next.get(self.turn % self.next.len().max(1)) else {
            return;
        };
        // A partner that is being restarted loses a call now and then, as in life.
        if let Some(partner) = WorkerRef::whereis(next) {
            _ = partner.connect();
        }
    }
}
