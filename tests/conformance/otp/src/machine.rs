//! State machines of a scenario: the lines `statem NAME init=STATE [enter]` and
//! `on NAME STATE EVENT = ACTION ; ACTION`.

use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::state_machine::{
    Actions, Machine, Next, ReplyTo, Start, StateMachine, keep_state, next_state, repeat_state,
    start, stop_with,
};
use vaxel_actor::{Context, ExitReason, Message};

use crate::entry::Entry;
use crate::process::{Run, Text, number, pause};
use crate::reason;
use crate::scenario::{Words, attribute};
use crate::world::World;

/// A machine as the scenario describes it.
#[derive(Clone, Default)]
pub(crate) struct Table {
    attributes: Words,
    lines: Vec<Line>,
}

/// What happens in a state at an event.
#[derive(Clone)]
struct Line {
    state: String,
    event: String,
    actions: Words,
}

impl Table {
    pub(crate) fn new(attributes: &[String]) -> Self {
        Table {
            attributes: attributes.to_vec(),
            lines: Vec::new(),
        }
    }

    /// Takes `STATE EVENT = ACTIONS`.
    pub(crate) fn add(&mut self, words: &[String]) {
        if let [state, event, _, actions @ ..] = words {
            self.lines.push(Line {
                state: state.clone(),
                event: event.clone(),
                actions: actions.to_vec(),
            });
        }
    }

    /// The first line that fits; `*` stands for every state and, at an end, for every content.
    fn find(&self, state: &str, event: &str) -> Words {
        let fits = |line: &&Line| {
            let same_event = match line.event.strip_suffix('*') {
                Some(start) => event.starts_with(start),
                None => line.event == event,
            };
            same_event && (line.state == "*" || line.state == state)
        };
        let line = self.lines.iter().find(fits);
        line.map(|line| line.actions.clone()).unwrap_or_default()
    }
}

/// The data of a machine.
pub(crate) struct Scripted {
    world: Arc<World>,
    name: String,
    table: Table,
    /// Calls that nobody answers: whoever made them waits.
    unanswered: Vec<ReplyTo<String>>,
}

pub(crate) enum Event {
    Cast(String),
    Info(String),
    Call(String, ReplyTo<String>),
    Internal(String),
    StateTimeout(String),
    /// Nothing else has happened for a while.
    Quiet(String),
    Timeout(String, String),
}

impl Message for Event {
    type Reply = ();
}

impl From<Text> for Event {
    fn from(Text(text): Text) -> Self {
        Event::Info(text)
    }
}

impl From<Run> for Event {
    fn from(run: Run) -> Self {
        Event::Cast(run.into_words().join(" "))
    }
}

impl Event {
    fn text(&self) -> String {
        match self {
            Event::Cast(text) => format!("cast:{text}"),
            Event::Info(text) => format!("info:{text}"),
            Event::Call(text, _) => format!("call:{text}"),
            Event::Internal(text) => format!("internal:{text}"),
            Event::StateTimeout(text) => format!("state_timeout:{text}"),
            Event::Quiet(text) => format!("event_timeout:{text}"),
            Event::Timeout(name, text) => format!("timeout:{name}:{text}"),
        }
    }
}

impl Scripted {
    fn note(&self, text: impl Into<String>) {
        self.world.note(&self.name, text);
    }

    /// Where the actions lead, and what is noted on the way.
    async fn goes(&self, actions: &[Words]) -> Next<Self> {
        let mut next = keep_state();
        for action in actions {
            match words(action).as_slice() {
                ["goto", state] => next = next_state((*state).to_owned()),
                ["repeat"] => next = repeat_state(),
                ["stop", why, ..] => next = stop_with(reason::parse(why)),
                ["note", text @ ..] => self.note(text.join(" ")),
                ["block", ms] => pause(ms).await,
                ["crash", text @ ..] => panic!("{}", text.join(" ")),
                _ => {}
            }
        }
        next
    }
}

impl StateMachine for Scripted {
    type Args = (Arc<World>, String);
    type State = String;
    type Event = Event;

    async fn init(
        (world, name): Self::Args,
        cx: &mut Context<Machine<Self>>,
    ) -> Result<Start<Self>, ExitReason> {
        world.enter(&name, Entry::Machine(cx.me()));
        let table = world
            .state()
            .machines
            .get(&name)
            .cloned()
            .unwrap_or_default();
        let first = attribute("init", &table.attributes)
            .unwrap_or("start")
            .to_owned();
        world.set_started(&name);
        let data = Scripted {
            world,
            name,
            table,
            unanswered: Vec::new(),
        };
        Ok(start(data, first))
    }

