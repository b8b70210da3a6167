//! The rules of `gen_statem`, one by one: each trace is what OTP 25 prints for the same machine.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Log, Pen, log};
use vaxel_actor::prelude::*;
use vaxel_actor::state_machine::*;

/// Does what its events say, and writes down what happens.
struct Probe {
    pen: Pen<String>,
    on_enter: OnEnter,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    A,
    B,
    C,
}
use State::{A, B, C};

type React = Arc<dyn Fn(State, Event) -> Next<Probe> + Send + Sync>;
type OnEnter = fn(State) -> Actions<Probe>;

#[derive(Clone, vaxel_actor::Message)]
#[message(crate = vaxel_actor)]
struct Event {
    name: &'static str,
    react: React,
}

impl StateMachine for Probe {
    type Args = (Pen<String>, OnEnter);
    type State = State;
    type Event = Event;

    async fn init(
        (pen, on_enter): Self::Args,
        _: &mut Context<Machine<Self>>,
    ) -> Result<Start<Self>, ExitReason> {
        Ok(start(Probe { pen, on_enter }, A))
    }

    async fn handle(
        &mut self,
        state: &State,
        event: Event,
        _: &mut Context<Machine<Self>>,
    ) -> Next<Self> {
        self.write(format!("{} {state:?}", event.name));
        (event.react.clone())(*state, event)
    }

    async fn enter(
        &mut self,
        from: &State,
        state: &State,
        _: &mut Context<Machine<Self>>,
    ) -> Actions<Self> {
        self.write(format!("enter {from:?} {state:?}"));
        (self.on_enter)(*state)
    }
}

impl Probe {
    fn write(&self, line: String) {
        let _ = self.pen.send(line);
    }
}

fn on(name: &'static str, react: impl Fn(State) -> Next<Probe> + Send + Sync + 'static) -> Event {
    Event {
        name,
        react: Arc::new(move |state, _| react(state)),
    }
}

/// An event that changes nothing.
fn seen(name: &'static str) -> Event {
    on(name, |_| keep_state())
}

fn go(name: &'static str, to: State) -> Event {
    on(name, move |_| next_state(to))
}

/// Postponed in these states.
fn wait(name: &'static str, states: &'static [State]) -> Event {
    Event {
        name,
        react: Arc::new(move |state, event| {
            if states.contains(&state) {
                postpone(event)
            } else {
                keep_state()
            }
        }),
    }
}

enum Step {
    /// All at once in the mailbox.
    Mail(Vec<Event>),
    Advance(u64),
}
use Step::{Advance, Mail};

fn trace(steps: Vec<Step>) -> Vec<String> {
    trace_entering(|_| Actions::none(), steps)
}

fn trace_entering(on_enter: OnEnter, steps: Vec<Step>) -> Vec<String> {
    let system = System::builder().workers(1).manual_clock().build();
    let (pen, lines): (_, Log<String>) = log();
    let probe = Probe::spawn_in(&system, (pen, on_enter));
    settle(&system);
    for step in steps {
        match step {
            Mail(events) => {
                let batch = system.batch();
                for event in events {
                    probe.cast(event).expect("the mailbox has room");
                }
                drop(batch);
            }
            Advance(millis) => system.advance(Duration::from_millis(millis)),
        }
        settle(&system);
    }
    assert!(probe.is_alive(), "{:?}", lines.rest());
    let mut lines = lines.rest();
    assert_eq!(lines.remove(0), "enter A A");
    system.shutdown();
    lines
}

/// On one worker a future that is queued now runs after everything that was queued before.
fn settle(system: &System) {
    let (done, reached) = std::sync::mpsc::sync_channel(1);
    let task = system.spawn_future(async move { done.send(()) });
    reached
        .recv_timeout(common::PATIENCE)
        .expect("the worker comes by");
    drop(task);
}

