//! The rules of `gen_event`, one by one, and the bounds and ends of event managers.

mod common;

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, sync_channel};

use common::{Log, Pen, in_system, in_system_of, log, soon};
use vaxel_actor::Event as SystemEvent;
use vaxel_actor::event_manager::*;
use vaxel_actor::prelude::*;

/// What the handler of that name is to do; the others write it down.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Say(&'static str),
    Crash(&'static str),
    Leave(&'static str),
    Swap(&'static str, &'static str),
}

/// Writes down what happens to it, and leaves its name.
struct Probe {
    name: &'static str,
    pen: Pen<String>,
    fails_in: &'static str,
}

impl EventHandler<Event> for Probe {
    type Output = String;

    fn init(&mut self) -> Result<(), ExitReason> {
        match self.fails_in {
            "init" => Err(ExitReason::error("no")),
            _ => Ok(()),
        }
    }

    fn handle_event(&mut self, event: &Event) -> Next<Event, Self> {
        let pen = self.pen.clone();
        match event {
            Event::Crash(name) if *name == self.name => panic!("boom"),
            Event::Leave(name) if *name == self.name => Next::remove(),
            Event::Swap(name, by) if *name == self.name => {
                let by = *by;
                Next::swap(by, move |before: String| {
                    let _ = pen.send(format!("{by} has {before}"));
                    probe(by, &pen)
                })
            }
            Event::Say(word) => {
                self.write(word);
                Next::keep()
            }
            _ => {
                self.write("hears");
                Next::keep()
            }
        }
    }

    fn terminate(self, reason: &Removal) -> String {
        assert_ne!(self.fails_in, "terminate", "in terminate");
        let reason = match reason {
            Removal::Crashed(ExitReason::Panic(crash)) => format!("crashed: {}", crash.message),
            other => other.to_string(),
        };
        self.write(&reason);
        self.name.to_owned()
    }
}

impl Probe {
    fn write(&self, line: &str) {
        let _ = self.pen.send(format!("{} {line}", self.name));
    }
}

fn probe(name: &'static str, pen: &Pen<String>) -> Probe {
    probe_failing_in("nothing", name, pen)
}

fn probe_failing_in(fails_in: &'static str, name: &'static str, pen: &Pen<String>) -> Probe {
    let pen = pen.clone();
    Probe {
        name,
        pen,
        fails_in,
    }
}

/// Writes down what it is told.
struct Owner(Pen<String>);

impl Actor for Owner {
    type Args = Pen<String>;

    async fn init(pen: Pen<String>, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Owner(pen))
    }
}

impl Handler<HandlerExit> for Owner {
    async fn handle(&mut self, exit: HandlerExit, _: &mut Context<Self>) {
        let reason = match exit.reason {
            Removal::Crashed(ExitReason::Panic(crash)) => format!("crashed: {}", crash.message),
            other => other.to_string(),
        };
        let _ = self.0.send(format!("told: {} {reason}", exit.handler));
    }
}

type Manager = EventManagerRef<Event>;

