//! What a process can be told to do.

use std::time::Duration;

use vaxel_actor::Context;

use crate::entry::Entry;
use crate::events;
use crate::process::{Birth, Flood, Process, Text, number, pause};
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
            let limit = millis(ms);
            call(process, to, &words[4..], limit).await;
        }
        ["call", to, ..] => call(process, to, &words[2..], CALL_LIMIT).await,
        ["exit", why] => {
            cx.stop_with(reason::parse(why));
            return Flow::Leaves;
        }
        ["crash", text @ ..] => panic!("{}", text.join(" ")),
        ["block", ms] => pause(ms).await,
        ["keep", to] => {
            if let Some(entry) = target(process, to) {
                process.kept.insert((*to).to_owned(), entry);
            }
        }
        ["flood", to, count] => {
            let sent = match target(process, to) {
                Some(Entry::Process(to)) => (0..number(count)).all(|_| to.cast(Flood).is_ok()),
                _ => false,
            };
            let answer = if sent { "all accepted" } else { "refused" };
            process.note(format!("flood {to}: {answer}"));
        }
        _ => return signal(process, words, cx).await,
    }
    Flow::GoesOn
}

/// Who is meant: by its name in the scenario, by the name it registered (`@name`), or by the
/// reference that was kept (`=name`).
pub(crate) fn target(process: &Process, name: &str) -> Option<Entry> {
    match name.strip_prefix('=') {
        Some(kept) => process.kept.get(kept).cloned(),
        None => process.birth.world.target(name),
    }
}

async fn call(process: &mut Process, to: &str, words: &[String], limit: Duration) {
    let answer = match target(process, to) {
        Some(to) => to.call(words.to_vec(), limit).await,
        None => "exit:gone".to_owned(),
    };
    process.note(format!("call {to}: {answer}"));
}

/// Links, monitors and exit signals.
async fn signal(process: &mut Process, words: &[String], cx: &mut Context<Process>) -> Flow {
    let world = process.birth.world.clone();
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    match list.as_slice() {
        ["trap", switch] => _ = cx.trap_exits(*switch == "on"),
        ["link", to] => {
            if let Some(entry) = target(process, to) {
                process.linked = Some((*to).to_owned());
                cx.link(&entry.any());
            }
        }
        ["unlink", to] => {
            if let Some(entry) = target(process, to) {
                cx.unlink(&entry.any());
            }
        }
        ["monitor", to] => {
            if let Some(entry) = target(process, to) {
                let monitor = cx.monitor(&entry.any());
                process.monitors.insert((*to).to_owned(), monitor);
            }
        }
        ["demonitor", to] => {
            if let Some(monitor) = process.monitors.remove(*to) {
                cx.demonitor(monitor);
            }
        }
        ["signal", to, why] => {
            if let Some(to) = target(process, to) {
                cx.exit(&to.any(), reason::parse(why));
            }
        }
        ["spawn", name, ..] => _ = cx.spawn::<Process>(Birth::plain(&world, name, &words[2..])),
        ["spawn_link", name, ..] => {
            cx.spawn_link::<Process>(Birth::plain(&world, name, &words[2..]));
        }
        ["spawn_monitor", name, ..] => {
            let birth = Birth::plain(&world, name, &words[2..]);
            let (_, monitor) = cx.spawn_monitor::<Process>(birth);
            process.monitors.insert((*name).to_owned(), monitor);
        }
        _ => return name(process, words, cx).await,
    }
    Flow::GoesOn
}

/// Names, groups and timers.
async fn name(process: &mut Process, words: &[String], cx: &mut Context<Process>) -> Flow {
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
        ["join", group] => world.groups.join((*group).to_owned(), cx.me()),
        ["leave", group] => {
            let left = world.groups.leave(*group, &cx.me());
            let answer = if left { "ok" } else { "not_joined" };
            process.note(format!("leave {group}: {answer}"));
        }
        ["members", group] => {
            let members = world.groups.members(*group);
            let mut names: Vec<_> = members.iter().map(|one| world.name_of(one.pid())).collect();
            names.sort();
            process.note(format!("members {group}: {}", names.join(" ")));
        }
        ["publish", group, text @ ..] => {
            for member in &world.groups.members(*group) {
                // Who has ended meanwhile gets nothing.
                let _ = member.cast(Text(text.join(" ")));
            }
        }
        ["after", ms, text] => {
            let timer = cx.send_after(millis(ms), Text((*text).to_owned()));
            process.timers.insert((*text).to_owned(), timer);
        }
        ["cancel", text] => {
            let cancelled = process
                .timers
                .get(*text)
                .is_some_and(|timer| cx.cancel(timer));
            process.note(format!("cancel {text}: {cancelled}"));
        }
        _ => wait(process, words, cx).await,
    }
    Flow::GoesOn
}

/// Selective receive and request collections.
async fn wait(process: &mut Process, words: &[String], cx: &mut Context<Process>) {
    let list: Vec<&str> = words.iter().map(String::as_str).collect();
    match list.as_slice() {
        ["receive", text, limit @ ..] => {
            let wanted = (*text).to_owned();
            let receive = cx.receive(move |Text(text): &Text| *text == wanted);
            let received = match limit {
                ["within", ms] => receive.timeout(millis(ms)).await,
                _ => receive.await,
            };
            process.note(match received {
                Ok(Text(text)) => format!("received {text}"),
                Err(_) => "received nothing".to_owned(),
            });
        }
        ["request", to, label, ..] => {
            let (target, words) = (target(process, to), words[3..].to_vec());
            let asking = async move {
                match target {
                    Some(to) => to.call(words, CALL_LIMIT).await,
                    None => "exit:gone".to_owned(),
                }
            };
            process.requests.add((*label).to_owned(), asking);
        }
        ["response", limit @ ..] => {
            let limit = match limit {
                ["within", ms] => millis(ms),
                _ => CALL_LIMIT,
            };
            let response = process.requests.wait_response(limit).await;
            process.note(match response {
                Ok(Some((label, answer))) => format!("response {label}: {answer}"),
                Ok(None) => "response: no request".to_owned(),
                Err(_) => "response: timeout".to_owned(),
            });
        }
        _ => events::op(process, words, cx).await,
    }
}

fn millis(word: &str) -> Duration {
    Duration::from_millis(number(word).into())
}