#[track_caller]
fn expect(steps: Vec<Step>, lines: &[&str]) {
    assert_eq!(trace(steps), lines);
}

#[test]
fn postponed_events_come_back_in_order_and_before_newer_ones() {
    let steps = vec![Mail(vec![
        wait("p1", &[A]),
        wait("p2", &[A]),
        go("go", B),
        seen("new"),
    ])];
    expect(
        steps,
        &["p1 A", "p2 A", "go A", "enter A B", "p1 B", "p2 B", "new B"],
    );
}

#[test]
fn the_same_state_again_is_no_change() {
    let steps = vec![Mail(vec![wait("p1", &[A]), go("same", A), seen("new")])];
    expect(steps, &["p1 A", "same A", "new A"]);
}

#[test]
fn repeating_a_state_only_enters_it_again() {
    let steps = vec![
        Mail(vec![
            on("set", |_| {
                keep_state().state_timeout(millis(30), seen("fired"))
            }),
            wait("p1", &[A]),
            on("again", |_| repeat_state()),
            seen("new"),
        ]),
        Advance(30),
    ];
    let lines = ["set A", "p1 A", "again A", "enter A A", "new A", "fired A"];
    expect(steps, &lines);
}

#[test]
fn inserted_events_come_first_and_in_order() {
    let inserting = on("go", |_| {
        next_state(B).next_event(seen("i1")).next_event(seen("i2"))
    });
    let steps = vec![Mail(vec![wait("p1", &[A]), inserting, seen("new")])];
    let lines = ["p1 A", "go A", "enter A B", "i1 B", "i2 B", "p1 B", "new B"];
    expect(steps, &lines);
}

#[test]
fn what_an_inserted_event_inserts_comes_before_its_siblings() {
    let inserting = on("go", |_| {
        let first = on("i1", |_| {
            keep_state().next_event(seen("i1a")).next_event(seen("i1b"))
        });
        keep_state().next_event(first).next_event(seen("i2"))
    });
    let steps = vec![Mail(vec![inserting, seen("new")])];
    expect(steps, &["go A", "i1 A", "i1a A", "i1b A", "i2 A", "new A"]);
}

#[test]
fn a_state_timeout_of_zero_comes_after_what_is_queued_and_before_mail() {
    let going = on("go", |_| {
        next_state(B)
            .state_timeout(millis(0), seen("st"))
            .next_event(seen("i1"))
    });
    let steps = vec![Mail(vec![going, seen("new")])];
    expect(steps, &["go A", "enter A B", "i1 B", "st B", "new B"]);
}

#[test]
fn a_change_of_state_cancels_a_state_timeout_even_of_zero() {
    let going = on("go", |_| {
        keep_state()
            .state_timeout(millis(0), seen("st"))
            .next_event(go("i1", B))
    });
    let steps = vec![Mail(vec![going, seen("new")])];
    expect(steps, &["go A", "i1 A", "enter A B", "new B"]);
}

#[test]
fn an_event_timeout_of_zero_needs_an_empty_queue() {
    let zero = |next: Next<Probe>| next.event_timeout(millis(0), seen("et"));
    let alone = on("go", move |_| zero(keep_state()));
    expect(
        vec![Mail(vec![alone, seen("new")])],
        &["go A", "et A", "new A"],
    );

    let inserting = on("go", move |_| zero(keep_state()).next_event(seen("i1")));
    let steps = vec![Mail(vec![inserting, seen("new")])];
    expect(steps, &["go A", "i1 A", "new A"]);

    let retrying = on("go", move |_| zero(next_state(B)));
    let steps = vec![Mail(vec![wait("p", &[A]), retrying, seen("new")])];
    expect(steps, &["p A", "go A", "enter A B", "p B", "new B"]);
}

