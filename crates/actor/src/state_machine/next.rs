//! What a handler returns: where the machine goes, and what is done on the way.

use std::borrow::Cow;
use std::time::Duration;

use vaxel_runtime::{ExitReason, ReplyTo, Time};

use super::StateMachine;

/// What comes after an event.
#[must_use = "return it from the handler"]
pub struct Next<S: StateMachine> {
    pub(super) to: To<S>,
    pub(super) postponed: Option<S::Event>,
    pub(super) actions: Actions<S>,
}

pub(super) enum To<S: StateMachine> {
    Same,
    State(S::State),
    Again,
    Stop(ExitReason),
}

/// The beginning of a machine: its data, its first state, and what is done first.
#[must_use = "return it from `init`"]
pub struct Start<S: StateMachine> {
    pub(super) data: S,
    pub(super) state: S::State,
    pub(super) actions: Actions<S>,
}

/// What is done besides changing the state, in order.
#[must_use = "return it from `enter`"]
pub struct Actions<S: StateMachine>(pub(super) Vec<Action<S>>);

pub(super) enum Action<S: StateMachine> {
    Reply(Box<dyn FnOnce() + Send>),
    Insert(S::Event),
    Timeout(Name, Change<S>),
}

/// Which time-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    State,
    Event,
    Named(Cow<'static, str>),
}

pub(super) enum Change<S: StateMachine> {
    After(Duration, S::Event),
    At(Time, S::Event),
    Update(S::Event),
    Cancel,
}

impl<S: StateMachine> Actions<S> {
    /// Nothing is done.
    pub const fn none() -> Self {
        Actions(Vec::new())
    }

    fn actions(&mut self) -> &mut Vec<Action<S>> {
        &mut self.0
    }
}

impl<S: StateMachine> Next<S> {
    fn to(to: To<S>) -> Self {
        Next {
            to,
            postponed: None,
            actions: Actions::none(),
        }
    }

    fn actions(&mut self) -> &mut Vec<Action<S>> {
        &mut self.actions.0
    }

    /// Postpones the event: it is handled again when the state changes, which may be now.
    pub fn postpone(mut self, event: S::Event) -> Self {
        self.postponed = Some(event);
        self
    }
}

impl<S: StateMachine> Start<S> {
    fn actions(&mut self) -> &mut Vec<Action<S>> {
        &mut self.actions.0
    }
}

/// Begins with this data in this state.
pub fn start<S: StateMachine>(data: S, state: S::State) -> Start<S> {
    Start {
        data,
        state,
        actions: Actions::none(),
    }
}

/// Goes to another state; to the same one, it is [`keep_state`].
pub fn next_state<S: StateMachine>(state: S::State) -> Next<S> {
    Next::to(To::State(state))
}

/// Stays in the state.
pub fn keep_state<S: StateMachine>() -> Next<S> {
    Next::to(To::Same)
}

/// Stays in the state, and enters it again: the enter call runs, nothing else happens.
pub fn repeat_state<S: StateMachine>() -> Next<S> {
    Next::to(To::Again)
}

/// Stays in the state and postpones the event until the state changes.
pub fn postpone<S: StateMachine>(event: S::Event) -> Next<S> {
    keep_state().postpone(event)
}

/// Stops the machine; reason `Normal`. Of its actions the replies are done.
pub fn stop<S: StateMachine>() -> Next<S> {
    stop_with(ExitReason::Normal)
}

/// Stops the machine with a reason of its own. Of its actions the replies are done.
pub fn stop_with<S: StateMachine>(reason: ExitReason) -> Next<S> {
    Next::to(To::Stop(reason))
}

macro_rules! actions {
    ($($name:ident),*) => {$(
        impl<S: StateMachine> $name<S> {
            fn add(mut self, action: Action<S>) -> Self {
                self.actions().push(action);
                self
            }

            fn change(self, name: Name, change: Change<S>) -> Self {
                self.add(Action::Timeout(name, change))
            }

            /// Answers a call, from whichever state it was made in.
            pub fn reply<T: Send + 'static>(self, to: ReplyTo<T>, answer: T) -> Self {
                self.add(Action::Reply(Box::new(move || to.send(answer))))
            }

            /// Inserts an event, handled before anything that waits. Several keep their order.
            pub fn next_event(self, event: S::Event) -> Self {
                self.add(Action::Insert(event))
            }

            /// Sends `event` after a while in this state; a change of the state cancels it.
            pub fn state_timeout(self, after: Duration, event: S::Event) -> Self {
                self.change(Name::State, Change::After(after, event))
            }

            /// As [`state_timeout`](Self::state_timeout), at a moment on the system's clock.
            pub fn state_timeout_at(self, at: Time, event: S::Event) -> Self {
                self.change(Name::State, Change::At(at, event))
            }

            /// Gives the state time-out another event; at once if none runs.
            pub fn update_state_timeout(self, event: S::Event) -> Self {
                self.change(Name::State, Change::Update(event))
            }

            /// Cancels the state time-out.
            pub fn cancel_state_timeout(self) -> Self {
                self.change(Name::State, Change::Cancel)
            }

            /// Sends `event` unless another one is handled before; zero: unless one is queued.
            pub fn event_timeout(self, after: Duration, event: S::Event) -> Self {
                self.change(Name::Event, Change::After(after, event))
            }

            /// As [`event_timeout`](Self::event_timeout), at a moment on the system's clock.
            pub fn event_timeout_at(self, at: Time, event: S::Event) -> Self {
                self.change(Name::Event, Change::At(at, event))
            }

            /// Sends `event` after a while, in whichever state. Replaces one of the same name.
            pub fn timeout(
                self,
                name: impl Into<Cow<'static, str>>,
                after: Duration,
                event: S::Event,
            ) -> Self {
                self.change(Name::Named(name.into()), Change::After(after, event))
            }

            /// As [`timeout`](Self::timeout), at a moment on the system's clock.
            pub fn timeout_at(
                self,
                name: impl Into<Cow<'static, str>>,
                at: Time,
                event: S::Event,
            ) -> Self {
                self.change(Name::Named(name.into()), Change::At(at, event))
            }

            /// Gives the time-out of that name another event; at once if none runs.
            pub fn update_timeout(
                self,
                name: impl Into<Cow<'static, str>>,
                event: S::Event,
            ) -> Self {
                self.change(Name::Named(name.into()), Change::Update(event))
            }

            /// Cancels the time-out of that name.
            pub fn cancel_timeout(self, name: impl Into<Cow<'static, str>>) -> Self {
                self.change(Name::Named(name.into()), Change::Cancel)
            }
        }
    )*};
}

actions!(Next, Start, Actions);