/// A manager with these handlers, the first added first.
async fn manager_of(names: &[&'static str]) -> (Manager, Pen<String>, Log<String>) {
    let (pen, lines) = log();
    let manager = EventManager::spawn();
    for name in names {
        let added = manager.add_handler(*name, probe(name, &pen));
        assert_eq!(soon("the handler", added).await, Ok(()));
    }
    (manager, pen, lines)
}

async fn ids(manager: &Manager) -> Vec<String> {
    let ids = soon("the handlers", manager.which_handlers()).await;
    let ids = ids.expect("the manager lives");
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

async fn tell(manager: &Manager, event: Event) {
    let told = soon("the handlers", manager.sync_notify(event)).await;
    assert_eq!(told, Ok(()));
}

/// Makes a manager wait, until the sender that is returned is dropped, in a handler that has
/// begun.
async fn block(manager: &Manager) -> std::sync::mpsc::SyncSender<()> {
    let (release, released) = sync_channel::<()>(0);
    let (begun, begins) = sync_channel(1);
    let mut waits: Option<Receiver<()>> = Some(released);
    let handler = move |_: &Event| {
        if let Some(released) = waits.take() {
            let _ = begun.send(());
            let _ = released.recv_timeout(common::PATIENCE);
        }
        ControlFlow::Break(())
    };
    let added = soon("the handler", manager.add_handler("blocks", handler)).await;
    assert_eq!(added, Ok(()));
    manager.notify(Event::Say("stop")).expect("there is room");
    begins.recv_timeout(common::PATIENCE).expect("it begins");
    release
}

#[test]
fn the_newest_handler_has_events_first_and_ends_first() {
    in_system(|_| async {
        let (manager, _, lines) = manager_of(&["a", "b", "c"]).await;
        assert_eq!(ids(&manager).await, ["c", "b", "a"]);
        manager.notify(Event::Say("one")).expect("there is room");
        tell(&manager, Event::Say("two")).await;
        let heard = ["c one", "b one", "a one", "c two", "b two", "a two"];
        assert_eq!(lines.rest(), heard);
        let exit = manager.exit();
        manager.stop();
        soon("the end", exit).await;
        let ended = ["c", "b", "a"].map(|name| format!("{name} the manager has ended: normal"));
        assert_eq!(lines.rest(), ended);
    });
}

#[test]
fn an_id_is_taken_once_and_handlers_are_bounded() {
    in_system(|_| async {
        let (manager, pen, _) = manager_of(&["a"]).await;
        let again = soon("the refusal", manager.add_handler("a", probe("b", &pen))).await;
        let taken = AddHandlerError::Duplicate("a".into());
        assert_eq!(again, Err(CallError::Handler(taken)));
        for number in 1..EventManager::<Event>::HANDLERS_MAX {
            let added = manager.add_handler(format!("n{number}"), |_: &Event| {});
            assert_eq!(soon("the handler", added).await, Ok(()));
        }
        let refused = manager.add_handler("more", |_: &Event| {});
        let refused = soon("the refusal", refused).await.expect_err("it is full");
        let text = "an event manager has at most 1024 handlers";
        assert_eq!(refused.to_string(), text);
    });
}

#[test]
fn a_handler_that_refuses_to_start_is_not_added() {
    in_system(|_| async {
        let (manager, pen, _) = manager_of(&[]).await;
        let refused = manager.add_handler("a", probe_failing_in("init", "a", &pen));
        let refused = soon("the refusal", refused).await;
        let refusal = AddHandlerError::Init(ExitReason::error("no"));
        assert_eq!(refused, Err(CallError::Handler(refusal)));
        assert!(ids(&manager).await.is_empty());
    });
}

#[test]
fn deleting_yields_what_terminate_returns() {
    in_system(|_| async {
        let (manager, pen, lines) = manager_of(&["a"]).await;
        let wrong = soon("the refusal", manager.delete_handler::<u32>("a")).await;
        let wrong = wrong.expect_err("it leaves a string").to_string();
        assert!(wrong.contains("String") && wrong.contains("u32"), "{wrong}");
        let left: Result<String, _> = soon("the output", manager.delete_handler("a")).await;
        assert_eq!(left.as_deref(), Ok("a"));
        assert_eq!(lines.rest(), ["a deleted"]);
        let unknown = soon("the refusal", manager.delete_handler::<String>("a")).await;
        let unknown = unknown.expect_err("it is gone").to_string();
        assert_eq!(unknown, "there is no event handler `a`");

        let crashing = manager.add_handler("b", probe_failing_in("terminate", "b", &pen));
        assert_eq!(soon("the handler", crashing).await, Ok(()));
        let crash = soon("the crash", manager.delete_handler::<String>("b")).await;
        let crash = crash.expect_err("it crashes").to_string();
        assert!(crash.contains("in terminate"), "{crash}");
        assert!(ids(&manager).await.is_empty());
    });
}

#[test]
fn a_call_reaches_one_handler_of_a_type() {
    in_system(|_| async {
        let (manager, _, lines) = manager_of(&["a", "b"]).await;
        let name = manager.call("a", |probe: &mut Probe| probe.name);
        assert_eq!(soon("the answer", name).await, Ok("a"));
        let unknown = manager.call("z", |probe: &mut Probe| probe.name);
        let expected = CallHandlerError::Unknown("z".into());
        let unknown = soon("the refusal", unknown).await;
        assert_eq!(unknown, Err(CallError::Handler(expected)));
        let wrong = manager.call("a", |_: &mut fn(&Event)| ());
        let wrong = soon("the refusal", wrong).await;
        let Err(CallError::Handler(CallHandlerError::WrongType(_))) = wrong else {
            panic!("{wrong:?}");
        };
        let leaves = manager.call_then("a", |probe: &mut Probe| (probe.name, Next::remove()));
        assert_eq!(soon("the answer", leaves).await, Ok("a"));
        assert_eq!(lines.rest(), ["a removed by itself"]);
        assert_eq!(ids(&manager).await, ["b"]);
    });
}

#[test]
fn a_call_ends_at_its_limit_and_is_carried_out_all_the_same() {
    in_system(|_| async {
        let (manager, _, lines) = manager_of(&["a"]).await;
        let release = block(&manager).await;
        let late = manager.call("a", |probe: &mut Probe| probe.write("called"));
        let late = soon("the limit", late.timeout(millis(1))).await;
        assert_eq!(late, Err(CallError::Timeout));
        drop(release);
        tell(&manager, Event::Say("after")).await;
        assert_eq!(lines.rest(), ["a stop", "a called", "a after"]);
    });
}

#[test]
fn a_full_mailbox_gives_the_event_back() {
    in_system(|_| async {
        let (manager, ..) = manager_of(&[]).await;
        let release = block(&manager).await;
        let refused = (0..=Mailbox::DEFAULT_CAPACITY)
            .find_map(|_| manager.notify(Event::Say("more")).err())
            .expect("the mailbox has a bound");
        assert!(refused.is_full());
        assert_eq!(refused.into_message(), Event::Say("more"));
        drop(release);
    });
}

#[test]
fn a_handler_that_panics_is_removed_and_reported_and_the_others_go_on() {
    let (hook, reports) = log();
    let settings = |builder: vaxel_actor::SystemBuilder| {
        builder.on_event(move |event| {
            if let SystemEvent::HandlerCrashed {
                manager, handler, ..
            } = event
            {
                let _ = hook.send((*manager, handler.to_string()));
            }
        })
    };
    in_system_of(settings, |_| async move {
        let (manager, _, lines) = manager_of(&["a", "b", "c"]).await;
        tell(&manager, Event::Crash("b")).await;
        assert_eq!(lines.rest(), ["c hears", "b crashed: boom", "a hears"]);
        assert_eq!(reports.rest(), [(manager.pid(), "b".to_owned())]);
        assert_eq!(ids(&manager).await, ["c", "a"]);

        let crash = manager.call("a", |_: &mut Probe| -> () { panic!("in a call") });
        let crash = soon("the crash", crash).await.expect_err("it panics");
        assert!(crash.to_string().contains("in a call"), "{crash}");
        assert_eq!(lines.rest(), ["a crashed: in a call"]);
        assert_eq!(reports.rest(), [(manager.pid(), "a".to_owned())]);
        assert_eq!(ids(&manager).await, ["c"]);
    });
}

#[test]
fn a_handler_may_leave_by_itself() {
    in_system(|_| async {
        let (manager, _, lines) = manager_of(&["a", "b"]).await;
        tell(&manager, Event::Leave("b")).await;
        assert_eq!(lines.rest(), ["b removed by itself", "a hears"]);
        let mut left = 2;
        let twice = move |_: &Event| {
            left -= 1;
            if left > 0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let added = soon("the handler", manager.add_handler("twice", twice)).await;
        assert_eq!(added, Ok(()));
        tell(&manager, Event::Say("one")).await;
        assert_eq!(ids(&manager).await, ["twice", "a"]);
        tell(&manager, Event::Say("two")).await;
        assert_eq!(ids(&manager).await, ["a"]);
    });
}

#[test]
fn a_swap_hands_the_output_over_and_counts_as_newest() {
    in_system(|_| async {
        let (manager, pen, lines) = manager_of(&["a", "b"]).await;
        let swap = |old, new| {
            let pen = pen.clone();
            let swapped = manager.swap_handler(old, new, move |before: Option<String>| {
                let _ = pen.send(format!("{new} has {before:?}"));
                probe(new, &pen)
            });
            soon("the swap", swapped)
        };
        assert_eq!(swap("a", "c").await, Ok(()));
        assert_eq!(lines.rest(), ["a swapped for `c`", "c has Some(\"a\")"]);
        assert_eq!(ids(&manager).await, ["c", "b"]);
        assert_eq!(swap("nobody", "d").await, Ok(()));
        assert_eq!(lines.rest(), ["d has None"]);
        assert_eq!(ids(&manager).await, ["d", "c", "b"]);
        let taken = SwapHandlerError::Add(AddHandlerError::Duplicate("d".into()));
        assert_eq!(swap("b", "d").await, Err(CallError::Handler(taken)));
        assert_eq!(swap("c", "c").await, Ok(()));
        assert_eq!(ids(&manager).await, ["c", "d", "b"]);
    });
}

#[test]
fn a_handler_that_swaps_itself_keeps_its_place() {
    in_system(|_| async {
        let (manager, _, lines) = manager_of(&["a", "b", "c"]).await;
        tell(&manager, Event::Swap("b", "d")).await;
        let told = ["c hears", "b swapped for `d`", "d has b", "a hears"];
        assert_eq!(lines.rest(), told, "the new one does not get the event");
        assert_eq!(ids(&manager).await, ["c", "d", "a"]);
        tell(&manager, Event::Swap("d", "a")).await;
        assert_eq!(ids(&manager).await, ["c", "a"], "the id was taken");
    });
}

#[test]
fn the_owner_is_told_when_its_handler_leaves() {
    in_system(|_| async {
        let (manager, pen, lines) = manager_of(&[]).await;
        let owner = System::current().spawn::<Owner>(pen.clone());
        // Handlers write to nobody here, so that the log is the owner's.
        let (mute, _unread) = log();
        let add = |name| manager.add_supervised_handler(name, probe(name, &mute), &owner);
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(soon("the handler", add(name)).await, Ok(()));
        }
        let deleted: Result<String, _> = soon("the output", manager.delete_handler("a")).await;
        assert!(deleted.is_ok());
        assert_eq!(lines.next("the owner"), "told: a deleted");
        tell(&manager, Event::Leave("b")).await;
        assert_eq!(lines.next("the owner"), "told: b removed by itself");
        tell(&manager, Event::Crash("c")).await;
        assert_eq!(lines.next("the owner"), "told: c crashed: boom");
        tell(&manager, Event::Swap("d", "f")).await;
        assert_eq!(lines.next("the owner"), "told: d swapped for `f`");
        tell(&manager, Event::Leave("f")).await;
        assert_eq!(lines.next("the owner"), "told: f removed by itself");
        manager.stop();
        let stopped = "told: e the manager has ended: normal";
        assert_eq!(lines.next("the owner"), stopped);
    });
}

#[test]
fn a_killed_manager_tells_the_owners_and_terminates_nothing() {
    in_system(|_| async {
        let (manager, pen, lines) = manager_of(&["plain"]).await;
        let owner = System::current().spawn::<Owner>(pen.clone());
        let added = manager.add_supervised_handler("a", probe("a", &pen), &owner);
        assert_eq!(soon("the handler", added).await, Ok(()));
        manager.kill();
        let told = "told: a the manager has ended: killed";
        assert_eq!(lines.next("the owner"), told);
    });
}

#[test]
fn the_end_of_the_owner_removes_its_handlers() {
    in_system(|_| async {
        let (manager, pen, lines) = manager_of(&["plain"]).await;
        let owner = System::current().spawn::<Owner>(pen.clone());
        let added = manager.add_supervised_handler("a", probe("a", &pen), &owner);
        assert_eq!(soon("the handler", added).await, Ok(()));
        owner.kill();
        let removed = "a the owner has ended: killed";
        assert_eq!(lines.next("the removal"), removed);
        assert_eq!(ids(&manager).await, ["plain"]);
        let late = manager.add_supervised_handler("b", probe("b", &pen), &owner);
        assert_eq!(soon("the handler", late).await, Ok(()));
        let removed = "b the owner has ended: no such actor";
        assert_eq!(lines.next("the removal"), removed);
    });
}

#[test]
fn a_restarted_manager_has_no_handlers_and_the_same_address() {
    in_system(|_| async {
        let spec = EventManager::<Event>::child().name("events");
        let supervisor = soon("the start", Supervisor::one_for_one().child(spec).start()).await;
        let _supervisor = supervisor.expect("it starts");
        let manager = Manager::whereis("events").expect("it is named");
        let (pen, lines) = log();
        let owner = System::current().spawn::<Owner>(pen.clone());
        let added = manager.add_supervised_handler("a", probe("a", &pen), &owner);
        assert_eq!(soon("the handler", added).await, Ok(()));
        manager.kill();
        let told = "told: a the manager has ended: killed";
        assert_eq!(lines.next("the owner"), told);
        assert!(ids(&manager).await.is_empty());
        let again = manager.add_supervised_handler("a", probe("a", &pen), &owner);
        assert_eq!(soon("the handler", again).await, Ok(()));
    });
}
