//! Supervisors: actors whose work is to keep other actors running.
//!
//! # Start and stop
//! A supervisor starts its children in the order in which they were added, each when the one before
//! has finished its `init`, and stops them in the opposite order, each when the one after is gone.
//! A failed start stops those before it and says which child it was. A child has five seconds to
//! stop, then it is killed; a supervisor among the children has as long as its own children take;
//! see [`Shutdown`].
//!
//! # Restart
//! When a child ends, its [`Restart`] policy and the reason decide whether it is started again, and
//! the strategy, whom that concerns:
//!
//! | strategy | who is started again | waiting mail |
//! |---|---|---|
//! | [`one_for_one`](Supervisor::one_for_one) | the child | waits on |
//! | [`one_for_all`](Supervisor::one_for_all) | all children | fails |
//! | [`rest_for_one`](Supervisor::rest_for_one) | the child and those after it | fails |
//!
//! The others of a group are stopped first, from right to left.
//!
//! A restarted child keeps its address; its pid changes; monitors, timers and the message that
//! crashed it belong to the incarnation that is over. In a group, mail was meant for a state that
//! is gone; temporary children of it are stopped and forgotten, and those at rest are started with
//! the rest. More restarts than `max_restarts` within the window (three in five seconds unless told
//! otherwise) mean that restarting does not help: the supervisor stops all its children in reverse
//! and ends with the reason `shutdown`, which its own supervisor sees. A failed restart is tried
//! again and counts as another one. A child may wait before it is started again: [`Backoff`].
//!
//! # Shutting down by itself
//! With [`AutoShutdown`], a supervisor ends with the reason `shutdown` when a
//! [significant](ChildSpec::significant) child has ended by itself and is not started again, or
//! when the last of them has.
//!
//! # Children added later
//! [`SupervisorRef::start_child`] adds a child after the others. It is treated like them, but is
//! not there any more when the supervisor itself is restarted. A child that is stopped
//! ([`terminate_child`](SupervisorRef::terminate_child)) or has ended stays on record, at rest,
//! unless it is temporary; it can be [restarted](SupervisorRef::restart_child) or
//! [deleted](SupervisorRef::delete_child). For thousands of children that come and go there is
//! [`Supervisor::dynamic`], with one queue for each core [`PartitionSupervisor`].
//!
//! # Failure of the supervisor itself
//! A supervisor that is killed, or panics, takes all its children down with it, in no order. It
//! traps exits, as in OTP: it stops in good order when whoever spawned it with a link ends, or when
//! an exit is sent to it from outside of any actor; those of other actors mean nothing to it.
//!
//! # A child that cannot be stopped
//! A handler that never returns cannot be killed. Five seconds after the kill its actor is declared
//! dead: nothing can be sent to it, waiting mail fails, its name is free, and a successor may start
//! under it, at a new address. Its thread has long been replaced by the watchdog.
//!
//! # Reports
//! Failed starts, crashes, bad ends and giving up are told to the system's event hook as
//! [`Event::Supervisor`](vaxel_runtime::Event::Supervisor), structured and of bounded size, and to
//! [subscribers](SupervisorRef::subscribe) as [`ChildEvent`]s.
//!
//! The words, defaults and rules are those of OTP's `supervisor`, but for the default intensity,
//! which is Elixir's; [`SupervisorBuilder::like_otp`] is OTP's own.
//!
//! ```
//! use vaxel_actor::prelude::*;
//!
//! struct Counter(i64);
//!
//! #[actor(crate = vaxel_actor)]
//! impl Counter {
//!     fn init(start: i64) -> Self {
//!         Counter(start)
//!     }
//!
//!     #[call]
//!     fn add(&mut self, by: i64) -> i64 {
//!         self.0 += by;
//!         self.0
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let supervisor = Supervisor::one_for_one()
//!     .max_restarts(3)
//!     .within(secs(5))
//!     .child(Counter::child(40).name("counter"))
//!     .start()
//!     .await?;
//!
//! let counter = CounterRef::whereis("counter").expect("it was given its name");
//! assert_eq!(counter.add(2).await, Ok(42));
//!
//! let another: CounterRef = supervisor.start_child(Counter::child(0).temporary()).await?.into();
//! # drop(another);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod any;
mod backoff;
mod builder;
pub mod dynamic;
mod errors;
mod group;
mod info;
mod intensity;
mod members;
mod one_for_one;
pub mod partition;
mod poll;
mod process;
mod questions;
mod reference;
mod reporter;
mod requests;
pub mod simple_one_for_one;
mod spec;
mod stopping;

pub use any::AnySupervisor;
pub use backoff::Backoff;
pub use builder::{AutoShutdown, CHILDREN_MAX, SpecError, StartError, SupervisorBuilder};
pub use dynamic::{DynamicSupervisor, DynamicSupervisorBuilder, DynamicSupervisorRef};
pub use errors::{DeleteChildError, RestartChildError, StartChildError, TerminateChildError};
pub use info::{ChildChange, ChildCounts, ChildEvent, ChildId, ChildInfo, ChildKey, ChildState};
pub use partition::{PartitionSupervisor, PartitionSupervisorBuilder, PartitionSupervisorRef};
pub use process::Supervisor;
pub use reference::{CHILDREN_LISTED_MAX, SupervisorRef};
pub use simple_one_for_one::{SimpleOneForOneBuilder, SimpleOneForOneRef};
pub use spec::{ChildKind, ChildSpec, Restart, Shutdown};

use builder::Strategy;
use vaxel_runtime::Actor;

impl Supervisor {
    /// A supervisor that restarts the child that ended and leaves the others alone.
    pub fn one_for_one() -> SupervisorBuilder {
        SupervisorBuilder::new(Strategy::OneForOne)
    }

    /// A supervisor that stops all children when one has ended that is to be started again, and
    /// then starts them all: for children that depend on each other.
    pub fn one_for_all() -> SupervisorBuilder {
        SupervisorBuilder::new(Strategy::OneForAll)
    }

    /// A supervisor that stops the children after the one that has ended and is to be started
    /// again, and then starts it and them: for children that depend on those before them.
    pub fn rest_for_one() -> SupervisorBuilder {
        SupervisorBuilder::new(Strategy::RestForOne)
    }

    /// A supervisor that is given its children while it runs.
    pub fn dynamic() -> DynamicSupervisorBuilder {
        DynamicSupervisorBuilder::new()
    }

    /// A supervisor of like children: `template` makes a spec of what a child is started with. It
    /// runs wherever a child is asked for, not in the supervisor.
    pub fn simple_one_for_one<K: Send + 'static, A: Actor>(
        template: impl Fn(K) -> ChildSpec<A> + Send + Sync + 'static,
    ) -> SimpleOneForOneBuilder<K, A> {
        SimpleOneForOneBuilder::new(template)
    }
}
