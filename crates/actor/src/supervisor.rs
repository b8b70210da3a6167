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
//! When a child ends, its [`Restart`] policy and the reason decide whether it is started again. A
//! restarted child keeps its address and the mail that waits; its pid changes; monitors, timers and
//! the message that crashed it belong to the incarnation that is over. More restarts than
//! `max_restarts` within the window (three in five seconds unless told otherwise) mean that
//! restarting does not help: the supervisor stops all its children in reverse and ends with the
//! reason `shutdown`, which its own supervisor sees. A failed restart counts as another one.
//!
//! # Children added later
//! [`SupervisorRef::start_child`] adds children to a running supervisor, thousands or millions of
//! them. They are stopped first and side by side, forgotten when they end for good, and not there
//! any more when the supervisor itself is restarted. Adding one does not hold up the supervisor.
//!
//! # Failure of the supervisor itself
//! A supervisor that is killed, or panics, takes all its children down with it, in no order.
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

mod builder;
mod children;
mod info;
mod intensity;
mod one_for_one;
mod poll;
mod process;
mod reference;
mod slab;
mod spec;
mod stopping;
mod subscribers;

pub use builder::{StartError, SupervisorBuilder};
pub use info::{ChildChange, ChildCounts, ChildEvent, ChildId, ChildInfo, ChildState};
pub use process::Supervisor;
pub use reference::{CHILDREN_LISTED_MAX, StartChildError, SupervisorRef};
pub use spec::{ChildKind, ChildSpec, Restart, Shutdown};

impl Supervisor {
    /// A supervisor that restarts the child that ended and leaves the others alone.
    pub fn one_for_one() -> SupervisorBuilder {
        SupervisorBuilder::one_for_one()
    }
}
