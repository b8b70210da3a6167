//! Loom models of the state word: lost wake-up, resurrection, double queueing, leaks.
//!
//! The model actor is the smallest program that uses every function of the word in the order in
//! which the turn does. It keeps its memory in a `std` Arc so that a use after free in the modelled
//! sense is an assertion rather than a crash.

use super::{LastReference, Pushed, References, Released, StateWord};
use crate::sync::fault;
use loom::sync::Mutex;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, SeqCst},
};
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicBool as StdBool, AtomicUsize as StdUsize, Ordering::Relaxed as Lax};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Count,
    Resurrect,
    Suspend,
    /// Waits for whatever mail comes next.
    Receive,
    Stop,
}

#[repr(align(16))]
struct Node {
    next: u64,
    kind: Kind,
}

#[derive(Clone, Copy)]
struct Private {
    suspended: bool,
    receiving: bool,
}

struct Model {
    word: StateWord,
    references: References,
    /// Only the owner of SCHED looks inside; Loom checks that it is alone.
    private: loom::cell::UnsafeCell<Private>,
    freed: StdBool,
    handled: StdUsize,
    refused: StdUsize,
    signal: AtomicUsize,
    signalled: StdUsize,
    /// Declared dead: a signal that ends it, and a reference for the owner.
    abandoned: AtomicUsize,
    pauses: StdBool,
    /// A waker is parked here.
    waker: Mutex<bool>,
    /// The run queue: a second entry is a double queueing.
    queue: Mutex<bool>,
}

type Cell = StdArc<Model>;

fn cell(references: usize) -> Cell {
    let model = Model {
        word: StateWord::idle(),
        references: References::one(),
        private: loom::cell::UnsafeCell::new(Private {
            suspended: false,
            receiving: false,
        }),
        freed: StdBool::new(false),
        handled: StdUsize::new(0),
        refused: StdUsize::new(0),
        signal: AtomicUsize::new(0),
        signalled: StdUsize::new(0),
        abandoned: AtomicUsize::new(0),
        pauses: StdBool::new(false),
        waker: Mutex::new(false),
        queue: Mutex::new(false),
    };
    for _ in 1..references {
        model.references.add();
    }
    StdArc::new(model)
}

fn alive(cell: &Cell) {
    assert!(!cell.freed.load(Lax), "use after free");
}

fn enqueue(cell: &Cell) {
    alive(cell);
    let mut queue = cell.queue.lock().unwrap();
    assert!(!*queue, "queued twice");
    *queue = true;
}

fn run_queued(cell: &Cell) -> bool {
    let queued = std::mem::take(&mut *cell.queue.lock().unwrap());
    if queued {
        turn(cell);
    }
    queued
}

fn push(cell: &Cell, kind: Kind) {
    alive(cell);
    let node = Box::into_raw(Box::new(Node { next: 0, kind }));
    // SAFETY: the node is ours until the push succeeds.
    let link = |head| unsafe { (*node).next = head };
    let pushed = cell.word.push(node as u64, None, link);
    match pushed {
        Pushed::Schedule => enqueue(cell),
        Pushed::Queued => {}
        Pushed::Full | Pushed::Dead => {
            // SAFETY: a refused node stays ours.
            drop(unsafe { Box::from_raw(node) });
            cell.refused.fetch_add(1, Lax);
        }
    }
}

fn drop_reference(cell: &Cell) {
    alive(cell);
    if cell.references.remove() {
        loom::thread::yield_now();
        alive(cell);
        match cell.word.last_reference() {
            LastReference::Free => free(cell),
            LastReference::Schedule => enqueue(cell),
            LastReference::Owned => {}
        }
    }
}

fn self_reference(cell: &Cell) {
    alive(cell);
    if cell.references.add() {
        cell.word.consume_no_references();
    }
}

fn free(cell: &Cell) {
    cell.private.with_mut(|_| ());
    assert!(!cell.freed.swap(true, Lax), "double free");
}

