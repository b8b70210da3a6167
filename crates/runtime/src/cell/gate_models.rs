//! Loom model of the gate: nobody who waits for room is forgotten, and nobody is overtaken.

use super::{Gate, Pushed, Released, StateWord};
use crate::sync::fault;
use loom::sync::Mutex;
use std::collections::VecDeque;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicU64 as StdU64, Ordering::Relaxed as Lax};

/// Messages in all; a node is its number, shifted past the flags.
const NODES: usize = 3;

struct Model {
    word: StateWord,
    next: [StdU64; NODES],
    /// The run queue: a second entry is a double queueing.
    queue: Mutex<bool>,
    room: Mutex<VecDeque<u64>>,
    handled: std::sync::Mutex<Vec<u64>>,
}

fn node(number: usize) -> u64 {
    (number as u64 + 1) << 4
}

impl Model {
    fn push(&self, node: u64, limit: Option<u32>) -> Pushed {
        let slot = &self.next[(node >> 4) as usize - 1];
        let pushed = self.word.push(node, limit, |head| slot.store(head, Lax));
        if pushed == Pushed::Schedule {
            let mut queue = self.queue.lock().unwrap();
            assert!(!*queue, "queued twice");
            *queue = true;
        }
        pushed
    }

    /// Sends to a mailbox that holds one message, and waits for room.
    fn send(&self, node: u64) {
        while self.push(node, Some(1)) == Pushed::Full {
            let mut room = self.room.lock().unwrap();
            if self.word.gate(1) == Gate::Shut {
                room.push_back(node);
                return;
            }
        }
    }

    fn admit(&self) {
        let mut room = self.room.lock().unwrap();
        let mut admitted = 0;
        if let Some(node) = room.pop_front() {
            assert_eq!(self.push(node, None), Pushed::Queued);
            admitted = 1;
        }
        if room.is_empty() {
            self.word.open(admitted);
        }
    }

    fn run_queued(&self) {
        if !std::mem::take(&mut *self.queue.lock().unwrap()) {
            return;
        }
        // As a look at signals does: what is taken first stays counted.
        let mut counted = Some(self.word.take_counted());
        loop {
            let mut newest = counted.take().unwrap_or_else(|| self.word.take());
            let idle = newest == 0;
            let mut batch = Vec::new();
            while newest != 0 {
                batch.push(newest);
                newest = self.next[(newest >> 4) as usize - 1].load(Lax);
            }
            self.handled.lock().unwrap().extend(batch.iter().rev());
            if self.word.is_gated() {
                self.admit();
            } else if idle && self.word.release() == Released::Idle {
                return;
            }
        }
    }
}

fn run() {
    let model = StdArc::new(Model {
        word: StateWord::idle(),
        next: std::array::from_fn(|_| StdU64::new(0)),
        queue: Mutex::new(false),
        room: Mutex::new(VecDeque::new()),
        handled: std::sync::Mutex::default(),
    });
    model.send(node(0));
    let sender = model.clone();
    // The mailbox may be full: both keep their order whether they wait or not.
    let sender = loom::thread::spawn(move || {
        sender.send(node(1));
        sender.send(node(2));
    });
    model.run_queued();
    sender.join().unwrap();
    model.run_queued();
    let expected: Vec<u64> = (0..NODES).map(node).collect();
    assert_eq!(
        *model.handled.lock().unwrap(),
        expected,
        "lost or overtaken"
    );
}

fn check(fault: Option<&'static str>) {
    fault::with(fault, || {
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 1_000;
        builder.check(run);
    });
}

#[test]
fn who_waits_for_room_is_let_in_and_not_overtaken() {
    check(None);
    for fault in [
        "taking the mail opens the gate",
        "the gate is shut without mail",
        "release ignores the gate",
    ] {
        let noticed = std::panic::catch_unwind(|| check(Some(fault))).is_err();
        assert!(noticed, "unnoticed: {fault}");
    }
}
