//! What a process can be told to do.

use std::time::Duration;

use vaxel_actor::Context;

use crate::entry::Entry;
use crate::process::{Birth, Process, Text, number, pause};
use crate::reason;

/// Whether a process goes on after what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    GoesOn,
    /// It has asked for its own end: nothing after that is done.
    Leaves,
}

/// How long a call waits unless the scenario says otherwise.
const CALL_LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn op(process: &mut Process, words: &[String], cx: &mut Context<Process>) -> Flow {
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    match list.as_slice() {
        [] => {}
        ["note", text @ ..] => process.note(text.join(" ")),
        ["send", to, text @ ..] => {
            let sent = target(process, to).is_some_and(|to| to.send(text.join(" ")));
            // As with OTP's pids, a message to who has ended is lost without a word.
            if !sent && to.starts_with('@') {
                process.note(format!("send {to}: gone"));
            }
        }
        ["cast", to, ..] => {
            if let Some(to) = target(process, to) {
                to.cast(&words[2..]);
            }
        }
        ["call", to, "within", ms, ..] => {
            let limit = Duration::from_millis(number(ms).into());
            call(process, to, &words[4..], limit).await;
        }
        ["call", to, ..] => call(process, to, &words[2..], CALL_LIMIT).await,
        ["exit", why] => {
            cx.stop_with(reason::parse(why));
            return Flow::Leaves;
        }
        ["crash", text @ ..] => panic!("{}", text.join(" ")),
        ["block", ms] => pause(ms).await,
        _ => return signal(process, words, cx),
    }
    Flow::GoesOn
}

fn target(process: &Process, name: &str) -> Option<Entry> {
    process.birth.world.target(name)
}

async fn call(process: &Process, to: &str, words: &[String], limit: Duration) {
    let answer = match target(process, to) {
        Some(to) => to.call(words.to_vec(), limit).await,
        None => "exit:gone".to_owned(),
    };
    process.note(format!("call {to}: {answer}"));
}

/// Links, monitors and exit signals.
fn signal(process: &mut Process, words: &[String], cx: &mut Context<Process>) -> Flow {
    let world = process.birth.world.clone();
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    match list.as_slice() {
        ["monitor", to] => {
            if let Some(entry) = target(process, to) {
                let monitor = cx.monitor(&entry.any());
                let known = (monitor, entry.any());
                process.monitors.insert((*to).to_owned(), known);
            }
        }
        ["demonitor", to] => {
            if let Some((monitor, _)) = process.monitors.remove(*to) {
                cx.demonitor(monitor);
            }
        }
        ["signal", to, "kill"] => {
            if let Some(to) = target(process, to) {
                to.any().kill();
            }
        }
        ["spawn", name, ..] => {
            let birth = Birth::plain(&world, name, &words[2..]);
            cx.spawn::<Process>(birth);
        }
        _ => return name(process, words, cx),
    }
    Flow::GoesOn
}

/// Names and timers.
fn name(process: &mut Process, words: &[String], cx: &mut Context<Process>) -> Flow {
    let world = process.birth.world.clone();
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    match list.as_slice() {
        ["register", name] => {
            let answer = cx.register(name).map_or("taken", |()| "ok");
            process.note(format!("register {name}: {answer}"));
        }
        ["unregister", name] => {
            let known = world.system.unregister(name);
            let answer = if known { "ok" } else { "unknown" };
            process.note(format!("unregister {name}: {answer}"));
        }
        ["whereis", name] => {
            let found = world.system.whereis::<Process>(name);
            let who = found.map_or("nobody".to_owned(), |actor| world.name_of(actor.pid()));
            process.note(format!("whereis {name}: {who}"));
        }
        ["after", ms, text] => {
            let after = Duration::from_millis(number(ms).into());
            let timer = cx.send_after(after, Text((*text).to_owned()));
            process.timers.insert((*text).to_owned(), timer);
        }
        ["cancel", text] => {
            let cancelled = process
                .timers
                .get(*text)
                .is_some_and(|timer| cx.cancel(timer));
            process.note(format!("cancel {text}: {cancelled}"));
        }
        _ => world.unsupported(words),
    }
    Flow::GoesOn
}
