//! The simulation as a test sees it.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use vaxel_runtime::{
    Actor, ActorRef, AnyRef, Exit, ExitReason, Message, Pid, Random, System, Time, time,
};

use crate::chaos::{Chaos, Plan};
use crate::probe::{PROBE_LIMIT, Probe};
use crate::trace::{Trace, What, short};

/// The simulation a test runs in. Clones are handles to the same one.
#[derive(Clone)]
pub struct Sim {
    system: System,
    shared: Arc<Shared>,
    seed: u64,
}

/// What the test and the loop that runs it share.
pub(crate) struct Shared(Mutex<State>);

pub(crate) struct State {
    pub(crate) trace: Trace,
    pub(crate) known: BTreeMap<Pid, Known>,
    pub(crate) plans: Vec<Plan>,
    /// Who waits until nothing can run.
    pub(crate) settling: Vec<Waker>,
    /// What the test says it is waiting for.
    awaited: BTreeMap<u64, String>,
    next_id: u64,
    random: Random,
}

/// What is known of an incarnation that has had a turn.
pub(crate) struct Known {
    pub(crate) actor: &'static str,
    pub(crate) message: Option<&'static str>,
    pub(crate) since: Time,
}

impl Shared {
    pub(crate) fn new(random: Random, trace: Trace) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            trace,
            known: BTreeMap::new(),
            plans: Vec::new(),
            settling: Vec::new(),
            awaited: BTreeMap::new(),
            next_id: 0,
            random,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn awaited(&self) -> impl Iterator<Item = &String> {
        self.awaited.values()
    }
}

impl Sim {
    pub(crate) fn new(system: System, shared: Arc<Shared>, seed: u64) -> Self {
        Self {
            system,
            shared,
            seed,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The system, which is also `System::current()` in the test and in every handler.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Now, in virtual time.
    pub fn now(&self) -> Time {
        self.system.now()
    }

    /// A random number below `bound`, decided by the seed; zero when the bound is.
    pub fn random(&self, bound: u64) -> u64 {
        self.shared.lock().random.below(bound)
    }

    /// Spawns an actor.
    pub fn spawn<A: Actor>(&self, args: A::Args) -> ActorRef<A> {
        self.system.spawn(args)
    }

    /// An actor that writes down what it gets, for the test to read.
    pub fn probe<M>(&self) -> Probe<M>
    where
        M: Message<Reply: Default> + Debug,
    {
        self.probe_answering(|_| M::Reply::default())
    }

    /// A probe that answers calls.
    pub fn probe_answering<M>(
        &self,
        answer: impl FnMut(&M) -> M::Reply + Send + 'static,
    ) -> Probe<M>
    where
        M: Message + Debug,
    {
        Probe::spawn(self, Box::new(answer))
    }

    /// Lets so much virtual time pass. Everything that can run meanwhile does.
    pub async fn advance(&self, duration: Duration) {
        let _label = self.awaiting(format!("{duration:?} of virtual time"));
        time::sleep(duration).await;
    }

    /// Waits until nothing can run but the test itself, without letting time go on. Cancel-safe.
    ///
    /// Never resolves while actors keep each other busy.
    pub async fn settle(&self) {
        let _label = self.awaiting("the others to have nothing to do");
        let mut asked = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            self.shared.lock().settling.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits for the end of an actor's present incarnation, five seconds at most.
    ///
    /// # Panics
    /// If it has not ended by then; the message names the actor.
    pub async fn down(&self, actor: &AnyRef) -> ExitReason {
        let what = format!("the end of {actor:?}");
        self.within(PROBE_LIMIT, &what, actor.exit()).await
    }

    /// As [`down`](Self::down), for what was asked for earlier.
    pub async fn ended(&self, what: &str, exit: Exit) -> ExitReason {
        self.within(PROBE_LIMIT, what, exit).await
    }

    /// Awaits a future for so much virtual time.
    ///
    /// # Panics
    /// If it is not ready by then; the message names `what` was awaited.
    pub async fn within<F: Future>(&self, limit: Duration, what: &str, future: F) -> F::Output {
        let _label = self.awaiting(what);
        match time::timeout(limit, future).await {
            Ok(output) => output,
            Err(_) => panic!("still waiting for {what} after {limit:?} of virtual time"),
        }
    }

    /// Awaits a future for five seconds of virtual time.
    ///
    /// # Panics
    /// If it is not ready by then; the message names `what` was awaited.
    pub async fn soon<F: Future>(&self, what: &str, future: F) -> F::Output {
        self.within(PROBE_LIMIT, what, future).await
    }

    /// The living actors of type `A` that have had a turn, in the order of their pids.
    pub fn actors<A: Actor>(&self) -> Vec<AnyRef> {
        let wanted = std::any::type_name::<A>();
        let pids: Vec<Pid> = {
            let state = self.shared.lock();
            let known = state.known.iter();
            let of_type = known.filter(|(_, known)| known.actor == wanted);
            of_type.map(|(pid, _)| *pid).collect()
        };
        let found = pids.into_iter().filter_map(|pid| self.system.actor(pid));
        found.collect()
    }

    /// Kills one of the living actors of type `A` that have had a turn; which one, the seed
    /// decides. `None` when there is none.
    pub fn kill_one<A: Actor>(&self) -> Option<AnyRef> {
        let mut actors = self.actors::<A>();
        let at = self.random(actors.len() as u64) as usize;
        let victim = (!actors.is_empty()).then(|| actors.swap_remove(at))?;
        self.note(format!("the test kills {victim:?}"));
        victim.kill();
        Some(victim)
    }

    /// Until the guard is dropped, one turn in `turns` is followed by [`kill_one`](Self::kill_one).
    #[must_use = "the killing ends when the guard is dropped"]
    pub fn kill_at_random<A: Actor>(&self, turns: u64) -> Chaos {
        Chaos::new(self, turns, Box::new(|sim| _ = sim.kill_one::<A>()))
    }

    /// Writes a line into the trace, which is shown when the run fails.
    pub fn note(&self, line: impl Display) {
        let now = self.now();
        let mut state = self.shared.lock();
        state.trace.note(now, What::Note(line.to_string()));
    }

    /// Says what the test waits for until the guard is dropped, should nothing ever come.
    pub(crate) fn awaiting(&self, what: impl Into<String>) -> Awaiting {
        let mut state = self.shared.lock();
        let id = state.id();
        state.awaited.insert(id, what.into());
        Awaiting {
            shared: self.shared.clone(),
            id,
        }
    }
}

pub(crate) struct Awaiting {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Awaiting {
    fn drop(&mut self) {
        self.shared.lock().awaited.remove(&self.id);
    }
}

impl Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &format_args!("{:#x}", self.seed))
            .finish_non_exhaustive()
    }
}

impl Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.since.since_start();
        match self.message {
            Some(message) => write!(f, "inside its handler of {}", short(message))?,
            None => f.write_str("inside its init")?,
        }
        write!(f, ", since {since:?}")
    }
}