#[test]
fn timeouts_of_zero_keep_their_order_and_cancel_an_event_timeout() {
    let event_first = on("go", |_| {
        keep_state()
            .event_timeout(millis(0), seen("et"))
            .state_timeout(millis(0), seen("st"))
    });
    let steps = vec![Mail(vec![event_first, seen("new")])];
    expect(steps, &["go A", "et A", "st A", "new A"]);

    let state_first = on("go", |_| {
        keep_state()
            .state_timeout(millis(0), seen("st"))
            .event_timeout(millis(0), seen("et"))
    });
    let steps = vec![Mail(vec![state_first, seen("new")])];
    expect(steps, &["go A", "st A", "new A"]);
}

#[test]
fn any_event_cancels_an_event_timeout() {
    let set = || {
        on("set", |_| {
            keep_state().event_timeout(millis(30), seen("et"))
        })
    };
    expect(vec![Mail(vec![set()]), Advance(30)], &["set A", "et A"]);
    let steps = vec![Mail(vec![set(), seen("new")]), Advance(60)];
    expect(steps, &["set A", "new A"]);

    let both = on("set", |_| {
        keep_state()
            .event_timeout(millis(60), seen("et"))
            .timeout("x", millis(30), seen("nt"))
    });
    let steps = vec![Mail(vec![both]), Advance(30), Advance(60)];
    expect(steps, &["set A", "nt A"]);

    let retried = on("go", |_| {
        next_state(B).event_timeout(millis(20), seen("et"))
    });
    let steps = vec![Mail(vec![wait("p", &[A]), retried]), Advance(60)];
    expect(steps, &["p A", "go A", "enter A B", "p B"]);
}

#[test]
fn a_named_timeout_survives_changes_and_is_restarted_by_setting_it_again() {
    let set = on("set", |_| {
        next_state(B).timeout("x", millis(30), seen("n1"))
    });
    let again = on("again", |_| {
        keep_state().timeout("x", millis(60), seen("n2"))
    });
    let steps = vec![
        Mail(vec![set, go("go", C)]),
        Advance(10),
        Mail(vec![again]),
        Advance(40),
        Mail(vec![seen("mark")]),
        Advance(20),
    ];
    let lines = [
        "set A",
        "enter A B",
        "go B",
        "enter B C",
        "again C",
        "mark C",
        "n2 C",
    ];
    expect(steps, &lines);
}

#[test]
fn a_state_timeout_ends_with_its_state() {
    let set = |name| on(name, |_| keep_state().state_timeout(millis(20), seen("st")));
    let steps = vec![
        Mail(vec![set("set"), go("same", A)]),
        Advance(20),
        Mail(vec![set("again"), go("go", B)]),
        Advance(60),
    ];
    expect(
        steps,
        &["set A", "same A", "st A", "again A", "go A", "enter A B"],
    );
}

#[test]
fn timeouts_are_updated_and_cancelled() {
    let set = |event| {
        on("set", move |_| {
            keep_state().state_timeout(millis(20), seen(event))
        })
    };
    let update = |to| {
        on("update", move |_| {
            keep_state().update_state_timeout(seen(to))
        })
    };
    let cancel = on("cancel", |_| keep_state().cancel_state_timeout());
    let steps = vec![
        Mail(vec![set("old"), update("new")]),
        Advance(40),
        Mail(vec![set("gone"), cancel]),
        Advance(40),
        Mail(vec![update("none runs")]),
    ];
    let lines = [
        "set A",
        "update A",
        "new A",
        "set A",
        "cancel A",
        "update A",
        "none runs A",
    ];
    expect(steps, &lines);

    let named = on("set", |_| keep_state().timeout("x", millis(20), seen("n1")));
    let update = |to| {
        on("update", move |_| {
            keep_state().update_timeout("x", seen(to))
        })
    };
    let cancel = on("cancel", |_| keep_state().cancel_timeout("x"));
    let steps = vec![
        Mail(vec![named.clone(), update("n2")]),
        Advance(20),
        Mail(vec![named, cancel]),
        Advance(20),
        Mail(vec![update("n3")]),
    ];
    let lines = [
        "set A", "update A", "n2 A", "set A", "cancel A", "update A", "n3 A",
    ];
    expect(steps, &lines);
}

