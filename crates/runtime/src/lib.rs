//! The runtime of Vaxel: actors on cells, mailboxes, workers and a watchdog of its own.
//!
//! An actor is one heap allocation of about 64 bytes with a small state. It owns its state, handles
//! one message at a time, and crashes alone.
//!
//! # Guarantees
//! - **Ordering.** Messages from one sender to one actor arrive in the order sent, and so do the
//!   downs of its monitors and the exits that it traps. A kill and an exit that it does not trap
//!   act at once. Nothing is promised between senders.
//! - **Delivery.** At most once. A call ends: reply, crash, time limit, or the callee is gone.
//! - **Bounds.** A mailbox holds 1,024 messages unless the type says otherwise; then the sender is
//!   told, and a call waits for room, or what the type's [`Mailbox`] says. The batch that a worker
//!   has taken, at most as many, is not counted.
//! - **Failure.** A panic ends one incarnation. Its callers get the crash, its monitors one down,
//!   those linked to it one exit signal, its supervisor the decision. Stack overflow, memory
//!   exhaustion and abort end the process: no native runtime can contain them.
//! - **Fairness.** 64 messages a turn, and a handler that does not return loses its worker to a
//!   spare within milliseconds.
//!
//! # Where is what
//! [`Actor`], [`Handler`] and [`Message`] are what users implement, [`ActorRef`] and [`Context`]
//! what they hold, [`System`] where it all lives. The engine: `cell` (memory and protocol of one
//! actor), `worker` (queues and threads), `watchdog`, `timer`, `call` (the reply slot). No I/O
//! here, and no async library in the public API: [`SystemBuilder::around_worker`] lets one in.
//!
//! ```
//! use vaxel_runtime::{Actor, Context, ExitReason, Handler, Message, System};
//!
//! struct Counter(i64);
//! struct Add(i64);
//! impl Message for Add {
//!     type Reply = i64;
//! }
//! impl Actor for Counter {
//!     type Args = i64;
//!     async fn init(start: i64, _: &mut Context<Self>) -> Result<Self, ExitReason> {
//!         Ok(Counter(start))
//!     }
//! }
//! impl Handler<Add> for Counter {
//!     async fn handle(&mut self, Add(by): Add, _: &mut Context<Self>) -> i64 {
//!         self.0 += by;
//!         self.0
//!     }
//! }
//!
//! let system = System::builder().workers(1).build();
//! let counter = system.spawn::<Counter>(40);
//! let (done, answer) = std::sync::mpsc::sync_channel(1);
//! let calling = counter.clone();
//! let task = system.spawn_future(async move { done.send(calling.call(Add(2)).await) });
//! assert_eq!(answer.recv().unwrap(), Ok(42));
//! # drop(task);
//! system.shutdown();
//! ```

#[cfg(not(panic = "unwind"))]
compile_error!("Vaxel isolates crashes by unwinding: build with panic = \"unwind\"");

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the state word of a cell needs 64-bit pointers");

mod actor;
mod call;
mod cell;
mod child;
mod choice;
mod clock;
mod context;
mod counters;
mod driver;
mod event;
mod exit;
mod exit_watch;
#[cfg(shuttle)]
#[doc(hidden)]
pub mod explore;
pub mod inspect;
mod mailbox;
mod names;
mod oneshot;
mod panic;
mod pid;
mod random;
mod receive;
mod reference;
mod report;
mod stash;
mod sync;
mod system;
mod task;
pub mod time;
mod timer;
mod types;
mod watchdog;
mod worker;

pub use actor::{Actor, Handler, Message};
pub use call::cycle::CallCycle;
pub use call::deferred::{Deferred, ReplyTo};
pub use call::{CALL_TIMEOUT, Call, CallError};
pub use child::{Child, ChildExit, Started};
pub use clock::Time;
pub use context::{Context, MonitorRef, TimerRef};
pub use counters::Counters;
pub use driver::{Did, Driver, Step};
pub use event::Event;
pub use exit::{Crash, Down, ExitReason, Failure, TrappedExit};
pub use exit_watch::Exit;
pub use mailbox::send::Sending;
pub use mailbox::{Mailbox, OnFull};
pub use names::RegisterError;
pub use panic::{catch_panic, ending_reason};
pub use pid::Pid;
pub use random::Random;
pub use receive::{Receive, ReceiveError};
pub use reference::{ActorRef, AnyRef, Recipient, SendError, Target, Watchable};
pub use report::{ReportContext, SupervisorReport};
pub use stash::StashFull;
pub use system::{Batch, Entered, Flusher, System, SystemBuilder, spawn};
pub use task::{Join, TaskError};
pub use types::TypeStats;
