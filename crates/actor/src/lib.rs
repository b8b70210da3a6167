//! What users of Vaxel write: actors, their supervisors, and the program around them.
//!
//! The engine is the runtime crate, whose user-facing items are re-exported here. This crate adds
//! the [`#[actor]`](macro@actor) sugar, typed calls, [supervisors](supervisor), and a system that
//! lives [beside a tokio runtime](system_beside).
//!
//! ```
//! use vaxel_actor::prelude::*;
//!
//! struct Greeter;
//!
//! #[actor(crate = vaxel_actor)]
//! impl Greeter {
//!     fn init() -> Self {
//!         Greeter
//!     }
//!
//!     #[call]
//!     async fn greet(&mut self, name: String) -> Result<String, &'static str> {
//!         if name.is_empty() {
//!             return Err("nobody is there");
//!         }
//!         tokio::time::sleep(millis(1)).await; // mail waits, other actors do not
//!         Ok(format!("hello, {name}"))
//!     }
//! }
//!
//! #[vaxel_actor::main(crate = vaxel_actor)]
//! async fn main() {
//!     let greeter = Greeter::spawn();
//!     assert_eq!(greeter.greet("Ada".into()).await.as_deref(), Ok("hello, Ada"));
//!     assert_eq!(
//!         greeter.greet(String::new()).await,
//!         Err(CallError::Handler("nobody is there"))
//!     );
//! }
//! ```

#![forbid(unsafe_code)]

pub mod agent;
pub mod behaviour;
mod beside_tokio;
mod call;
pub mod circuit_breaker;
mod durations;
pub mod event_manager;
mod fault;
mod holders;
mod incarnation;
mod parent;
pub mod pool;
pub mod process_group;
mod program;
pub mod rate;
mod reference;
pub mod registry;
pub mod requests;
pub mod router;
pub mod state_machine;
pub mod supervisor;
pub mod task;
mod time_limit;
mod workers;

#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __macro;

pub use agent::{Agent, AgentRef};
pub use beside_tokio::system_beside;
pub use call::{Call, Cast};
pub use circuit_breaker::CircuitBreaker;
pub use durations::{millis, secs};
pub use event_manager::{EventHandler, EventManager, EventManagerRef};
pub use pool::Pool;
pub use process_group::ProcessGroups;
pub use program::Program;
pub use reference::{Receives, Reference};
pub use registry::Registry;
pub use requests::Requests;
pub use router::Router;
pub use supervisor::{
    AutoShutdown, Backoff, ChildSpec, DynamicSupervisor, DynamicSupervisorRef, Restart, Shutdown,
    StartError, Supervisor, SupervisorRef,
};
pub use task::{Task, TaskContext, TaskError, TaskSupervisor};
pub use time_limit::TimeLimit;
pub use vaxel_macros::{Message, actor, main};
pub use vaxel_runtime::{
    Actor, ActorRef, AnyRef, CallCycle, CallError, ChildExit, Context, Counters, Crash, Down,
    Event, Exit, ExitReason, Failure, Handler, Join, Mailbox, Message, MonitorRef, OnFull, Pid,
    Receive, ReceiveError, Recipient, RegisterError, ReplyTo, ReportContext, SendError, Sending,
    StashFull, SupervisorReport, System, SystemBuilder, Target, TaskError as JoinError, Time,
    TimerRef, TrappedExit, TypeStats, Watchable, inspect, time,
};
pub use workers::{Workers, WorkersArgs};

/// What most files that define actors need.
pub mod prelude {
    pub use crate::supervisor::{
        AutoShutdown, Backoff, ChildSpec, DynamicSupervisor, DynamicSupervisorRef, Restart,
        Shutdown, Supervisor, SupervisorRef,
    };
    pub use crate::{
        Actor, ActorRef, Call, CallError, Context, Down, ExitReason, Handler, Mailbox, Message,
        OnFull, Pid, Recipient, SendError, System, TaskContext, TrappedExit, actor, millis, secs,
    };
}
