//! State machines: an actor whose answer to an event depends on the state it is in.
//!
//! A machine has a *state*, usually a small enum, and *data*, the implementing type itself. Every
//! event is handled by one function that is given the state and says what comes [next](Next): stay,
//! change the state, postpone the event, stop; with actions such as time-outs and replies. Words
//! and rules are those of OTP's `gen_statem`.
//!
//! # Order
//! Events are handled in the order of the mailbox, but for these:
//! - What is inserted by `next_event` is handled next, in order, before anything that waits.
//! - Postponed events are retried when the state *changes*: in order, after inserted events and
//!   before newer mail. Staying in the same state, also by `next_state` or [`repeat_state`],
//!   retries nothing.
//! - A time-out of zero is handled after all of those and before newer mail.
//!
//! # Time-outs
//! | | set by | ends when |
//! |---|---|---|
//! | state time-out | `state_timeout` | the state changes |
//! | event time-out | `event_timeout` | any event is handled, a retried or inserted one too |
//! | named time-out | `timeout` | it is set again under its name, or cancelled |
//!
//! Setting one again restarts it. A time-out set together with a state change counts for the new
//! state. One that has been cancelled is never delivered late. `update_…` gives a running one
//! another event, and fires at once if none runs.
//!
//! # Enter calls
//! [`enter`](StateMachine::enter) runs in the new state after every change, at the start (where the
//! old state is the same as the new) and after [`repeat_state`]; its actions come after those of
//! the handler that brought the machine there.
//!
//! # Bounds
//! At most [`POSTPONED_MAX`](StateMachine::POSTPONED_MAX) events are postponed, 1,024 unless the
//! machine says otherwise. One more ends the machine with an error: what it waits for does not
//! come. Postponed callers are told the reason.
//!
//! # Failure
//! A panic ends the incarnation, its time-outs and its postponed events; a supervisor starts the
//! machine again in its first state, at the same address. A machine that runs on inserted events
//! for long lets other actors run every 64 of them.
//!
//! # Differences from `gen_statem`
//! Calls, casts, infos, time-outs and inserted events are variants of one enum of the user's, told
//! apart by their names rather than by an event type; a call's variant carries its [`ReplyTo`], so
//! a reply cannot have the wrong type. An event is postponed by giving it back.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::state_machine::*;
//! use vaxel_actor::ReplyTo;
//!
//! /// A door with a code lock.
//! struct Door {
//!     code: Vec<u8>,
//!     entered: Vec<u8>,
//! }
//!
//! #[derive(Debug, Clone, Copy, PartialEq)]
//! enum State {
//!     Locked,
//!     Open,
//! }
//!
//! #[derive(vaxel_actor::Message)]
//! # #[message(crate = vaxel_actor)]
//! enum Event {
//!     Button(u8),
//!     Forget,
//!     Lock,
//!     Look(ReplyTo<State>),
//! }
//!
//! impl StateMachine for Door {
//!     type Args = Vec<u8>;
//!     type State = State;
//!     type Event = Event;
//!
//!     async fn init(
//!         code: Vec<u8>,
//!         _: &mut Context<Machine<Self>>,
//!     ) -> Result<Start<Self>, ExitReason> {
//!         let entered = Vec::new();
//!         Ok(start(Door { code, entered }, State::Locked))
//!     }
//!
//!     async fn handle(
//!         &mut self,
//!         state: &State,
//!         event: Event,
//!         _: &mut Context<Machine<Self>>,
//!     ) -> Next<Self> {
//!         match (state, event) {
//!             (State::Locked, Event::Button(digit)) => {
//!                 self.entered.push(digit);
//!                 if self.entered == self.code {
//!                     next_state(State::Open).state_timeout(secs(10), Event::Lock)
//!                 } else {
//!                     keep_state().event_timeout(secs(5), Event::Forget)
//!                 }
//!             }
//!             (State::Locked, Event::Forget) => {
//!                 self.entered.clear();
//!                 keep_state()
//!             }
//!             (State::Open, Event::Lock) => {
//!                 self.entered.clear();
//!                 next_state(State::Locked)
//!             }
//!             (State::Open, event @ Event::Button(_)) => postpone(event),
//!             (_, Event::Look(reply)) => keep_state().reply(reply, *state),
//!             (_, Event::Lock | Event::Forget) => keep_state(),
//!         }
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let door = Door::spawn(vec![1, 2]);
//! door.cast(Event::Button(1))?;
//! assert_eq!(door.call_with(Event::Look).await, Ok(State::Locked));
//! door.cast(Event::Button(2))?;
//! assert_eq!(door.call_with(Event::Look).await, Ok(State::Open));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! A function per state reads better when there are many: `handle` is then one match,
//! `State::Locked => self.locked(event)`, and each function returns its [`Next`].

