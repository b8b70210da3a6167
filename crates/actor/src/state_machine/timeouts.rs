//! The time-outs of one machine: at most one of each name runs.

use std::collections::VecDeque;
use std::time::Duration;

use vaxel_runtime::{Context, Message, TimerRef};

use super::next::{Change, Name};
use super::{Machine, StateMachine};

pub(super) struct Timeouts<S: StateMachine> {
    running: Vec<Running<S>>,
    /// Those of zero, which wait for the queue to be empty.
    due: VecDeque<Name>,
    next_id: u64,
}

struct Running<S: StateMachine> {
    name: Name,
    id: u64,
    event: S::Event,
    /// None: it is due.
    timer: Option<TimerRef>,
}

/// A timer of the machine has fired. Its reply type tells it from what users send.
pub(super) struct Fired {
    name: Name,
    id: u64,
}

/// Nothing, and not what users' messages reply.
pub(super) struct Internal;

impl Message for Fired {
    type Reply = Internal;
}

impl<S: StateMachine> Default for Timeouts<S> {
    fn default() -> Self {
        Timeouts {
            running: Vec::new(),
            due: VecDeque::new(),
            next_id: 0,
        }
    }
}

impl<S: StateMachine> Timeouts<S> {
    pub(super) fn change(&mut self, name: Name, change: Change<S>, cx: &mut Context<Machine<S>>) {
        match change {
            Change::After(after, event) => self.set(name, after, event, cx),
            Change::At(at, event) => {
                let after = at.since(cx.system().now());
                self.set(name, after, event, cx);
            }
            Change::Update(event) => match self.position(&name) {
                Some(at) => self.running[at].event = event,
                None => self.set(name, Duration::ZERO, event, cx),
            },
            Change::Cancel => self.cancel(&name, cx),
        }
    }

    fn set(&mut self, name: Name, after: Duration, event: S::Event, cx: &mut Context<Machine<S>>) {
        self.cancel(&name, cx);
        let id = self.next_id;
        self.next_id += 1;
        let timer = if after.is_zero() {
            self.due.push_back(name.clone());
            None
        } else {
            let name = name.clone();
            Some(cx.send_after(after, Fired { name, id }))
        };
        self.running.push(Running {
            name,
            id,
            event,
            timer,
        });
    }

    /// Ends a time-out for good: if its timer has fired already, that is not heard.
    pub(super) fn cancel(&mut self, name: &Name, cx: &mut Context<Machine<S>>) {
        let Some(at) = self.position(name) else {
            return;
        };
        match self.running.swap_remove(at).timer {
            Some(timer) => _ = cx.cancel(&timer),
            None => self.due.retain(|due| due != name),
        }
    }

    /// The event of a timer that has fired, unless it was cancelled or set again meanwhile.
    pub(super) fn fired(&mut self, fired: &Fired) -> Option<S::Event> {
        let at = self.position(&fired.name)?;
        (self.running[at].id == fired.id).then(|| self.running.swap_remove(at).event)
    }

    /// The oldest time-out of zero.
    pub(super) fn pop_due(&mut self) -> Option<S::Event> {
        let name = self.due.pop_front()?;
        let at = self.position(&name)?;
        Some(self.running.swap_remove(at).event)
    }

    fn position(&self, name: &Name) -> Option<usize> {
        self.running
            .iter()
            .position(|running| running.name == *name)
    }
}
