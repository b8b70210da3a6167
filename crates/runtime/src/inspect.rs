//! Looking at a running system: who is there, what they do, and stopping to look closer.
//!
//! [`System::inspect`](crate::System::inspect) is where a dashboard begins.
//!
//! # What it costs
//! - A [`list`](Inspector::list) goes through the table of pids, page by page, and holds one of its
//!   16 locks for at most 256 entries at a time. It reads atomics: no actor is woken, none is kept
//!   alive. Nothing is copied but the page.
//! - What only the actor knows (its links, its state) it is asked for. It answers between two
//!   messages, also while a handler awaits, ahead of what waits in its mailbox. An actor whose
//!   handler computes does not answer until it is done: put a time limit on the answer.
//! - An actor that is not traced does not pay for those that are.
//!
//! # Who is listed
//! Actors that have a pid: those with a parent, a name, a monitor or a link, and those who were
//! asked for it. An actor that nobody has ever asked has none, and costs none.
//! [`SystemBuilder::list_all`](crate::SystemBuilder::list_all) gives everybody one at its spawn.
//!
//! ```
//! use vaxel_runtime::inspect::ActorFilter;
//! use vaxel_runtime::{Actor, Context, ExitReason, System};
//!
//! struct Idle;
//! impl Actor for Idle {
//!     type Args = ();
//!     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
//!         Ok(Idle)
//!     }
//! }
//!
//! let system = System::builder().workers(1).list_all().build();
//! let actors: Vec<_> = (0..3).map(|_| system.spawn::<Idle>(())).collect();
//! let idle = ActorFilter::of_type("Idle");
//! let listed: Vec<_> = system.inspect().actors(&idle).map(|actor| actor.pid).collect();
//! assert_eq!(listed.len(), 3);
//! assert!(actors.iter().all(|actor| listed.contains(&actor.pid())));
//! system.shutdown();
//! ```

mod ask;
mod described;
mod trace;

pub(crate) use ask::Ask;
pub use ask::{Asked, InspectError};
pub use described::{Children, Description};
pub(crate) use trace::{Trace, note};
pub use trace::{TraceEvent, Tracer};

use crate::cell::signal::{self, Signal};
use crate::cell::{Header, PAUSED, TRACED, TRAPS, VACANT};
use crate::reference::Target;
use crate::reference::sealed::Home;
use crate::{AnyRef, ExitReason, Pid, System, Time};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Looks at the actors of one system; see the [module](self).
#[derive(Debug, Clone)]
pub struct Inspector {
    system: System,
}

/// Which actors are listed.
#[derive(Debug, Clone, Default)]
pub struct ActorFilter {
    type_name: Option<String>,
    mailbox_min: usize,
    activity: Option<Activity>,
}

impl ActorFilter {
    /// Everybody.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those whose type's Rust path contains this.
    pub fn of_type(part: impl Into<String>) -> Self {
        Self {
            type_name: Some(part.into()),
            ..Self::default()
        }
    }

    /// Those with at least so many waiting messages.
    #[must_use]
    pub fn mailbox_at_least(mut self, messages: usize) -> Self {
        self.mailbox_min = messages;
        self
    }

    /// Those that do this.
    #[must_use]
    pub fn doing(mut self, activity: Activity) -> Self {
        self.activity = Some(activity);
        self
    }

    fn takes(&self, actor: &ActorSummary) -> bool {
        let type_name = self.type_name.as_ref();
        type_name.is_none_or(|part| actor.type_name.contains(part.as_str()))
            && actor.mailbox_len >= self.mailbox_min
            && self.activity.is_none_or(|wanted| actor.activity == wanted)
    }
}

/// What an actor does at the moment of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// Nothing waits for it.
    Idle,
    /// A handler runs, or it waits for a worker.
    Active,
    /// A handler awaits; mail waits.
    Awaits,
    /// It was [suspended](Inspector::suspend).
    Suspended,
    /// A child that has ended and that its supervisor has not restarted.
    Vacant,
}

/// A handler that has begun and is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentHandler {
    /// The Rust path of the message's type; `init` and `terminate` stand for these two, and the
    /// runtime's own messages have names of their own.
    pub message: &'static str,
    /// Since when it runs, or has first awaited, on the system's clock: as the watchdog has seen
    /// it, which looks every millisecond while there is work and every 16 when there is little.
    pub since: Time,
}

