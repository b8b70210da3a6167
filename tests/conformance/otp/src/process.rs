//! A process of a scenario: plain, or a server with a beginning and an end of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use vaxel_actor::requests::Requests;
use vaxel_actor::{
    Actor, Context, Down, ExitReason, Handler, Message, MonitorRef, ReplyTo, TimerRef, TrappedExit,
    time,
};

use crate::entry::Entry;
use crate::ops::{self, Flow};
use crate::reason;
use crate::scenario::{Words, attribute};
use crate::world::World;

/// What a process begins with.
#[derive(Clone)]
pub(crate) struct Birth {
    pub(crate) world: Arc<World>,
    pub(crate) name: String,
    /// A server's attributes; none for a plain process.
    pub(crate) server: Option<Words>,
    /// What it does first.
    pub(crate) first: Words,
}

/// Does what it is told and notes what it gets.
pub(crate) struct Process {
    pub(crate) birth: Birth,
    pub(crate) value: Option<String>,
    pub(crate) monitors: HashMap<String, MonitorRef>,
    pub(crate) timers: HashMap<String, TimerRef>,
    pub(crate) requests: Requests<String, String>,
    /// The last it was linked to: the exit of who had ended before names nobody.
    pub(crate) linked: Option<String>,
    /// References that it has kept.
    pub(crate) kept: HashMap<String, Entry>,
    /// Calls that are answered later, or never.
    held: Vec<ReplyTo<String>>,
    /// Who waits for the end of a process that is leaving.
    leaving: Option<SyncSender<()>>,
}

/// A step for a process; the driver waits until the sender is used or dropped.
pub(crate) struct Do(pub(crate) Words, pub(crate) Option<SyncSender<()>>);
/// A message that is no request.
pub(crate) struct Text(pub(crate) String);
/// A message of many, not worth a note.
pub(crate) struct Flood;
/// A cast.
pub(crate) struct Run(Words);
/// A call.
pub(crate) struct Ask(pub(crate) Words, pub(crate) ReplyTo<String>);
/// What is gone on with before any mail.
pub(crate) struct GoOn(Words);

impl Run {
    pub(crate) fn cast(words: &[String]) -> Self {
        Run(words.to_vec())
    }

    pub(crate) fn into_words(self) -> Words {
        self.0
    }
}

impl Message for Do {
    type Reply = ();
}
impl Message for Text {
    type Reply = ();
}
impl Message for Flood {
    type Reply = ();
}
impl Message for Run {
    type Reply = ();
}
impl Message for Ask {
    type Reply = ();
}
impl Message for GoOn {
    type Reply = ();
}

impl Process {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.birth.world.note(&self.birth.name, text);
    }
}

impl Birth {
    pub(crate) fn plain(world: &Arc<World>, name: &str, first: &[String]) -> Self {
        Birth {
            world: world.clone(),
            name: name.to_owned(),
            server: None,
            first: first.to_vec(),
        }
    }

    pub(crate) fn server(world: &Arc<World>, name: &str, attributes: &[String]) -> Self {
        Birth {
            server: Some(attributes.to_vec()),
            ..Birth::plain(world, name, &[])
        }
    }

    fn attribute(&self, key: &str) -> Option<&str> {
        attribute(key, self.server.as_deref()?)
    }

    /// Beginnings and ends of servers go to one trace, so that their order can be seen.
    fn note_life(&self, text: &str) {
        match self.attribute("own") {
            Some(_) => self.world.note(&self.name, text),
            None => self.world.note("tree", format!("{} {text}", self.name)),
        }
    }

    /// What `init=` asks for.
    async fn begin(&self, cx: &mut Context<Process>) -> Result<(), ExitReason> {
        let starts = self.world.count_start(&self.name);
        self.note_life("init");
        let how = self.attribute("init").unwrap_or("ok");
        let (how, what) = how.split_once(':').unwrap_or((how, ""));
        match how {
            "ok" => {}
            "ignore" => return Err(ExitReason::Normal),
            "stop" | "exit" => return Err(reason::parse(what)),
            "crash" => panic!("{what}"),
            "slow" => {
                pause(what).await;
                self.note_life("ready");
            }
            "fail_after" if starts > number(what) => return Err(ExitReason::error("again")),
            "fail_once" if starts == 2 => return Err(ExitReason::error("again")),
            "fail_after" | "fail_once" => {}
            "continue" | "continue_twice" => {
                // Mail that is there before init is over.
                let _ = cx.me().cast(Text("early".to_owned()));
                let what = if how == "continue" { "first" } else { "twice" };
                cx.continue_with(GoOn(vec![what.to_owned()]));
            }
            "continue_stop" => {
                let words = ["stop", what].map(str::to_owned);
                cx.continue_with(GoOn(words.into()));
            }
            other => {
                let words = ["init", other].map(str::to_owned);
                self.world.unsupported(&words);
            }
        }
        Ok(())
    }
}

impl Actor for Process {
    type Args = Birth;

    async fn init(birth: Birth, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        birth.world.enter(&birth.name, Entry::Process(cx.me()));
        if birth.server.is_some() {
            cx.trap_exits(birth.attribute("untrapped").is_none());
            birth.begin(cx).await?;
        }
        birth.world.set_started(&birth.name);
        if !birth.first.is_empty() {
            let words = [vec!["run".to_owned()], birth.first.clone()].concat();
            cx.continue_with(GoOn(words));
        }
        Ok(Process {
            birth,
            value: None,
            monitors: HashMap::new(),
            timers: HashMap::new(),
            requests: Requests::new(),
            linked: None,
            kept: HashMap::new(),
            held: Vec::new(),
            leaving: None,
        })
    }

