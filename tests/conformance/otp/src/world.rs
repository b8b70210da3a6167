//! What the actors of one scenario share: their names, and what each of them saw.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vaxel_actor::process_group::ProcessGroups;
use vaxel_actor::{ActorRef, AnyRef, ExitReason, Pid, System};

use crate::entry::Entry;
use crate::machine::Table;
use crate::process::Process;
use crate::reason;
use crate::tree::Tree;

/// How long a step may take before the trace says that it is stuck.
pub(crate) static STUCK: LazyLock<Duration> = LazyLock::new(|| {
    let ms = std::env::var(STUCK_MS).ok().and_then(|ms| ms.parse().ok());
    Duration::from_millis(ms.unwrap_or(5_000))
});

/// The environment variable that sets another limit, in milliseconds.
pub(crate) const STUCK_MS: &str = "VAXEL_STUCK_MS";

/// One scenario on Vaxel while it runs.
pub(crate) struct World {
    pub(crate) system: System,
    pub(crate) groups: ProcessGroups<String, ActorRef<Process>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct State {
    traces: BTreeMap<String, Vec<String>>,
    entries: BTreeMap<String, Entry>,
    names: HashMap<Pid, String>,
    /// Who has entered and not ended.
    alive: BTreeMap<String, Pid>,
    ends: HashMap<String, VecDeque<String>>,
    starts: HashMap<String, u32>,
    /// Whose `init` is done.
    started: BTreeMap<String, ()>,
    pub(crate) trees: HashMap<String, Tree>,
    pub(crate) machines: HashMap<String, Table>,
    unsupported: Option<String>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(World {
            system: System::builder().workers(2).build(),
            groups: ProcessGroups::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and tells whoever waits.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    /// Waits until there is something to find, for as long as a step may take.
    pub(crate) fn wait<R>(&self, find: impl FnMut(&mut State) -> Option<R>) -> Option<R> {
        self.wait_for(*STUCK, find)
    }

    pub(crate) fn wait_for<R>(
        &self,
        limit: Duration,
        mut find: impl FnMut(&mut State) -> Option<R>,
    ) -> Option<R> {
        let deadline = Instant::now() + limit;
        let mut state = self.state();
        loop {
            if let Some(found) = find(&mut state) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn note(&self, name: &str, text: impl Into<String>) {
        let text = text.into();
        self.change(|state| state.traces.entry(name.to_owned()).or_default().push(text));
    }

    /// An operation that this side does not know: the scenario does not count as run.
    pub(crate) fn unsupported(&self, what: &[String]) {
        self.change(|state| {
            state
                .unsupported
                .get_or_insert_with(|| what.join(" "))
                .len()
        });
    }

    /// An incarnation is known under this name from now on, and its end is waited for.
    pub(crate) fn enter(self: &Arc<Self>, name: &str, entry: Entry) {
        let actor = entry.any();
        let pid = actor.pid();
        self.change(|state| {
            state.names.insert(pid, name.to_owned());
            state.alive.insert(name.to_owned(), pid);
            state.entries.insert(name.to_owned(), entry);
        });
        self.watch(name, pid, &actor);
    }

    fn watch(self: &Arc<Self>, name: &str, pid: Pid, actor: &AnyRef) {
        let (world, name, exit) = (self.clone(), name.to_owned(), actor.exit());
        let watching = self.system.spawn_future(async move {
            let reason = exit.await;
            world.ended(&name, pid, &reason);
        });
        drop(watching);
    }

    fn ended(&self, name: &str, pid: Pid, reason: &ExitReason) {
        self.change(|state| {
            if state.alive.get(name) == Some(&pid) {
                state.alive.remove(name);
            }
            let ends = state.ends.entry(name.to_owned()).or_default();
            ends.push_back(reason::text(reason));
        });
    }

    pub(crate) fn set_started(&self, name: &str) {
        self.change(|state| state.started.insert(name.to_owned(), ()));
    }

    /// The how many-th start of this name it is.
    pub(crate) fn count_start(&self, name: &str) -> u32 {
        self.change(|state| {
            let starts = state.starts.entry(name.to_owned()).or_default();
            *starts += 1;
            *starts
        })
    }

    pub(crate) fn entry(&self, name: &str) -> Option<Entry> {
        self.state().entries.get(name).cloned()
    }

    /// An actor by its name in the scenario, or by the name it registered: `@name`.
    pub(crate) fn target(&self, name: &str) -> Option<Entry> {
        match name.strip_prefix('@') {
            Some(registered) => self.system.whereis(registered).map(Entry::Process),
            None => self.entry(name),
        }
    }

    /// Waits for an actor that is being started.
    pub(crate) fn await_entry(&self, name: &str) -> Option<Entry> {
        self.wait(|state| state.entries.get(name).cloned())
    }

    pub(crate) fn name_of(&self, pid: Pid) -> String {
        let state = self.state();
        state
            .names
            .get(&pid)
            .cloned()
            .unwrap_or_else(|| "nobody".to_owned())
    }
}

impl State {
    pub(crate) fn has_lines(&self, name: &str, count: usize) -> bool {
        self.traces.get(name).map_or(0, Vec::len) >= count
    }

    pub(crate) fn take_end(&mut self, name: &str) -> Option<String> {
        self.ends.get_mut(name)?.pop_front()
    }

    /// How a start went: `None` while it is under way.
    pub(crate) fn start_result(&self, name: &str) -> Option<String> {
        if self.started.contains_key(name) {
            return Some("ok".to_owned());
        }
        let end = self.ends.get(name)?.front()?;
        Some(if end == "normal" { "ignore" } else { end }.to_owned())
    }

    pub(crate) fn alive(&self) -> Vec<(String, Entry)> {
        let lives = |(name, entry): (&String, &Entry)| {
            let alive = match entry {
                Entry::Supervisor(_) => entry.any().is_alive(),
                _ => self.alive.contains_key(name),
            };
            alive.then(|| (name.clone(), entry.clone()))
        };
        self.entries.iter().filter_map(lives).collect()
    }

    /// The first operation that this side does not know.
    pub(crate) fn unsupported(&self) -> Option<&str> {
        self.unsupported.as_deref()
    }

    /// The whole trace, by name.
    pub(crate) fn text(&self) -> String {
        let lines = self
            .traces
            .iter()
            .flat_map(|(name, lines)| lines.iter().map(move |line| format!("{name}: {line}\n")));
        lines.collect()
    }
}
