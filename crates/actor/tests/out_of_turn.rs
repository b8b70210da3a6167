//! Going on after `init`, stash, and selective receive.

mod common;

use std::task::Poll;

use common::{Log, Pen, in_system, in_timeless_system, log, soon};
use tokio::sync::oneshot;
use vaxel_actor::prelude::*;
use vaxel_actor::{ReceiveError, ReplyTo};

/// Writes down what reaches it.
struct Clerk {
    pen: Pen<String>,
    is_open: bool,
}

#[derive(Debug, vaxel_actor::Message)]
#[message(crate = vaxel_actor)]
struct Note(u32);

#[derive(vaxel_actor::Message)]
#[message(crate = vaxel_actor)]
struct Ask(u32, ReplyTo<u32>);

#[derive(vaxel_actor::Message)]
#[message(crate = vaxel_actor)]
struct Go(&'static str);

#[actor(crate = vaxel_actor, mailbox = 16)]
impl Clerk {
    fn init(pen: Pen<String>, steps: u32, cx: &mut Context<Self>) -> Self {
        for step in 0..steps {
            cx.continue_with(Note(step));
        }
        let _ = pen.send("init".to_owned());
        let is_open = true;
        Clerk { pen, is_open }
    }

    fn write(&self, line: impl Into<String>) {
        let _ = self.pen.send(line.into());
    }

    #[info]
    fn note(&mut self, Note(n): Note, cx: &mut Context<Self>) {
        if self.is_open {
            self.write(format!("note {n}"));
        } else if let Err(full) = cx.stash(Note(n)) {
            self.write(format!("no room for {}", full.0.0));
        }
    }

    #[info]
    fn ask(&mut self, ask: Ask, cx: &mut Context<Self>) {
        if self.is_open {
            self.write(format!("ask {}", ask.0));
            ask.1.send(ask.0 * 2);
        } else {
            let _ = cx.stash(ask);
        }
    }

    #[info]
    async fn go(&mut self, Go(what): Go, cx: &mut Context<Self>) {
        match what {
            "close" => self.is_open = false,
            "open" => {
                self.is_open = true;
                let count = cx.unstash_all();
                self.write(format!("{count} come back"));
            }
            "continue" => {
                cx.continue_with(Note(100));
                cx.continue_with(Note(101));
                self.write("continue");
            }
            "crash" => panic!("as asked"),
            other => self.write(other),
        }
    }

    /// Answers with the first note that is `n` or greater.
    #[call]
    async fn wait_for(
        &mut self,
        n: u32,
        limit: u64,
        cx: &mut Context<Self>,
    ) -> Result<u32, ReceiveError> {
        let fits = |note: &Note| note.0 >= n;
        let note = cx.receive(fits).timeout(millis(limit)).await?;
        Ok(note.0)
    }

    /// Takes notes until it is asked to stop; a word first when it has begun.
    #[call]
    async fn take_notes(
        &mut self,
        begun: oneshot::Sender<()>,
        cx: &mut Context<Self>,
    ) -> Result<u32, ReceiveError> {
        let _ = begun.send(());
        let mut sum = 0;
        loop {
            match cx.receive(|_: &Note| true).await {
                Ok(note) => sum += note.0,
                Err(ReceiveError::Stopping) => return Ok(sum),
                Err(error) => return Err(error),
            }
        }
    }

    fn terminate(&mut self) {
        self.write("terminate");
    }
}

fn clerk(steps: u32) -> (ClerkRef, Log<String>) {
    let (pen, lines) = log();
    (Clerk::spawn(pen, steps), lines)
}

fn next(lines: &Log<String>, count: usize) -> Vec<String> {
    (0..count).map(|_| lines.next("a line")).collect()
}

#[test]
fn init_goes_on_before_any_mail() {
    in_system(|system| async move {
        let batch = system.batch();
        let (clerk, lines) = clerk(2);
        clerk.cast(Note(7)).expect("there is room");
        drop(batch);
        assert_eq!(next(&lines, 4), ["init", "note 0", "note 1", "note 7"]);
    });
}

#[test]
fn an_actor_spawned_by_an_actor_goes_on_too() {
    in_system(|system| async move {
        let (pen, lines) = log();
        // On a worker `init` runs inside the spawner.
        let spawning = system.spawn_future(async move {
            let clerk = Clerk::spawn(pen, 2);
            clerk.cast(Note(7)).map(|()| clerk)
        });
        let _clerk = soon("the spawn", spawning).await;
        assert_eq!(next(&lines, 4), ["init", "note 0", "note 1", "note 7"]);
    });
}

#[test]
fn a_handler_goes_on_before_what_waits() {
    in_system(|system| async move {
        let (clerk, lines) = clerk(0);
        let batch = system.batch();
        clerk.cast(Go("continue")).expect("there is room");
        clerk.cast(Note(1)).expect("there is room");
        drop(batch);
        let expected = ["init", "continue", "note 100", "note 101", "note 1"];
        assert_eq!(next(&lines, 5), expected);
    });
}

#[test]
fn a_stash_comes_back_in_order_and_before_newer_mail() {
    in_system(|_| async {
        let (clerk, lines) = clerk(0);
        clerk.cast(Go("close")).expect("there is room");
        clerk.cast(Note(1)).expect("there is room");
        assert_eq!(lines.next("init"), "init");
        let asked = clerk.call_with(|reply| Ask(2, reply));
        clerk.cast(Note(3)).expect("there is room");
        clerk.cast(Go("more")).expect("there is room");
        assert_eq!(lines.next("more"), "more");
        clerk.cast(Go("open")).expect("there is room");
        clerk.cast(Note(4)).expect("there is room");
        let expected = ["3 come back", "note 1", "ask 2", "note 3", "note 4"];
        assert_eq!(next(&lines, 5), expected);
        assert_eq!(soon("the answer", asked).await, Ok(4));
    });
}

#[test]
fn a_full_stash_gives_the_message_back() {
    in_system(|_| async {
        let (clerk, lines) = clerk(0);
        clerk.cast(Go("close")).expect("there is room");
        assert_eq!(lines.next("init"), "init");
        for n in 1..=17 {
            clerk.cast(Note(n)).expect("there is room");
            clerk.cast(Go("next")).expect("there is room");
            if n == 17 {
                assert_eq!(lines.next("the refusal"), "no room for 17");
            }
            assert_eq!(lines.next("next"), "next");
        }
    });
}

#[test]
fn a_stash_survives_a_restart_and_a_stashed_caller_is_told_of_the_end() {
    in_system(|_| async {
        let (pen, lines) = log();
        let spec = ClerkRef::child_named(pen);
        let supervisor = soon("the start", Supervisor::one_for_one().child(spec).start()).await;
        let supervisor = supervisor.expect("it starts");
        let clerk = ClerkRef::whereis("clerk").expect("it is named");
        clerk.cast(Go("close")).expect("there is room");
        let asked = clerk.call_with(|reply| Ask(2, reply));
        clerk.cast(Go("crash")).expect("there is room");
        assert_eq!(soon("the answer", asked).await, Ok(4));
        assert_eq!(next(&lines, 3), ["init", "init", "ask 2"]);
        clerk.cast(Go("close")).expect("there is room");
        let asked = clerk.call_with(|reply| Ask(3, reply));
        clerk.cast(Go("there")).expect("there is room");
        assert_eq!(lines.next("there"), "there");
        supervisor.shutdown();
        assert_eq!(soon("the end", asked).await, Err(CallError::Closed));
    });
}

impl ClerkRef {
    fn child_named(pen: Pen<String>) -> ChildSpec<Clerk> {
        Clerk::child(pen, 0).name("clerk")
    }
}

#[test]
fn a_receive_takes_what_fits_and_leaves_the_rest_in_order() {
    in_system(|_| async {
        let (clerk, lines) = clerk(0);
        let waiting = clerk.wait_for(10, 60_000);
        for n in [1, 2, 11] {
            clerk.cast(Note(n)).expect("there is room");
        }
        assert_eq!(soon("the note", waiting).await, Ok(11));
        assert_eq!(next(&lines, 3), ["init", "note 1", "note 2"]);
        // The oldest that fits, also from what had arrived before.
        let system = System::current();
        let batch = system.batch();
        clerk.cast(Note(3)).expect("there is room");
        let waiting = clerk.wait_for(10, 60_000);
        clerk.cast(Note(12)).expect("there is room");
        clerk.cast(Note(13)).expect("there is room");
        drop(batch);
        assert_eq!(soon("the note", waiting).await, Ok(12));
        assert_eq!(next(&lines, 2), ["note 3", "note 13"]);
    });
}

#[test]
fn a_receive_may_have_a_time_limit() {
    in_timeless_system(|system| async move {
        let (clerk, lines) = clerk(0);
        let none = soon("the refusal", clerk.wait_for(10, 0)).await;
        assert_eq!(none, Err(CallError::Handler(ReceiveError::Timeout)));
        let mut waiting = std::pin::pin!(clerk.wait_for(10, 1_000));
        clerk.cast(Note(1)).expect("there is room");
        // The call sets a timer, and so does the receive, which is what we wait for.
        let _ = futures_poll(waiting.as_mut()).await;
        while system.counters().timers_pending < 2 {
            tokio::task::yield_now().await;
        }
        system.advance(millis(999));
        assert!(futures_poll(waiting.as_mut()).await.is_pending());
        system.advance(millis(1));
        let late = soon("the limit", waiting).await;
        assert_eq!(late, Err(CallError::Handler(ReceiveError::Timeout)));
        assert_eq!(next(&lines, 2), ["init", "note 1"]);
    });
}

async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[test]
fn a_receive_that_nothing_can_end_says_so() {
    in_system(|_| async {
        let (clerk, lines) = clerk(0);
        let waiting = clerk.wait_for(10, 60_000);
        let mut n = 0;
        let mut waiting = std::pin::pin!(waiting);
        let answer = loop {
            if let Poll::Ready(answer) = futures_poll(waiting.as_mut()).await {
                break answer;
            }
            if clerk.cast(Note(n % 10)).is_ok() {
                n += 1;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(answer, Err(CallError::Handler(ReceiveError::Full)));
        assert!(n >= 16, "{n} notes");
        assert_eq!(
            next(&lines, 5)[1..],
            ["note 0", "note 1", "note 2", "note 3"]
        );
    });
}

#[test]
fn a_receive_hears_that_its_actor_shall_stop() {
    in_system(|_| async {
        for behind_the_mail in [true, false] {
            let (clerk, lines) = clerk(0);
            let (begun, begins) = oneshot::channel();
            let taking = clerk.take_notes(begun);
            soon("the beginning", begins).await.expect("it begins");
            for n in [1, 2, 3] {
                clerk.cast(Note(n)).expect("there is room");
            }
            let exit = clerk.exit();
            if behind_the_mail {
                clerk.stop();
            } else {
                clerk.shutdown();
            }
            let sum = soon("the sum", taking).await;
            assert!(sum == Ok(6) || !behind_the_mail, "{sum:?}");
            soon("the end", exit).await;
            assert_eq!(next(&lines, 2), ["init", "terminate"]);
        }
    });
}

#[test]
fn a_receive_is_killed_and_ends_with_the_last_reference() {
    in_system(|_| async {
        let (clerk, _lines) = clerk(0);
        let (begun, begins) = oneshot::channel();
        let taking = clerk.take_notes(begun);
        soon("the beginning", begins).await.expect("it begins");
        clerk.kill();
        let killed = soon("the kill", taking).await;
        assert_eq!(killed, Err(CallError::Crashed(ExitReason::Killed)));

        let (clerk, _lines) = self::clerk(0);
        let exit = clerk.exit();
        let (begun, begins) = oneshot::channel();
        let taking = clerk.take_notes(begun);
        soon("the beginning", begins).await.expect("it begins");
        drop((taking, clerk));
        assert_eq!(soon("the end", exit).await, ExitReason::Normal);
    });
}