    async fn terminate(&mut self, why: &ExitReason, _: &mut Context<Self>) {
        if self.birth.server.is_none() {
            return;
        }
        let birth = &self.birth;
        birth.note_life(&format!("terminate {}", reason::text(why)));
        let how = birth.attribute("stop").unwrap_or("ok");
        let (how, what) = how.split_once(':').unwrap_or((how, ""));
        match how {
            "hang" => std::future::pending().await,
            "crash" => panic!("{what}"),
            "slow" => {
                pause(what).await;
                birth.note_life("done");
            }
            _ => {}
        }
    }
}

impl Process {
    /// Does one thing after another; several are separated by semicolons.
    pub(crate) async fn run(&mut self, words: &[String], cx: &mut Context<Self>) -> Flow {
        for op in words.split(|word| word == ";") {
            if ops::op(self, op, cx).await == Flow::Leaves {
                return Flow::Leaves;
            }
        }
        Flow::GoesOn
    }

    /// Answers a call, or not.
    async fn answer(&mut self, words: &[String], to: ReplyTo<String>, cx: &mut Context<Self>) {
        let list: Vec<&str> = words.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["reply", text @ ..] => to.send(text.join(" ")),
            ["put", value] => {
                self.value = Some((*value).to_owned());
                to.send("ok".to_owned());
            }
            ["get"] => to.send(self.value.clone().unwrap_or_else(|| "empty".to_owned())),
            ["stop", why] => {
                cx.stop_with(reason::parse(why));
                self.held.push(to);
            }
            ["stop", why, "reply", text @ ..] => {
                cx.stop_with(reason::parse(why));
                to.send(text.join(" "));
            }
            ["continue", what, "reply", text @ ..] => {
                to.send(text.join(" "));
                cx.continue_with(GoOn(vec![(*what).to_owned()]));
            }
            ["hold"] => self.held.push(to),
            ["forget"] => drop(to),
            _ => {
                self.run(words, cx).await;
                to.send("ok".to_owned());
            }
        }
    }
}

impl Handler<Do> for Process {
    async fn handle(&mut self, Do(words, done): Do, cx: &mut Context<Self>) {
        match self.run(&words, cx).await {
            Flow::GoesOn => drop(done),
            // Dropped with the state: the step is over when the process is.
            Flow::Leaves => self.leaving = done,
        }
    }
}

impl Handler<Text> for Process {
    async fn handle(&mut self, Text(text): Text, _: &mut Context<Self>) {
        self.note(format!("got {text}"));
    }
}

impl Handler<Flood> for Process {
    async fn handle(&mut self, _: Flood, _: &mut Context<Self>) {}
}

impl Handler<Run> for Process {
    async fn handle(&mut self, Run(words): Run, cx: &mut Context<Self>) {
        let list: Vec<&str> = words.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["stop", why] => cx.stop_with(reason::parse(why)),
            ["put", value] => self.value = Some((*value).to_owned()),
            ["continue", what] => cx.continue_with(GoOn(vec![(*what).to_owned()])),
            ["release", text @ ..] => {
                if let Some(to) = self.held.pop() {
                    to.send(text.join(" "));
                }
            }
            _ => _ = self.run(&words, cx).await,
        }
    }
}

impl Handler<Ask> for Process {
    async fn handle(&mut self, Ask(words, to): Ask, cx: &mut Context<Self>) {
        match words.as_slice() {
            [first, ms, rest @ ..] if first == "sleep" => {
                pause(ms).await;
                self.answer(rest, to, cx).await;
            }
            _ => self.answer(&words, to, cx).await,
        }
    }
}

impl Handler<GoOn> for Process {
    async fn handle(&mut self, GoOn(words): GoOn, cx: &mut Context<Self>) {
        let list: Vec<&str> = words.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["stop", why] => cx.stop_with(reason::parse(why)),
            ["run", ..] => _ = self.run(&words[1..], cx).await,
            [text] => {
                self.note(format!("continue {text}"));
                if *text == "twice" {
                    cx.continue_with(GoOn(vec!["again".to_owned()]));
                }
            }
            _ => {}
        }
    }
}

impl Handler<TrappedExit> for Process {
    async fn handle(&mut self, exit: TrappedExit, _: &mut Context<Self>) {
        let who = match &self.linked {
            Some(name) if exit.from.is_none() => name.clone(),
            _ => self.birth.world.name_of(exit.from),
        };
        self.note(format!("exit {who} {}", reason::text(&exit.reason)));
    }
}

impl Handler<Down> for Process {
    async fn handle(&mut self, down: Down, _: &mut Context<Self>) {
        // Who had ended before has no pid any more; the monitor tells who it was.
        let known = self
            .monitors
            .iter()
            .find(|(_, monitor)| **monitor == down.monitor);
        let who = match known {
            Some((name, _)) => name.clone(),
            None => self.birth.world.name_of(down.pid),
        };
        self.note(format!("down {who} {}", reason::text(&down.reason)));
    }
}

/// Waits as a handler does that is busy with something else.
pub(crate) async fn pause(ms: &str) {
    // tidy: allow(sleep-in-test): the step under test takes time, nothing waits for it
    time::sleep(Duration::from_millis(number(ms).into())).await;
}

/// A number of a scenario.
pub(crate) fn number(word: &str) -> u32 {
    word.parse()
        .unwrap_or_else(|_| panic!("`{word}` is no number"))
}