#[test]
fn an_absolute_timeout_fires_at_its_moment_and_one_in_the_past_at_once() {
    let begin = System::builder().workers(1).manual_clock().build();
    // A manual clock begins at zero in every system.
    let at = begin.now() + millis(50);
    begin.shutdown();
    let set = on("set", move |_| {
        keep_state().timeout_at("x", at, seen("fired"))
    });
    let steps = vec![
        Advance(30),
        Mail(vec![set.clone()]),
        Advance(19),
        Mail(vec![seen("not yet")]),
        Advance(1),
        Advance(10),
        Mail(vec![set, seen("new")]),
    ];
    let lines = ["set A", "not yet A", "fired A", "set A", "fired A", "new A"];
    expect(steps, &lines);
}

#[test]
fn the_last_of_two_in_one_list_counts() {
    let set = on("set", |_| {
        keep_state()
            .state_timeout(millis(20), seen("first"))
            .state_timeout(millis(30), seen("second"))
    });
    expect(vec![Mail(vec![set]), Advance(60)], &["set A", "second A"]);
}

#[test]
fn an_event_may_be_postponed_while_the_state_changes() {
    let both = |insert: bool| Event {
        name: "p",
        react: Arc::new(move |state, event| match (state, insert) {
            (A, true) => next_state(B).postpone(event).next_event(seen("i1")),
            (A, false) => next_state(B).postpone(event),
            _ => keep_state(),
        }),
    };
    let steps = vec![Mail(vec![both(false), seen("new")])];
    expect(steps, &["p A", "enter A B", "p B", "new B"]);
    let steps = vec![Mail(vec![both(true), seen("new")])];
    expect(steps, &["p A", "enter A B", "i1 B", "p B", "new B"]);
}

#[test]
fn a_timeout_may_be_postponed() {
    let set = on("set", |_| {
        keep_state().state_timeout(millis(0), wait("st", &[A]))
    });
    let steps = vec![Mail(vec![set, go("go", B)])];
    expect(steps, &["set A", "st A", "go A", "enter A B", "st B"]);
}

#[test]
fn the_actions_of_an_enter_call_come_last() {
    let on_enter: OnEnter = |state| match state {
        B => Actions::none().state_timeout(millis(20), seen("by enter")),
        _ => Actions::none(),
    };
    let going = on("go", |_| {
        next_state(B).state_timeout(millis(40), seen("by go"))
    });
    let steps = vec![Mail(vec![going]), Advance(20), Advance(40)];
    let lines = trace_entering(on_enter, steps);
    assert_eq!(lines, ["go A", "enter A B", "by enter B"]);
}

#[test]
fn what_is_postponed_again_waits_for_the_next_change() {
    let steps = vec![Mail(vec![
        wait("p1", &[A, B]),
        wait("p2", &[A]),
        go("go", B),
        go("go on", C),
    ])];
    let lines = [
        "p1 A",
        "p2 A",
        "go A",
        "enter A B",
        "p1 B",
        "p2 B",
        "go on B",
        "enter B C",
        "p1 C",
    ];
    expect(steps, &lines);
}

#[test]
fn a_change_in_the_middle_of_retries_keeps_the_order() {
    let changing = Event {
        name: "p1",
        react: Arc::new(|state, event| match state {
            A => postpone(event),
            B => next_state(C),
            C => keep_state(),
        }),
    };
    let steps = vec![Mail(vec![
        changing,
        wait("p2", &[A, C]),
        go("go", B),
        seen("new"),
    ])];
    let lines = [
        "p1 A",
        "p2 A",
        "go A",
        "enter A B",
        "p1 B",
        "enter B C",
        "p2 C",
        "new C",
    ];
    expect(steps, &lines);
}
