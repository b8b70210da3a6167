//! Events that wait inside a machine: retried, inserted, and postponed.

use std::collections::VecDeque;

use super::StateMachine;

pub(super) struct Queue<S: StateMachine> {
    /// Handled before any mail, the front first.
    waiting: VecDeque<S::Event>,
    postponed: VecDeque<S::Event>,
}

/// The bound of postponed events is reached.
pub(super) struct TooMany;

impl<S: StateMachine> Default for Queue<S> {
    fn default() -> Self {
        Queue {
            waiting: VecDeque::new(),
            postponed: VecDeque::new(),
        }
    }
}

impl<S: StateMachine> Queue<S> {
    /// Keeps the event in either case: who waits for its answer is told when the machine ends.
    pub(super) fn postpone(&mut self, event: S::Event) -> Result<(), TooMany> {
        self.postponed.push_back(event);
        if self.postponed.len() > S::POSTPONED_MAX {
            return Err(TooMany);
        }
        Ok(())
    }

    /// The state has changed: postponed events are older than whatever waits.
    pub(super) fn retry(&mut self) {
        if self.waiting.is_empty() {
            std::mem::swap(&mut self.waiting, &mut self.postponed);
            return;
        }
        while let Some(event) = self.postponed.pop_back() {
            self.waiting.push_front(event);
        }
    }

    pub(super) fn insert(&mut self, events: Vec<S::Event>) {
        for event in events.into_iter().rev() {
            self.waiting.push_front(event);
        }
    }

    pub(super) fn pop(&mut self) -> Option<S::Event> {
        self.waiting.pop_front()
    }
}