fn list(mut head: u64) -> Vec<Kind> {
    let mut kinds = Vec::new();
    while head != 0 {
        // SAFETY: nodes taken from the word belong to the owner.
        let node = unsafe { Box::from_raw(head as *mut Node) };
        head = node.next;
        kinds.push(node.kind);
    }
    kinds.reverse();
    kinds
}

fn private(cell: &Cell) -> Private {
    // SAFETY: Loom has just checked that nobody else is inside.
    cell.private.with(|private| unsafe { *private })
}

fn set_private(cell: &Cell, suspended: bool, receiving: bool) {
    cell.private.with_mut(|private| {
        // SAFETY: Loom has just checked that nobody else is inside.
        unsafe {
            *private = Private {
                suspended,
                receiving,
            };
        }
    });
}

fn end(cell: &Cell) {
    let no_references = cell.word.no_references();
    if !no_references {
        self_reference(cell);
    }
    if private(cell).receiving {
        cell.refused.fetch_add(1, Lax);
    }
    set_private(cell, false, false);
    let waiting = list(cell.word.close().0).len();
    cell.refused.fetch_add(waiting, Lax);
    loom::sync::atomic::fence(SeqCst);
    if cell.abandoned.load(Acquire) != 0 {
        release_abandoned(cell);
    }
    if no_references {
        free(cell)
    } else {
        drop_reference(cell)
    }
}

fn abandon(cell: &Cell) {
    if !fault::planted("the dead keeps no reference") {
        cell.references.add();
    }
    cell.abandoned.store(1, SeqCst);
    if cell.word.poke() {
        enqueue(cell);
    }
    loom::sync::atomic::fence(SeqCst);
    match cell.word.declare_dead() {
        Some((newest, _)) => _ = cell.refused.fetch_add(list(newest).len(), Lax),
        None => release_abandoned(cell),
    }
}

fn release_abandoned(cell: &Cell) {
    let held = !fault::planted("the dead keeps no reference");
    if cell.abandoned.swap(0, SeqCst) != 0 && held {
        drop_reference(cell);
    }
}

fn turn(cell: &Cell) {
    while !turn_once(cell) {}
}

fn look_at_signal(cell: &Cell) {
    if cell.signal.swap(0, SeqCst) != 0 {
        cell.signalled.fetch_add(1, Lax);
    }
    // The window in which a signal can come in between looking and releasing; Loom's reduction does
    // not find it by itself.
    if cell.pauses.load(Lax) {
        loom::thread::yield_now();
    }
}

/// Polls what is suspended. `None`: it is done.
fn resume(cell: &Cell) -> Option<bool> {
    let receiving = private(cell).receiving;
    let forsaken = cell.word.no_references();
    let woken = cell.word.begin_poll() || receiving && cell.word.has_mail();
    if !woken && forsaken {
        end(cell);
        return Some(true);
    }
    let received = if receiving {
        list(cell.word.take()).len()
    } else {
        0
    };
    if receiving && received == 0 {
        return Some(cell.word.suspend_receiving() == Released::Idle);
    }
    if !receiving && *cell.waker.lock().unwrap() {
        return Some(cell.word.suspend() == Released::Idle);
    }
    set_private(cell, false, false);
    cell.handled.fetch_add(1 + received, Lax);
    None
}

/// False: enqueue and run again.
fn turn_once(cell: &Cell) -> bool {
    alive(cell);
    if private(cell).suspended
        && let Some(done) = resume(cell)
    {
        return done;
    }
    loop {
        look_at_signal(cell);
        if cell.abandoned.load(SeqCst) != 0 {
            end(cell);
            return true;
        }
        let batch = list(cell.word.take());
        let count = batch.len();
        if count == 0 {
            if cell.word.is_forsaken() {
                end(cell);
                return true;
            }
            if cell.word.release() == Released::Idle {
                return true;
            }
            continue;
        }
        for (position, kind) in batch.into_iter().enumerate() {
            match kind {
                Kind::Count => _ = cell.handled.fetch_add(1, Lax),
                Kind::Resurrect => {
                    self_reference(cell);
                    cell.handled.fetch_add(1, Lax);
                    drop_reference(cell);
                }
                Kind::Stop => {
                    cell.handled.fetch_add(1, Lax);
                    cell.refused.fetch_add(count - position - 1, Lax);
                    end(cell);
                    return true;
                }
                Kind::Suspend => {
                    assert_eq!(position + 1, count, "models send a suspension last");
                    self_reference(cell);
                    *cell.waker.lock().unwrap() = true;
                    set_private(cell, true, false);
                    return cell.word.suspend() == Released::Idle;
                }
                Kind::Receive if position + 1 < count => _ = cell.handled.fetch_add(1, Lax),
                Kind::Receive => {
                    set_private(cell, true, true);
                    return cell.word.suspend_receiving() == Released::Idle;
                }
            }
        }
    }
}

