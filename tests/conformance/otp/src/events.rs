//! Event managers of a scenario: their handlers, and what a process asks of them.

use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::event_manager::{
    AddHandlerError, CallHandlerError, DeleteHandlerError, EventHandler, EventManager,
    EventManagerRef, HandlerExit, HandlerId, Next, Removal, SwapHandlerError,
};
use vaxel_actor::{CallError, Context, ExitReason, Handler};

use crate::entry::Entry;
use crate::ops::target;
use crate::process::{Process, number};
use crate::reason;
use crate::scenario::{Words, attribute};
use crate::world::World;

/// What handlers are given. Vaxel's have a type of events, and OTP's messages are a variant of it.
pub(crate) enum Happening {
    Event(String),
    Info(String),
}

type Manager = EventManagerRef<Happening>;

/// A handler; `erlang/otp_handler.erl` says what its words mean.
struct Listener {
    world: Arc<World>,
    name: String,
    words: Words,
    /// How its beginning is noted.
    birth: String,
    swaps_itself: bool,
}

impl Listener {
    fn new(world: &Arc<World>, name: &str, words: &[String]) -> Self {
        Listener {
            world: world.clone(),
            name: name.to_owned(),
            words: words.to_vec(),
            birth: "init".to_owned(),
            swaps_itself: false,
        }
    }

    /// One that takes the place of another, which has left its name.
    fn after(self, before: Option<String>) -> Self {
        let before = before.unwrap_or_else(|| "nobody".to_owned());
        Listener {
            birth: format!("init from {before}"),
            ..self
        }
    }

    fn note(&self, text: impl Into<String>) {
        match attribute("in", &self.words) {
            Some(trace) => {
                let text = format!("{} {}", self.name, text.into());
                self.world.note(trace, text);
            }
            None => self.world.note(&self.name, text),
        }
    }

    fn swap(&mut self, name: &str, words: &[String]) -> Next<Happening, Self> {
        self.swaps_itself = true;
        let new = Listener::new(&self.world, name, words);
        Next::swap(name, |before: String| new.after(Some(before)))
    }

    /// Answers a question.
    fn answer(&mut self, question: &[String]) -> (String, Next<Happening, Self>) {
        let list: Vec<&str> = question.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["crash"] => panic!("call"),
            ["remove"] => ("removed".to_owned(), Next::remove()),
            ["swap", new, ..] => {
                let next = self.swap(new, &question[2..]);
                ("swapped".to_owned(), next)
            }
            _ => {
                let text = question.join(" ");
                self.note(format!("call {text}"));
                (format!("answer {text}"), Next::keep())
            }
        }
    }
}

impl EventHandler<Happening> for Listener {
    type Output = String;

    fn init(&mut self) -> Result<(), ExitReason> {
        self.note(self.birth.clone());
        match self.words.first().map(String::as_str) {
            Some("fail") => Err(ExitReason::error("refused")),
            Some("crash") => panic!("init"),
            _ => Ok(()),
        }
    }

    fn handle_event(&mut self, happening: &Happening) -> Next<Happening, Self> {
        let text = match happening {
            Happening::Event(text) => text,
            Happening::Info(text) => {
                self.note(format!("info {text}"));
                return Next::keep();
            }
        };
        self.note(format!("event {text}"));
        let words: Words = text.split_whitespace().map(str::to_owned).collect();
        let list: Vec<&str> = words.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["crash", name] if *name == self.name => panic!("event"),
            ["remove", name] if *name == self.name => return Next::remove(),
            ["swap", name, new, ..] if *name == self.name => return self.swap(new, &words[3..]),
            ["slow", ms] => {
                // A handler cannot await: it takes its time.
                let limit = Duration::from_millis(number(ms).into());
                let nothing: Option<()> = self.world.wait_for(limit, |_| None);
                debug_assert!(nothing.is_none());
                self.note("seen");
            }
            _ => {}
        }
        Next::keep()
    }

    fn terminate(self, why: &Removal) -> String {
        let why = match why {
            Removal::Deleted => "asked".to_owned(),
            Removal::Removed => "remove".to_owned(),
            Removal::Swapped { .. } if self.swaps_itself => "itself".to_owned(),
            Removal::Swapped { .. } => "swap".to_owned(),
            Removal::Crashed(reason) => format!("error:{}", reason::text(reason)),
            Removal::OwnerExited(reason) => format!("owner:{}", reason::text(reason)),
            Removal::Stopped(_) => "stop".to_owned(),
            other => other.to_string(),
        };
        self.note(format!("terminate {why}"));
        match attribute("stop", &self.words) {
            Some("crash") => panic!("terminate"),
            _ => self.name,
        }
    }
}