mod machine;
mod next;
mod queue;
mod timeouts;

use std::future::Future;

use vaxel_runtime::{ActorRef, Context, ExitReason, Mailbox, Message, System};

use crate::ChildSpec;
pub use machine::Machine;
pub use next::{
    Actions, Next, Start, keep_state, next_state, postpone, repeat_state, start, stop, stop_with,
};
pub use vaxel_runtime::ReplyTo;

/// A reference to a running machine.
///
/// Besides its own events it takes every message that its events can be made
/// [from](StateMachine::Event).
pub type MachineRef<S> = ActorRef<Machine<S>>;

/// A state machine: the data, and what it does with events; see the [module](self).
pub trait StateMachine: Sized + Send + 'static {
    /// What [`init`](Self::init) is given.
    type Args: Send + 'static;

    /// The state, usually an enum. A state *changes* when the new one differs from the old.
    type State: PartialEq + Send + Sync + 'static;

    /// What can happen. Downs and other messages reach the machine where an event can be made of
    /// them: `impl From<Down> for Event` lets it monitor others.
    type Event: Message<Reply = ()>;

    /// How many messages may wait, and what happens beyond.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::DEFAULT_CAPACITY);

    /// How many events may be postponed at a time; one more ends the machine with an error.
    const POSTPONED_MAX: usize = 1024;

    /// Makes the data and the first state, see [`start`]. What follows, the first enter call
    /// included, happens after the start is reported and before any mail.
    ///
    /// # Errors
    /// An `Err` or a panic is a failed start.
    fn init(
        args: Self::Args,
        cx: &mut Context<Machine<Self>>,
    ) -> impl Future<Output = Result<Start<Self>, ExitReason>> + Send;

    /// Handles one event and says what comes next. May await; other events wait.
    fn handle(
        &mut self,
        state: &Self::State,
        event: Self::Event,
        cx: &mut Context<Machine<Self>>,
    ) -> impl Future<Output = Next<Self>> + Send;

    /// Runs when a state is entered. Sets time-outs, inserts events, replies; the state stays.
    fn enter(
        &mut self,
        from: &Self::State,
        state: &Self::State,
        cx: &mut Context<Machine<Self>>,
    ) -> impl Future<Output = Actions<Self>> + Send {
        let _ = (from, state, cx);
        std::future::ready(Actions::none())
    }

    /// Runs when the machine stops on purpose; not after a panic or a kill.
    fn terminate(
        &mut self,
        state: &Self::State,
        reason: &ExitReason,
        cx: &mut Context<Machine<Self>>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (state, reason, cx);
        std::future::ready(())
    }

    /// Starts a machine in the current system.
    ///
    /// # Panics
    /// If there is no current system.
    fn spawn(args: Self::Args) -> MachineRef<Self> {
        vaxel_runtime::spawn(args)
    }

    /// Starts a machine in `system`.
    fn spawn_in(system: &System, args: Self::Args) -> MachineRef<Self> {
        system.spawn(args)
    }

    /// A machine as a child of a supervisor.
    fn child(args: Self::Args) -> ChildSpec<Machine<Self>>
    where
        Self::Args: Clone,
    {
        ChildSpec::new(args)
    }
}