fn use_waker(cell: &Cell) {
    if std::mem::take(&mut *cell.waker.lock().unwrap()) {
        if cell.word.wake() {
            enqueue(cell);
        }
        drop_reference(cell);
    }
}

fn finished(cell: &Cell, messages: usize) {
    while run_queued(cell) {}
    assert_eq!(
        cell.handled.load(Lax) + cell.refused.load(Lax),
        messages,
        "lost or duplicated"
    );
    assert!(cell.freed.load(Lax), "leaked cell");
}

fn check(fault: Option<&'static str>, model: fn()) {
    fault::with(fault, || {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = fault::preemptions();
        builder.max_branches = 10_000;
        builder.check(model);
    });
}

fn catches(fault: &'static str, model: fn()) {
    let caught = std::panic::catch_unwind(|| check(Some(fault), model)).is_err();
    assert!(caught, "the model does not notice: {fault}");
}

fn worker(cell: &Cell) -> loom::thread::JoinHandle<()> {
    let cell = cell.clone();
    loom::thread::spawn(move || _ = run_queued(&cell))
}

fn sends_and_drops() {
    let cell = cell(2);
    let other = cell.clone();
    let thread = loom::thread::spawn(move || {
        push(&other, Kind::Count);
        drop_reference(&other);
    });
    let running = worker(&cell);
    push(&cell, Kind::Count);
    drop_reference(&cell);
    thread.join().unwrap();
    running.join().unwrap();
    finished(&cell, 2);
    assert_eq!(cell.refused.load(Lax), 0, "the last mail was overlooked");
}

fn resurrection() {
    let cell = cell(2);
    let running = worker(&cell);
    let other = cell.clone();
    let thread = loom::thread::spawn(move || drop_reference(&other));
    push(&cell, Kind::Resurrect);
    drop_reference(&cell);
    running.join().unwrap();
    thread.join().unwrap();
    finished(&cell, 1);
}

fn suspension() {
    let cell = cell(2);
    let other = cell.clone();
    let waking = loom::thread::spawn(move || use_waker(&other));
    let other = cell.clone();
    let sending = loom::thread::spawn(move || {
        push(&other, Kind::Suspend);
        run_queued(&other);
        drop_reference(&other);
    });
    drop_reference(&cell);
    waking.join().unwrap();
    sending.join().unwrap();
    while run_queued(&cell) {}
    use_waker(&cell);
    finished(&cell, 1);
}

/// Whatever happens, the second message reaches the handler that waits for it.
fn receive() {
    let cell = cell(2);
    let other = cell.clone();
    let sending = loom::thread::spawn(move || {
        push(&other, Kind::Count);
        run_queued(&other);
    });
    push(&cell, Kind::Receive);
    run_queued(&cell);
    sending.join().unwrap();
    while run_queued(&cell) {}
    let first = cell.handled.load(Lax) == 1;
    // Handled first, the other message leaves the receive waiting, and nobody is owed anything.
    let waits = !cell.freed.load(Lax) && private(&cell).receiving;
    assert_eq!(first, waits, "mail did not wake a receive");
    drop_reference(&cell);
    drop_reference(&cell);
    finished(&cell, 2);
}

