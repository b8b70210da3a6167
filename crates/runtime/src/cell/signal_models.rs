//! Loom models of signals that must not be overlooked: a request to a cell that becomes vacant, and
//! an exit to a handler that is being suspended.

use super::{LOOK, mark_vacant, sees_vacant};
use crate::cell::word::{Pushed, Released, StateWord};
use crate::sync::{AtomicU16, fault};
use loom::sync::Mutex;
use std::sync::Arc as StdArc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicBool as StdBool, Ordering::Relaxed as Lax};

struct Model {
    word: StateWord,
    signals: AtomicU16,
    /// The one signal has been acted on.
    done: StdBool,
    queue: Mutex<bool>,
}

type Cell = StdArc<Model>;

/// Any address will do: one node is pushed and never read.
const NODE: u64 = 0x10;

fn cell() -> Cell {
    StdArc::new(Model {
        word: StateWord::owned(),
        signals: AtomicU16::new(0),
        done: StdBool::new(false),
        queue: Mutex::new(false),
    })
}

fn push(cell: &Cell) {
    let pushed = cell.word.push(NODE, None, |_| ());
    assert_eq!(pushed, Pushed::Queued, "the cell is owned throughout");
}

fn look_signal(cell: &Cell) {
    cell.signals.fetch_or(LOOK, AcqRel);
    if cell.word.poke() {
        let before = std::mem::replace(&mut *cell.queue.lock().unwrap(), true);
        assert!(!before, "queued twice");
    }
}

fn look(cell: &Cell) {
    if cell.word.take_counted() == NODE {
        cell.done.store(true, Lax);
    }
}

/// What a worker does with a suspended or vacant cell.
fn turn(cell: &Cell) {
    loop {
        cell.word.begin_poll();
        if cell.signals.load(Relaxed) & LOOK != 0 {
            cell.signals.fetch_and(!LOOK, AcqRel);
            look(cell);
        }
        if cell.word.suspend() == Released::Idle {
            return;
        }
    }
}

fn model(fault: Option<&'static str>, send: fn(&Cell), own: fn(&Cell)) {
    fault::with(fault, || {
        loom::model(move || {
            let cell = cell();
            let other = cell.clone();
            let sender = loom::thread::spawn(move || send(&other));
            own(&cell);
            sender.join().unwrap();
            if std::mem::take(&mut *cell.queue.lock().unwrap()) {
                turn(&cell);
            }
            assert!(cell.done.load(Lax), "a signal was overlooked");
        });
    });
}

fn catches(fault: &'static str, send: fn(&Cell), own: fn(&Cell)) {
    let caught = std::panic::catch_unwind(|| model(Some(fault), send, own)).is_err();
    assert!(caught, "the model does not notice: {fault}");
}

fn asks(cell: &Cell) {
    push(cell);
    if sees_vacant(&cell.signals) {
        look_signal(cell);
    }
}

fn becomes_vacant(cell: &Cell) {
    mark_vacant(&cell.signals);
    // As the end of an incarnation does, which finds an empty mailbox by a plain load.
    if cell.word.take() == NODE {
        cell.done.store(true, Lax);
    }
    turn(cell);
}

#[test]
fn a_request_to_a_cell_that_becomes_vacant_is_answered() {
    model(None, asks, becomes_vacant);
    catches("asker does not fence", asks, becomes_vacant);
}

fn exits(cell: &Cell) {
    if fault::planted("exit flagged before it is pushed") {
        look_signal(cell);
        push(cell);
    } else {
        push(cell);
        look_signal(cell);
    }
}

#[test]
fn an_exit_reaches_a_handler_that_is_being_suspended() {
    model(None, exits, turn);
    catches("exit flagged before it is pushed", exits, turn);
}
