//! Beginnings, replies, bounds and ends of state machines.

mod common;

use common::{Pen, in_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::state_machine::*;

/// Serves one guest at a time; the others wait.
struct Table {
    waiting: Option<ReplyTo<u32>>,
    pen: Pen<&'static str>,
}

#[derive(Debug, PartialEq)]
enum State {
    Free,
    Taken,
}

enum Event {
    Sit(ReplyTo<u32>),
    Leave(u32),
    Close(ReplyTo<&'static str>),
    Burn,
    Gone(Down),
    Watch(ActorRef<Machine<Table>>),
    Spin(u32),
}

impl Message for Event {
    type Reply = ();
}

impl From<Down> for Event {
    fn from(down: Down) -> Self {
        Event::Gone(down)
    }
}

impl StateMachine for Table {
    type Args = (Pen<&'static str>, bool);
    type State = State;
    type Event = Event;

    const POSTPONED_MAX: usize = 2;

    async fn init(
        (pen, fail): Self::Args,
        _: &mut Context<Machine<Self>>,
    ) -> Result<Start<Self>, ExitReason> {
        if fail {
            return Err(ExitReason::error("no legs"));
        }
        let _ = pen.send("init");
        let waiting = None;
        Ok(start(Table { waiting, pen }, State::Free).next_event(Event::Spin(200)))
    }

    async fn handle(
        &mut self,
        state: &State,
        event: Event,
        cx: &mut Context<Machine<Self>>,
    ) -> Next<Self> {
        match (state, event) {
            (State::Free, Event::Sit(reply)) => {
                self.waiting = Some(reply);
                next_state(State::Taken)
            }
            (State::Taken, Event::Leave(bill)) => {
                let reply = self.waiting.take().expect("somebody sits");
                next_state(State::Free).reply(reply, bill)
            }
            (State::Taken, event @ Event::Sit(_)) => postpone(event),
            (_, Event::Close(reply)) => stop().reply(reply, "closed"),
            (_, Event::Burn) => panic!("fire"),
            (_, Event::Watch(other)) => {
                cx.monitor(&other);
                keep_state()
            }
            (_, Event::Gone(down)) => stop_with(down.reason),
            (_, Event::Spin(0)) => {
                let _ = self.pen.send("spun");
                keep_state()
            }
            (_, Event::Spin(n)) => keep_state().next_event(Event::Spin(n - 1)),
            (State::Free, Event::Leave(_)) => keep_state(),
        }
    }

    async fn enter(
        &mut self,
        _: &State,
        state: &State,
        _: &mut Context<Machine<Self>>,
    ) -> Actions<Self> {
        let _ = self.pen.send(match state {
            State::Free => "free",
            State::Taken => "taken",
        });
        Actions::none()
    }

    async fn terminate(&mut self, _: &State, _: &ExitReason, _: &mut Context<Machine<Self>>) {
        let _ = self.pen.send("terminate");
    }
}

fn table() -> (MachineRef<Table>, common::Log<&'static str>) {
    let (pen, lines) = log();
    let table = Table::spawn((pen, false));
    for line in ["init", "free", "spun"] {
        assert_eq!(lines.next(line), line);
    }
    (table, lines)
}

#[test]
fn a_call_is_answered_later_and_from_another_state() {
    in_system(|_| async {
        let (table, lines) = table();
        let first = table.call_with(Event::Sit);
        let second = table.call_with(Event::Sit);
        table.cast(Event::Leave(1)).expect("there is room");
        assert_eq!(soon("the first bill", first).await, Ok(1));
        table.cast(Event::Leave(2)).expect("there is room");
        assert_eq!(soon("the second bill", second).await, Ok(2));
        let states = [(); 4].map(|()| lines.next("a state"));
        assert_eq!(states, ["taken", "free", "taken", "free"]);
    });
}

#[test]
fn stopping_replies_first_and_fails_what_waits() {
    in_system(|_| async {
        let (table, lines) = table();
        let sitting = table.call_with(Event::Sit);
        let postponed = table.call_with(Event::Sit);
        let exit = table.exit();
        let closing = table.call_with(Event::Close);
        assert_eq!(soon("the answer", closing).await, Ok("closed"));
        assert_eq!(soon("the end", exit).await, ExitReason::Normal);
        assert_eq!(soon("the end", sitting).await, Err(CallError::Closed));
        assert_eq!(soon("the end", postponed).await, Err(CallError::Closed));
        assert_eq!(lines.next("taken"), "taken");
        assert_eq!(lines.next("terminate"), "terminate");
    });
}

#[test]
fn a_crash_is_told_to_everybody_who_waits() {
    in_system(|_| async {
        let (table, _lines) = table();
        let sitting = table.call_with(Event::Sit);
        let postponed = table.call_with(Event::Sit);
        table.cast(Event::Burn).expect("there is room");
        for call in [sitting, postponed] {
            let Err(CallError::Crashed(reason)) = soon("the crash", call).await else {
                panic!("not told");
            };
            assert!(reason.to_string().contains("fire"), "{reason}");
        }
    });
}

#[test]
fn postponing_more_than_the_bound_ends_the_machine() {
    in_system(|_| async {
        let (table, _lines) = table();
        let exit = table.exit();
        let sitting: Vec<_> = (0..4).map(|_| table.call_with(Event::Sit)).collect();
        let reason = soon("the end", exit).await;
        let text = "error: more than 2 events are postponed";
        assert_eq!(reason.to_string(), text);
        for call in sitting {
            let told = soon("the reason", call).await;
            assert_eq!(told, Err(CallError::Crashed(reason.clone())));
        }
    });
}

#[test]
fn a_machine_hears_of_what_its_events_can_be_made_of() {
    in_system(|_| async {
        let (watcher, _lines) = table();
        let (watched, _more) = table();
        watcher
            .cast(Event::Watch(watched.clone()))
            .expect("there is room");
        // Answered after that, so it watches before the other burns.
        let sitting = watcher.call_with(Event::Sit);
        watcher.cast(Event::Leave(1)).expect("there is room");
        assert_eq!(soon("the bill", sitting).await, Ok(1));
        let exit = watcher.exit();
        watched.cast(Event::Burn).expect("there is room");
        let reason = soon("the down", exit).await;
        assert!(reason.to_string().contains("fire"), "{reason}");
    });
}

#[test]
fn a_failed_init_is_a_failed_start() {
    in_system(|_| async {
        let (pen, lines) = log();
        let supervisor = Supervisor::one_for_one().child(Table::child((pen, true)));
        let error = soon("the refusal", supervisor.start())
            .await
            .expect_err("it has no legs");
        assert!(error.to_string().contains("no legs"), "{error}");
        assert!(lines.rest().is_empty());
    });
}

#[test]
fn a_restarted_machine_begins_anew_at_its_address() {
    in_system(|_| async {
        let (pen, lines) = log();
        let spec = Table::child((pen, false)).name("table");
        let supervisor = soon("the start", Supervisor::one_for_one().child(spec).start()).await;
        let _supervisor = supervisor.expect("it starts");
        let table: MachineRef<Table> = System::current().whereis("table").expect("it is named");
        let postponed = [table.call_with(Event::Sit), table.call_with(Event::Sit)];
        table.cast(Event::Burn).expect("there is room");
        for call in postponed {
            assert!(soon("the crash", call).await.is_err());
        }
        let sitting = table.call_with(Event::Sit);
        table.cast(Event::Leave(3)).expect("there is room");
        assert_eq!(soon("the bill", sitting).await, Ok(3));
        let told = [(); 9].map(|()| lines.next("a line"));
        let once = ["init", "free", "spun", "taken"];
        assert_eq!(told[..4], once);
        assert_eq!(told[4..8], once);
    });
}