/// What can be seen of an actor without asking it. Read while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorSummary {
    /// The incarnation.
    pub pid: Pid,
    /// The Rust path of its type.
    pub type_name: &'static str,
    /// Messages that wait and are counted against the bound, those not included that a worker has
    /// taken. Without a bound it counts to [`Mailbox::CAPACITY_MAX`](crate::Mailbox::CAPACITY_MAX).
    pub mailbox_len: usize,
    /// The bound: how many may wait. `None`: there is no bound.
    pub mailbox_capacity: Option<u32>,
    /// Calls and sends that wait outside of the mailbox until there is room in it.
    pub senders_waiting: usize,
    /// Messages this actor has handled, all incarnations together; counts on from zero after
    /// 4,294,967,295. Written when a turn ends.
    pub handled: u32,
    /// What it does.
    pub activity: Activity,
    /// The handler that a worker runs at this moment, and since when. One that awaits is told by a
    /// [`Description`]: only the actor knows it.
    pub handler: Option<CurrentHandler>,
    /// Whether it [traps exits](crate::Context::trap_exits).
    pub traps_exits: bool,
    /// Whether its messages are [traced](Inspector::trace).
    pub is_traced: bool,
}

impl ActorSummary {
    pub(crate) fn of(header: &Header, pid: Pid) -> Self {
        let set = header.signals.load(Relaxed);
        let (owned, waits) = header.word.activity();
        let activity = match (owned, waits) {
            _ if set & VACANT != 0 => Activity::Vacant,
            _ if set & PAUSED != 0 => Activity::Suspended,
            (false, _) => Activity::Idle,
            (true, true) => Activity::Awaits,
            (true, false) => Activity::Active,
        };
        let table = header.table();
        let running = (activity == Activity::Active).then(|| table.core().handler_of(header));
        Self {
            pid,
            type_name: table.name,
            mailbox_len: crate::mailbox::length(header),
            mailbox_capacity: table.mailbox.capacity(),
            senders_waiting: crate::mailbox::senders_waiting(header),
            handled: header.handled.load(Relaxed),
            activity,
            handler: running.flatten(),
            traps_exits: set & TRAPS != 0,
            is_traced: set & TRACED != 0,
        }
    }
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(u64);

/// A part of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page {
    /// The actors found, at most as many as asked for; there may be none, and more to come.
    pub actors: Vec<ActorSummary>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<Cursor>,
}

impl Inspector {
    /// A page holds no more actors than this.
    pub const PAGE_MAX: usize = 1_000;
    /// A page looks at no more entries than this, however few of them it takes.
    pub const LOOK_MAX: usize = 16_384;
    /// A longer text of a state is cut here.
    pub const STATE_BYTES_MAX: usize = 65_536;

    pub(crate) fn new(system: System) -> Self {
        Self { system }
    }

    /// A page of the actors, in the order of the table of pids. Who is there from the first page to
    /// the last is listed once; who comes or goes meanwhile may be.
    pub fn list(&self, filter: &ActorFilter, from: Option<Cursor>, limit: usize) -> Page {
        let limit = limit.clamp(1, Self::PAGE_MAX);
        let mut actors = Vec::new();
        let next = self.system.core().pids.look_through(
            from.map_or(0, |cursor| cursor.0),
            Self::LOOK_MAX,
            |header, pid| {
                let actor = ActorSummary::of(header, pid);
                if filter.takes(&actor) {
                    actors.push(actor);
                }
                actors.len() < limit
            },
        );
        Page {
            actors,
            next: next.map(Cursor),
        }
    }

    /// All pages, one after another as they are needed.
    pub fn actors(&self, filter: &ActorFilter) -> impl Iterator<Item = ActorSummary> {
        let mut from = Some(None);
        let pages = std::iter::from_fn(move || {
            let page = self.list(filter, from?, Self::PAGE_MAX);
            from = page.next.map(Some);
            Some(page.actors)
        });
        pages.flatten()
    }