    async fn handle(
        &mut self,
        state: &String,
        event: Event,
        _: &mut Context<Machine<Self>>,
    ) -> Next<Self> {
        self.note(format!("{state} {}", event.text()));
        let actions = split(&self.table.find(state, &event.text()));
        let mut next = self.goes(&actions).await;
        let mut event = Some(event);
        for action in &actions {
            next = match words(action).as_slice() {
                ["reply", text @ ..] | ["stop", _, "reply", text @ ..] => match event.take() {
                    Some(Event::Call(_, to)) => next.reply(to, text.join(" ")),
                    _ => next,
                },
                ["postpone"] => match event.take() {
                    Some(event) => next.postpone(event),
                    None => next,
                },
                list => also(next, list),
            };
        }
        if let Some(Event::Call(_, to)) = event {
            self.unanswered.push(to);
        }
        next
    }

    async fn enter(
        &mut self,
        from: &String,
        state: &String,
        _: &mut Context<Machine<Self>>,
    ) -> Actions<Self> {
        if attribute("enter", &self.table.attributes).is_none() {
            return Actions::none();
        }
        let event = format!("enter:{from}");
        self.note(format!("{state} {event}"));
        let lines = split(&self.table.find(state, &event));
        lines
            .iter()
            .fold(Actions::none(), |actions, line| also(actions, &words(line)))
    }

    async fn terminate(
        &mut self,
        state: &String,
        why: &ExitReason,
        _: &mut Context<Machine<Self>>,
    ) {
        let text = format!("{} terminate {} in {state}", self.name, reason::text(why));
        self.world.note("tree", text);
    }
}

/// Several actions are separated by semicolons.
fn split(actions: &[String]) -> Vec<Words> {
    actions
        .split(|word| word == ";")
        .map(<[String]>::to_vec)
        .collect()
}

fn words(action: &[String]) -> Vec<&str> {
    action.iter().map(String::as_str).collect()
}

/// What may follow an event and an enter call alike.
trait Also: Sized {
    fn insert(self, event: Event) -> Self;
    fn after(self, which: &str, ms: Duration, event: Event) -> Self;
    fn cancel(self, which: &str) -> Self;
    fn update(self, which: &str, event: Event) -> Self;
}

/// The names of the two time-outs that have none.
const STATE: &str = "state_timeout";
const EVENT: &str = "event_timeout";

macro_rules! also {
    ($type:ident) => {
        impl Also for $type<Scripted> {
            fn insert(self, event: Event) -> Self {
                self.next_event(event)
            }

            fn after(self, which: &str, ms: Duration, event: Event) -> Self {
                match which {
                    STATE => self.state_timeout(ms, event),
                    EVENT => self.event_timeout(ms, event),
                    name => self.timeout(name.to_owned(), ms, event),
                }
            }

            fn cancel(self, which: &str) -> Self {
                match which {
                    STATE => self.cancel_state_timeout(),
                    name => self.cancel_timeout(name.to_owned()),
                }
            }

            fn update(self, which: &str, event: Event) -> Self {
                match which {
                    STATE => self.update_state_timeout(event),
                    name => self.update_timeout(name.to_owned(), event),
                }
            }
        }
    };
}
also!(Next);
also!(Actions);

fn also<T: Also>(to: T, action: &[&str]) -> T {
    let text = |text: &str| text.to_owned();
    let ms = |ms: &str| Duration::from_millis(number(ms).into());
    match action {
        ["insert", what] => to.insert(Event::Internal(text(what))),
        ["insert_cast", what @ ..] => to.insert(Event::Cast(what.join(" "))),
        ["state_timeout", "cancel"] => to.cancel(STATE),
        ["state_timeout", "update", what] => to.update(STATE, Event::StateTimeout(text(what))),
        ["state_timeout", after, what] => {
            to.after(STATE, ms(after), Event::StateTimeout(text(what)))
        }
        ["event_timeout", after, what] => to.after(EVENT, ms(after), Event::Quiet(text(what))),
        ["timeout", name, "cancel"] => to.cancel(name),
        ["timeout", name, "update", what] => {
            to.update(name, Event::Timeout(text(name), text(what)))
        }
        ["timeout", name, after, what] => {
            to.after(name, ms(after), Event::Timeout(text(name), text(what)))
        }
        _ => to,
    }
}
