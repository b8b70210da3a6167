//! What a registry promises: who holds a key, and when an entry goes.

mod common;

use common::{Log, Pen, in_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::registry::{Registry, RegistryChange, RegistryError, RegistryEvent};

type Sessions = Registry<String, ActorRef<Session>, u32>;
type Change = RegistryEvent<String, ActorRef<Session>, u32>;

/// Registers itself when it begins, if it is told where.
struct Session;

#[actor(crate = vaxel_actor)]
impl Session {
    fn init(
        at: Option<(Sessions, &'static str, u32)>,
        cx: &mut Context<Self>,
    ) -> Result<Self, RegistryError<ActorRef<Session>>> {
        if let Some((sessions, key, value)) = at {
            sessions.register_with(key.to_owned(), cx.me(), value)?;
        }
        Ok(Session)
    }

    #[call]
    fn pid(&mut self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Register(String, u32),
    Unregister(String),
}

/// Writes down what it hears, as a listener.
struct Ear {
    pen: Pen<(Line, u64)>,
}

#[actor(crate = vaxel_actor)]
impl Ear {
    fn init(pen: Pen<(Line, u64)>) -> Self {
        Ear { pen }
    }

    #[info]
    fn changed(&mut self, event: Change) {
        let line = match event.change {
            RegistryChange::Register { key, value, .. } => Line::Register(key, value),
            RegistryChange::Unregister { key, .. } => Line::Unregister(key),
        };
        let _ = self.pen.send((line, event.missed));
    }
}

fn watched(is_unique: bool) -> (Sessions, Log<(Line, u64)>) {
    let (pen, log) = log();
    let builder = Registry::builder().name("sessions");
    let builder = builder.listener(Ear::spawn(pen).recipient());
    let builder = if is_unique {
        builder
    } else {
        builder.duplicate()
    };
    (builder.build(), log)
}

fn next(log: &Log<(Line, u64)>) -> Line {
    log.next("a change of the registry").0
}

fn session() -> ActorRef<Session> {
    Session::spawn(None).into()
}

fn values(sessions: &Sessions, key: &str) -> Vec<u32> {
    let entries = sessions.lookup(key);
    let mut values: Vec<u32> = entries.iter().map(|entry| entry.value).collect();
    values.sort_unstable();
    values
}

#[test]
fn a_unique_key_has_one_owner_and_the_error_names_it() {
    in_system(|_| async {
        let sessions = Sessions::unique();
        let (ada, grace) = (session(), session());
        assert_eq!(sessions.register_with("a".into(), ada.clone(), 1), Ok(()));
        let taken = sessions.register_with("a".into(), grace.clone(), 2);
        let owner = ada.clone();
        assert_eq!(taken, Err(RegistryError::AlreadyRegistered { owner }));
        let again = sessions.register_with("a".into(), ada.clone(), 3);
        let text = again.expect_err("it is held").to_string();
        assert!(
            text.starts_with("the key is already registered by Session<"),
            "{text}"
        );
        assert_eq!(sessions.whereis("a"), Some(ada.clone()));
        assert_eq!((values(&sessions, "a"), sessions.count()), (vec![1], 1));
        assert_eq!(sessions.register("b".into(), ada.clone()), Ok(()));
        let mut keys = sessions.keys(&ada);
        keys.sort_unstable();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(sessions.unregister("a", &grace), 0);
        assert_eq!(sessions.unregister("a", &ada), 1);
        assert_eq!(sessions.whereis("a"), None);
        assert_eq!(sessions.register_with("a".into(), grace.clone(), 2), Ok(()));
        assert_eq!(sessions.whereis("a"), Some(grace));
    });
}

#[test]
fn a_duplicate_key_has_many_entries_of_one_actor_too() {
    in_system(|_| async {
        let sessions = Sessions::duplicate();
        let (ada, grace) = (session(), session());
        for value in [1, 2, 3, 4] {
            assert_eq!(
                sessions.register_with("a".into(), ada.clone(), value),
                Ok(())
            );
        }
        assert_eq!(sessions.register_with("a".into(), grace.clone(), 9), Ok(()));
        let before = sessions.lookup("a");
        assert_eq!(values(&sessions, "a"), [1, 2, 3, 4, 9]);
        assert_eq!(sessions.keys(&ada), ["a"; 4]);
        assert_eq!(
            sessions.unregister_matching("a", &ada, |value| value % 2 == 1),
            2
        );
        assert_eq!(values(&sessions, "a"), [2, 4, 9]);
        assert_eq!(before.len(), 5, "a snapshot does not change");
        assert!(sessions.update_value(&"a".into(), &ada, |value| *value += 10));
        let mut own = sessions.values("a", &ada);
        own.sort_unstable();
        assert_eq!(own, [12, 14]);
        assert_eq!(sessions.count_matching("a", |value| *value > 10), 2);
        assert_eq!(
            sessions.lookup_matching("a", |value| *value < 10)[0].actor,
            grace
        );
        let mut sum = 0;
        assert_eq!(sessions.dispatch("a", |_, value| sum += value), 3);
        assert_eq!(sum, 12 + 14 + 9);
        assert_eq!(sessions.unregister("a", &ada), 2);
        let left = sessions.select(|key, actor, value| Some((key.clone(), actor.clone(), *value)));
        assert_eq!(left, [("a".to_owned(), grace.clone(), 9)]);
        assert!(!sessions.update_value(&"a".into(), &ada, |_| ()));
        assert_eq!(sessions.unregister("a", &grace), 1);
        assert_eq!((sessions.lookup("a").len(), sessions.count()), (0, 0));
    });
}

#[test]
fn what_an_actor_holds_goes_with_it_and_listeners_hear_of_it() {
    in_system(|_| async {
        let (sessions, log) = watched(false);
        let (ada, grace) = (session(), session());
        for (key, value, actor) in [
            ("a", 1, &ada),
            ("a", 2, &ada),
            ("b", 3, &ada),
            ("a", 4, &grace),
        ] {
            let added = sessions.register_with(key.into(), actor.clone(), value);
            assert_eq!(added, Ok(()));
            assert_eq!(next(&log), Line::Register(key.into(), value));
        }
        ada.kill();
        let mut gone = vec![next(&log), next(&log), next(&log)];
        gone.sort_by_key(|line| format!("{line:?}"));
        let [a, b] = ["a", "b"].map(|key| Line::Unregister(key.into()));
        assert_eq!(gone, [Line::Unregister("a".into()), a, b]);
        assert_eq!((values(&sessions, "a"), sessions.count()), (vec![4], 1));
        assert_eq!(sessions.whereis("b"), None);
        let late = sessions.register_with("c".into(), ada.clone(), 1);
        assert_eq!(late, Err(RegistryError::Closed));
        assert_eq!(sessions.count(), 1);
    });
}

#[test]
fn an_entry_keeps_its_actor_alive_and_a_lost_one_lets_it_go() {
    in_system(|_| async {
        let (sessions, log) = watched(true);
        let ada = session();
        assert_eq!(sessions.register_with("a".into(), ada.clone(), 1), Ok(()));
        assert_eq!(next(&log), Line::Register("a".into(), 1));
        drop(ada);
        let found = sessions.whereis("a").expect("it lives");
        let pid = soon("its pid", found.call(Pid_)).await;
        assert!(pid.is_ok_and(|pid| !pid.is_none()));
        let exit = found.exit();
        assert_eq!(sessions.unregister("a", &found), 1);
        assert_eq!(next(&log), Line::Unregister("a".into()));
        drop(found);
        assert_eq!(soon("its end", exit).await, ExitReason::Normal);
    });
}

/// As the typed call, for a plain reference.
#[derive(vaxel_actor::Message)]
#[message(crate = vaxel_actor, reply = Pid)]
struct Pid_;

impl Handler<Pid_> for Session {
    async fn handle(&mut self, _: Pid_, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }
}

#[test]
fn a_restarted_child_registers_itself_again() {
    in_system(|_| async {
        let (sessions, log) = watched(true);
        let tree = Supervisor::one_for_one().max_restarts(100);
        let tree = soon("the start", tree.start()).await.expect("it starts");
        let spec = Session::child(Some((sessions.clone(), "a", 7)));
        let child = soon("the child", tree.start_child(spec)).await;
        let child = SessionRef::from(child.expect("it starts"));
        assert_eq!(next(&log), Line::Register("a".into(), 7));
        for _ in 0..50 {
            let before = soon("its pid", child.pid()).await.expect("it answers");
            child.crash().expect("its mailbox has room");
            let after = soon("its pid", child.pid()).await.expect("it answers");
            assert_ne!(before, after);
            assert_eq!(next(&log), Line::Unregister("a".into()));
            assert_eq!(next(&log), Line::Register("a".into(), 7));
            let entries = sessions.lookup("a");
            assert_eq!((entries.len(), entries[0].pid()), (1, after));
        }
        assert_eq!(sessions.count(), 1);
    });
}

#[test]
fn a_listener_that_is_full_learns_how_much_it_missed() {
    in_system(|system| async move {
        let (pen, log) = log();
        let (hold, held) = std::sync::mpsc::sync_channel(1);
        let deaf = system.spawn::<Deaf>((pen, held));
        let sessions: Sessions = Registry::builder().listener(deaf.recipient()).build();
        let ada = session();
        assert_eq!(log.next("the first event"), 0);
        for key in 0..10 {
            let _ = sessions.register_with(key.to_string(), ada.clone(), key);
        }
        hold.send(()).expect("it waits");
        while log.next("an event") == 0 {
            let _ = sessions.register_with("x".into(), ada.clone(), 0);
            sessions.unregister("x", &ada);
        }
    });
}

/// Handles nothing until it is let go; two messages may wait.
struct Deaf {
    pen: Pen<u64>,
    held: Option<std::sync::mpsc::Receiver<()>>,
}

impl vaxel_actor::Actor for Deaf {
    type Args = (Pen<u64>, std::sync::mpsc::Receiver<()>);

    const MAILBOX: Mailbox = Mailbox::bounded(2);

    async fn init((pen, held): Self::Args, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        let _ = pen.send(0);
        Ok(Deaf {
            pen,
            held: Some(held),
        })
    }
}

impl Handler<Change> for Deaf {
    async fn handle(&mut self, event: Change, _: &mut Context<Self>) {
        if let Some(held) = self.held.take() {
            let _ = held.recv();
        }
        let _ = self.pen.send(event.missed);
    }
}
