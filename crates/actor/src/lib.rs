//! What users of Vaxel write: actors, their supervisors, and the program around them.
//!
//! The engine is the runtime crate, whose user-facing items are re-exported here. This crate adds
//! the [`#[actor]`](macro@actor) sugar, typed calls, [supervisors](supervisor), and a system that
//! lives [beside a tokio runtime](system_beside).

#![forbid(unsafe_code)]

mod beside_tokio;
mod call;
mod durations;
mod program;
pub mod supervisor;

#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __macro;

pub use beside_tokio::system_beside;
pub use call::Call;
pub use durations::{millis, secs};
pub use program::Program;
pub use supervisor::{ChildSpec, Restart, Shutdown, StartError, Supervisor, SupervisorRef};
pub use vaxel_macros::{Message, actor, main};
pub use vaxel_runtime::{
    Actor, ActorRef, AnyRef, CallError, ChildExit, Context, Counters, Crash, Down, Event, Exit,
    ExitReason, Handler, Join, Mailbox, Message, MonitorRef, Pid, Recipient, RegisterError,
    SendError, System, SystemBuilder, TaskError, Time, TimerRef, TypeStats, Watchable, time,
};

/// What most files that define actors need.
pub mod prelude {
    pub use crate::supervisor::{ChildSpec, Restart, Shutdown, Supervisor, SupervisorRef};
    pub use crate::{
        Actor, ActorRef, Call, CallError, Context, Down, ExitReason, Handler, Mailbox, Message,
        Pid, Recipient, SendError, System, actor, millis, secs,
    };
}