    /// The registered names that contain this, and who has them; at most `limit`, in no order.
    pub fn named(&self, part: &str, limit: usize) -> Vec<(Arc<str>, ActorSummary)> {
        let core = self.system.core();
        let found = core.names.search(part, limit);
        let summary = |(name, counted): (_, crate::cell::Counted)| {
            let pid = core.pids.ensure(counted.cell());
            (name, ActorSummary::of(counted.header(), pid))
        };
        found.into_iter().map(summary).collect()
    }

    /// The actor of that pid, if that incarnation lives and anybody holds a reference to it.
    pub fn find(&self, pid: Pid) -> Option<AnyRef> {
        self.system.actor(pid)
    }

    /// What can be seen of an actor without asking it.
    pub fn summary(&self, actor: &impl Target) -> Option<ActorSummary> {
        let whom = actor.whom(self.home());
        let found = whom.found?;
        Some(ActorSummary::of(found.header(), whom.pid))
    }

    /// Everything there is to know of an actor.
    ///
    /// ```
    /// use vaxel_runtime::{Actor, Context, ExitReason, System};
    /// # struct Idle;
    /// # impl Actor for Idle {
    /// #     type Args = ();
    /// #     async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> { Ok(Idle) }
    /// # }
    /// let system = System::builder().workers(1).build();
    /// # fn run<T: Send + 'static>(
    /// #     system: &System,
    /// #     body: impl Future<Output = T> + Send + 'static,
    /// # ) -> T {
    /// #     let (done, output) = std::sync::mpsc::sync_channel(1);
    /// #     let task = system.spawn_future(async move { done.send(body.await) });
    /// #     let output = output.recv().unwrap();
    /// #     drop(task);
    /// #     output
    /// # }
    /// let actor = system.spawn::<Idle>(());
    /// let told = run(&system, system.inspect().describe(&actor)).expect("it lives");
    /// assert_eq!((told.summary.mailbox_len, told.summary.senders_waiting), (0, 0));
    /// assert_eq!(told.summary.mailbox_capacity, Some(1024));
    /// assert!(told.handler.is_none(), "no handler awaits");
    /// # system.shutdown();
    /// ```
    pub fn describe(&self, actor: &impl Target) -> Asked<Description> {
        self.ask(actor, Ask::Describe)
    }

    /// The state of an actor as text, if its type shows it: [`Actor::inspect`](crate::Actor). An
    /// actor whose handler awaits answers when the handler is done.
    pub fn state(&self, actor: &impl Target) -> Asked<String> {
        self.ask(actor, Ask::State)
    }

    /// Suspends an actor, as OTP's `sys:suspend` does: from the answer on it begins no message, but
    /// answers to inspection, exit signals, kills and its supervisor. A handler that awaits goes on
    /// to its end. Mail waits, up to its bound. A restart ends it.
    pub fn suspend(&self, actor: &impl Target) -> Asked<()> {
        self.ask(actor, |slot| Ask::Pause(true, slot))
    }

    /// Lets a suspended actor go on.
    pub fn resume(&self, actor: &impl Target) -> Asked<()> {
        self.ask(actor, |slot| Ask::Pause(false, slot))
    }

    /// Notes the messages that an actor begins, the newest `capacity` of them, between 1 and
    /// [`Tracer::CAPACITY_MAX`], until the tracer is dropped. One tracer per actor: a newer one
    /// takes the place of the one before. It ends with the incarnation.
    pub fn trace(&self, actor: &impl Target, capacity: usize) -> Asked<Tracer> {
        self.ask(actor, |slot| Ask::Trace(Trace::new(capacity), slot))
    }

    /// Ends an actor at once; see [`ActorRef::kill`](crate::ActorRef::kill).
    pub fn kill(&self, actor: &impl Target) {
        let whom = actor.whom(self.home());
        if let Some(found) = whom.found {
            signal::send_exit(&found, whom.pid, Pid::NONE, ExitReason::Kill, false);
        }
    }

    fn home(&self) -> Home {
        Home(NonNull::from(self.system.core()))
    }

    fn ask<T>(&self, actor: &impl Target, ask: impl FnOnce(ask::Slot<T>) -> Ask) -> Asked<T> {
        let asked = Asked::new();
        let ask = Signal::Ask(ask(asked.slot()));
        let whom = actor.whom(self.home());
        match whom.found {
            Some(found) => signal::ask(&found, whom.pid, ask),
            None => signal::send_to(self.system.core(), Pid::NONE, ask),
        }
        asked
    }
}