/// What a process does with event managers.
pub(crate) async fn op(process: &mut Process, words: &[String], cx: &mut Context<Process>) {
    let world = process.birth.world.clone();
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["spawn_manager", name] = list.as_slice() {
        let manager = cx.spawn_link::<EventManager<Happening>>(());
        return world.enter(name, Entry::Manager(manager.into()));
    }
    let manager = list.get(1).and_then(|name| target(process, name));
    let Some(Entry::Manager(manager)) = manager else {
        return world.unsupported(words);
    };
    if list[0] == "notify" {
        // As in OTP, an event for who has ended is lost.
        let _ = manager.notify(Happening::Event(words[2..].join(" ")));
        return;
    }
    let Some(answer) = ask(&manager, words, &world, cx).await else {
        return world.unsupported(words);
    };
    let shown = match list[0] {
        "sync_notify" | "handlers" => 2,
        _ => 3,
    };
    process.note(format!("{}: {answer}", list[..shown].join(" ")));
}

/// Asks a manager, and writes down what it answers. None: nobody can ask this.
async fn ask(
    manager: &Manager,
    words: &[String],
    world: &Arc<World>,
    cx: &Context<Process>,
) -> Option<String> {
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match list.as_slice() {
        ["sync_notify", _, ..] => {
            let event = Happening::Event(words[2..].join(" "));
            told(
                manager.sync_notify(event).await.map(ok),
                |error| match *error {},
            )
        }
        ["handlers", _] => {
            let ids = manager.which_handlers().await.map(|ids| {
                let mut names: Vec<_> = ids.iter().map(HandlerId::as_str).collect();
                names.sort_unstable();
                names.join(" ")
            });
            told(ids, |error| match *error {})
        }
        ["add_handler", _, name, ..] => {
            let handler = Listener::new(world, name, &words[3..]);
            told(manager.add_handler(*name, handler).await.map(ok), of_add)
        }
        ["add_sup_handler", _, name, ..] => {
            let handler = Listener::new(world, name, &words[3..]);
            let added = manager.add_supervised_handler(*name, handler, &cx.me());
            told(added.await.map(ok), of_add)
        }
        ["delete_handler", _, name] => {
            let output = manager.delete_handler::<String>(*name).await;
            told(output, |error| match error {
                DeleteHandlerError::Unknown(_) => "not_found".to_owned(),
                DeleteHandlerError::Crashed(reason) => reason::text(reason),
                other => other.to_string(),
            })
        }
        ["swap_handler", _, old, new, ..] => {
            let handler = Listener::new(world, new, &words[4..]);
            let swapped = manager.swap_handler(*old, *new, |before| handler.after(before));
            told(swapped.await.map(ok), |error| match error {
                SwapHandlerError::Add(error) => of_add(error),
                other => other.to_string(),
            })
        }
        ["ask", _, name, ..] => {
            let question = words[3..].to_vec();
            let answer = manager.call_then(*name, move |it: &mut Listener| it.answer(&question));
            told(answer.await, |error| match error {
                CallHandlerError::Unknown(_) => "not_found".to_owned(),
                CallHandlerError::Crashed(reason) => reason::text(reason),
                other => other.to_string(),
            })
        }
        _ => return None,
    })
}

fn ok((): ()) -> String {
    "ok".to_owned()
}

fn of_add(error: &AddHandlerError) -> String {
    match error {
        AddHandlerError::Init(reason) => reason::text(reason),
        other => other.to_string(),
    }
}

/// An answer as both sides write it; the handler's own error in the words of `why`.
fn told<E: std::fmt::Debug>(
    answer: Result<String, CallError<E>>,
    why: impl FnOnce(&E) -> String,
) -> String {
    match answer {
        Ok(answer) => answer,
        Err(CallError::Handler(error)) => format!("error:{}", why(&error)),
        Err(error) => reason::of_call(&error),
    }
}

impl Handler<HandlerExit> for Process {
    async fn handle(&mut self, exit: HandlerExit, _: &mut Context<Self>) {
        // OTP tells these two alike.
        let why = match &exit.reason {
            Removal::Deleted | Removal::Removed => "normal".to_owned(),
            Removal::Swapped { by } => format!("swapped:{by}"),
            Removal::Crashed(reason) | Removal::Stopped(reason) => reason::text(reason),
            other => other.to_string(),
        };
        self.note(format!("handler_exit {} {why}", exit.handler));
    }
}
