//! Event managers: an actor that gives every event to handlers that come and go.
//!
//! Whoever has something to tell [notifies](EventManagerRef::notify) the manager; what is done
//! about it (written to a log, counted, raised as an alarm) is up to the handlers, each with a
//! state of its own, which are added and removed while the manager runs. Words and rules are those
//! of OTP's `gen_event`.
//!
//! # Order
//! - The handler added last has an event first. One that is swapped in by
//!   [`swap_handler`](EventManagerRef::swap_handler) counts as added then; one swapped in by the
//!   [`Next`] of another takes its place.
//! - Events and requests of one sender are handled in the order sent, each by all handlers before
//!   the next: what is added after an event does not see it.
//! - When the manager stops, handlers are terminated in the same order, the newest first.
//!
//! # Bounds
//! The mailbox holds 1,024 messages; then the sender is told. A manager has at most
//! [`HANDLERS_MAX`](EventManager::HANDLERS_MAX) handlers. Handlers run one after another in the
//! manager's own turn and cannot await: what takes long is work for an actor that the handler
//! casts to.
//!
//! # Failure
//! A handler that panics, in whatever function, is removed: its `terminate` runs with
//! [`Removal::Crashed`], the system's event hook is given a
//! [`HandlerCrashed`](crate::Event::HandlerCrashed), and the other handlers go on with the same
//! event. `notify` and `sync_notify` do not fail for it.
//!
//! A *supervised* handler has an owner. When that incarnation of the owner ends, the handler is
//! removed; when the handler leaves for any other reason, the owner is told, once, by a
//! [`HandlerExit`]. A killed manager tells owners too, but no `terminate` runs. A manager that is
//! restarted has no handlers: the owners, told, add them again.
//!
//! A manager traps exits, as in OTP: it ends with whoever spawned it with a link, or when it is
//! told to from outside of any actor, and its handlers are terminated then. The exit of another
//! actor that is linked to it means nothing to it.
//!
//! # Cancel safety
//! Dropping a request gives up its answer; what was asked for is done all the same.
//!
//! # Differences from `gen_event`
//! - An id is unique: adding a second one is an error, also by a swap.
//! - Handlers are typed: `call` runs a closure on the handler's state rather than sending a term,
//!   and what `terminate` returns goes to whoever deletes or swaps it as the type it has.
//! - Only events reach handlers; there is no `handle_info`. The adapter for other messages is an
//!   actor that notifies.
//! - The owner of a supervised handler is named, not taken from the caller; it is monitored, not
//!   linked, and told [precisely](Removal) why a handler left.
//! - Requests have a time limit, five seconds unless told otherwise.
//! - A manager that nobody refers to stops, as every actor.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::event_manager::*;
//!
//! enum Alarm {
//!     Raised(&'static str),
//!     Cleared,
//! }
//!
//! /// Counts the alarms that stand.
//! struct Standing(u32);
//!
//! impl EventHandler<Alarm> for Standing {
//!     type Output = u32;
//!
//!     fn handle_event(&mut self, alarm: &Alarm) -> Next<Alarm, Self> {
//!         match alarm {
//!             Alarm::Raised(_) => self.0 += 1,
//!             Alarm::Cleared => self.0 -= 1,
//!         }
//!         Next::keep()
//!     }
//!
//!     fn terminate(self, _: &Removal) -> u32 {
//!         self.0
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let alarms = EventManager::spawn();
//! alarms.add_handler("standing", Standing(0)).await?;
//! alarms.add_handler("siren", |alarm: &Alarm| {
//!     if let Alarm::Raised(what) = alarm {
//!         eprintln!("{what}!");
//!     }
//! }).await?;
//! assert_eq!(alarms.which_handlers().await?, ["siren", "standing"]);
//!
//! alarms.notify(Alarm::Raised("fire"))?;
//! alarms.sync_notify(Alarm::Raised("flood")).await?;
//! alarms.notify(Alarm::Cleared)?;
//! assert_eq!(alarms.call("standing", |standing: &mut Standing| standing.0).await?, 1);
//! let left: u32 = alarms.delete_handler("standing").await?;
//! assert_eq!(left, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod erased;
mod error;
mod handlers;
mod id;
mod next;
mod process;
mod reference;
mod removal;

use vaxel_runtime::{ExitReason, System};

use self::handlers::Handlers;
use crate::ChildSpec;
use crate::parent::Parent;
pub use erased::Verdict;
pub use error::{
    AddHandlerError, CallHandlerError, DeleteHandlerError, SwapHandlerError, WrongTypeError,
};
pub use id::HandlerId;
pub use next::Next;
#[doc(hidden)]
pub use process::{Ask, Notify};
pub use reference::{Asked, EventManagerRef};
pub use removal::{HandlerExit, Removal};

/// What is done about events of type `E`; see the [module](self).
///
/// A closure `|event: &E| …` is a handler whose output is `()`; it stays, unless it returns a
/// [`ControlFlow`](std::ops::ControlFlow) that breaks.
pub trait EventHandler<E: 'static>: Sized + Send + 'static {
    /// What [`terminate`](Self::terminate) leaves.
    type Output: Send + 'static;

    /// Runs when the handler is added, before any event, in the manager.
    ///
    /// # Errors
    /// An `Err` or a panic is a refusal: the handler is dropped, and whoever adds it is told.
    fn init(&mut self) -> Result<(), ExitReason> {
        Ok(())
    }

    /// Handles one event and says what becomes of the handler. Others wait meanwhile.
    fn handle_event(&mut self, event: &E) -> Next<E, Self>;

    /// Runs when the handler leaves, for whatever reason but a kill of the manager. After a panic
    /// the state is what the panic left of it.
    fn terminate(self, reason: &Removal) -> Self::Output;
}

/// The actor that gives events to handlers; see the [module](self).
pub struct EventManager<E: Send + 'static> {
    handlers: Handlers<E>,
    parent: Parent,
}

impl<E: Send + 'static> EventManager<E> {
    /// How many handlers a manager may have. Each event is handled by each of them in turn:
    /// listeners by the thousand are a matter for process groups.
    pub const HANDLERS_MAX: usize = 1024;

    /// Starts a manager without handlers in the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn spawn() -> EventManagerRef<E> {
        vaxel_runtime::spawn::<Self>(()).into()
    }

    /// Starts a manager in `system`.
    pub fn spawn_in(system: &System) -> EventManagerRef<E> {
        system.spawn::<Self>(()).into()
    }

    /// A manager as a child of a supervisor; a restarted one has no handlers.
    pub fn child() -> ChildSpec<Self> {
        ChildSpec::new(())
    }
}