/// The same while the last references go.
fn receive_of_the_forgotten() {
    let cell = cell(2);
    let other = cell.clone();
    let sending = loom::thread::spawn(move || {
        push(&other, Kind::Count);
        drop_reference(&other);
    });
    let running = worker(&cell);
    push(&cell, Kind::Receive);
    drop_reference(&cell);
    sending.join().unwrap();
    running.join().unwrap();
    finished(&cell, 2);
}

fn dropped_waker() {
    let cell = cell(1);
    push(&cell, Kind::Suspend);
    let other = cell.clone();
    // Drops the waker unused: the handler can never go on and must be ended.
    let thread = loom::thread::spawn(move || {
        let had = *other.waker.lock().unwrap();
        if had {
            drop_reference(&other);
        }
        had
    });
    run_queued(&cell);
    drop_reference(&cell);
    if !thread.join().unwrap() {
        drop_reference(&cell);
    }
    while run_queued(&cell) {}
    assert!(cell.freed.load(Lax), "leaked suspended cell");
}

fn stop_races_with_sends() {
    let cell = cell(2);
    let other = cell.clone();
    let thread = loom::thread::spawn(move || {
        push(&other, Kind::Count);
        drop_reference(&other);
    });
    let running = worker(&cell);
    push(&cell, Kind::Stop);
    drop_reference(&cell);
    thread.join().unwrap();
    running.join().unwrap();
    finished(&cell, 2);
}

fn signal_is_seen() {
    let cell = cell(1);
    cell.pauses.store(true, Lax);
    let running = worker(&cell);
    let other = cell.clone();
    other.references.add();
    let thread = loom::thread::spawn(move || {
        other.signal.fetch_or(1, SeqCst);
        if other.word.poke() {
            enqueue(&other);
        }
        drop_reference(&other);
    });
    push(&cell, Kind::Count);
    thread.join().unwrap();
    running.join().unwrap();
    while run_queued(&cell) {}
    assert_eq!(cell.signalled.load(Lax), 1, "a signal was overlooked");
    drop_reference(&cell);
    finished(&cell, 1);
}

fn declared_dead_by_another() {
    let cell = cell(2);
    cell.pauses.store(true, Lax);
    let other = cell.clone();
    let thread = loom::thread::spawn(move || {
        abandon(&other);
        drop_reference(&other);
    });
    let running = worker(&cell);
    push(&cell, Kind::Count);
    drop_reference(&cell);
    thread.join().unwrap();
    running.join().unwrap();
    finished(&cell, 1);
}

fn declared_dead_while_it_stops() {
    let cell = cell(2);
    let other = cell.clone();
    let running = worker(&cell);
    push(&cell, Kind::Stop);
    let thread = loom::thread::spawn(move || {
        abandon(&other);
        drop_reference(&other);
    });
    drop_reference(&cell);
    thread.join().unwrap();
    running.join().unwrap();
    finished(&cell, 1);
}

#[test]
fn who_is_declared_dead_is_freed_once_by_its_owner() {
    check(None, declared_dead_while_it_stops);
    check(None, declared_dead_by_another);
    catches("release ignores a signal", declared_dead_by_another);
    catches("the dead keeps no reference", declared_dead_by_another);
}

#[test]
fn no_message_is_lost_and_no_cell_leaks() {
    check(None, sends_and_drops);
    catches("the last mail is overlooked", sends_and_drops);
    check(None, stop_races_with_sends);
}

#[test]
fn a_reference_taken_from_zero_waits_for_the_dropper() {
    check(None, resurrection);
    catches("resurrection does not wait", resurrection);
}

#[test]
fn a_wake_before_the_suspension_is_kept() {
    check(None, suspension);
    catches("wake before suspension is lost", suspension);
}

#[test]
fn mail_wakes_a_handler_that_receives() {
    check(None, receive);
    check(None, receive_of_the_forgotten);
    catches("mail before a receive is overlooked", receive);
}

#[test]
fn a_suspended_cell_that_nobody_can_wake_is_ended() {
    check(None, dropped_waker);
    catches("last reference leaves a suspended cell", dropped_waker);
}

#[test]
fn a_signal_is_never_overlooked() {
    check(None, signal_is_seen);
    catches("release ignores a signal", signal_is_seen);
}
