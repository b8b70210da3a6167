//! The machine as an actor: from one event to the next.

use std::future::poll_fn;
use std::ops::ControlFlow::{self, Break, Continue};
use std::task::Poll;

use vaxel_runtime::{Actor, Context, ExitReason, Handler, Mailbox, Message};

use super::StateMachine;
use super::next::{Action, Actions, Name, Next, Start, To};
use super::queue::{Queue, TooMany};
use super::timeouts::{Fired, Internal, Timeouts};

/// Events handled in a row before other actors get their turn: as many as a worker handles messages
/// of one actor.
const BUDGET: u32 = 64;

/// The actor that runs a [`StateMachine`].
pub struct Machine<S: StateMachine> {
    data: S,
    state: S::State,
    queue: Queue<S>,
    timeouts: Timeouts<S>,
}

impl<S: StateMachine> Actor for Machine<S> {
    type Args = S::Args;

    const MAILBOX: Mailbox = S::MAILBOX;

    async fn init(args: S::Args, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let Start {
            data,
            state,
            actions,
        } = S::init(args, cx).await?;
        cx.continue_with(Begin(actions));
        Ok(Machine {
            data,
            state,
            queue: Queue::default(),
            timeouts: Timeouts::default(),
        })
    }

    async fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self>) {
        self.data.terminate(&self.state, reason, cx).await;
    }
}

/// The first thing a machine does.
struct Begin<S: StateMachine>(Actions<S>);

impl<S: StateMachine> Message for Begin<S> {
    type Reply = Internal;
}

impl<S: StateMachine> Handler<Begin<S>> for Machine<S> {
    async fn handle(&mut self, Begin(actions): Begin<S>, cx: &mut Context<Self>) -> Internal {
        let Actions(mut actions) = actions;
        let entered = self.data.enter(&self.state, &self.state, cx).await;
        actions.extend(entered.0);
        self.act(actions, false, cx);
        self.run(None, cx).await;
        Internal
    }
}

impl<S: StateMachine> Handler<Fired> for Machine<S> {
    async fn handle(&mut self, fired: Fired, cx: &mut Context<Self>) -> Internal {
        if let Some(event) = self.timeouts.fired(&fired) {
            self.run(Some(event), cx).await;
        }
        Internal
    }
}

impl<S, M> Handler<M> for Machine<S>
where
    S: StateMachine,
    S::Event: From<M>,
    M: Message<Reply = ()>,
{
    async fn handle(&mut self, message: M, cx: &mut Context<Self>) {
        self.run(Some(message.into()), cx).await;
    }
}

impl<S: StateMachine> Machine<S> {
    /// Handles an event and whatever must be handled before the next message.
    async fn run(&mut self, mut event: Option<S::Event>, cx: &mut Context<Self>) {
        let mut budget = BUDGET;
        loop {
            let waiting = event.take().or_else(|| self.queue.pop());
            let Some(event) = waiting.or_else(|| self.timeouts.pop_due()) else {
                return;
            };
            if budget == 0 {
                budget = BUDGET;
                let_others_run().await;
            }
            budget -= 1;
            self.timeouts.cancel(&Name::Event, cx);
            let next = self.data.handle(&self.state, event, cx).await;
            if self.go(next, cx).await.is_break() || cx.is_stopping() {
                return;
            }
        }
    }

    /// One transition, step by step as `gen_statem` documents it.
    async fn go(&mut self, next: Next<S>, cx: &mut Context<Self>) -> ControlFlow<()> {
        let Next {
            to,
            postponed,
            actions: Actions(mut actions),
        } = next;
        let mut enters = true;
        let from = match to {
            To::State(state) if state != self.state => {
                Some(std::mem::replace(&mut self.state, state))
            }
            To::State(_) | To::Same => {
                enters = false;
                None
            }
            To::Again => None,
            To::Stop(reason) => {
                replies(actions);
                cx.stop_with(reason);
                return Break(());
            }
        };
        if enters {
            reply_first(&mut actions);
            let from = from.as_ref().unwrap_or(&self.state);
            let entered = self.data.enter(from, &self.state, cx).await;
            actions.extend(entered.0);
        }
        if let Some(event) = postponed
            && let Err(TooMany) = self.queue.postpone(event)
        {
            replies(actions);
            let text = format_args!("more than {} events are postponed", S::POSTPONED_MAX);
            cx.stop_with(ExitReason::error(text));
            return Break(());
        }
        self.act(actions, from.is_some(), cx);
        Continue(())
    }

    /// Retries, inserts, and sets time-outs, in this order.
    fn act(&mut self, actions: Vec<Action<S>>, has_changed: bool, cx: &mut Context<Self>) {
        if has_changed {
            self.queue.retry();
            self.timeouts.cancel(&Name::State, cx);
        }
        let mut inserted = Vec::new();
        for action in actions {
            match action {
                Action::Reply(reply) => reply(),
                Action::Insert(event) => inserted.push(event),
                Action::Timeout(name, change) => self.timeouts.change(name, change, cx),
            }
        }
        self.queue.insert(inserted);
    }
}

/// Replies do not wait for the enter call.
fn reply_first<S: StateMachine>(actions: &mut Vec<Action<S>>) {
    let is_reply = |action: &mut Action<S>| matches!(action, Action::Reply(_));
    replies(actions.extract_if(.., is_reply));
}

fn replies<S: StateMachine>(actions: impl IntoIterator<Item = Action<S>>) {
    for action in actions {
        if let Action::Reply(reply) = action {
            reply();
        }
    }
}

/// Gives the worker up once.
async fn let_others_run() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
