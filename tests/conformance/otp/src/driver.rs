//! Runs scenarios on Vaxel, step by step, each in a system of its own.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vaxel_actor::event_manager::EventManager;
use vaxel_actor::state_machine::StateMachine as _;

use crate::entry::Entry;
use crate::machine::{Scripted, Table};
use crate::process::{Birth, Do, Process, number};
use crate::scenario::Scenario;
use crate::tree::{self, Tree};
use crate::world::{STUCK, World};

/// Scenarios that run at the same time. They spend their time waiting.
const AT_ONCE: usize = 8;

/// Long enough for whatever has been set off to arrive.
const SETTLE: Duration = Duration::from_millis(25);

/// What a scenario has shown on Vaxel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) trace: String,
    /// The first step that this side cannot do.
    pub(crate) unsupported: Option<String>,
}

/// Runs all, several at a time; the results are in the order of the scenarios.
pub(crate) fn run_all(scenarios: &[Scenario]) -> Vec<Shown> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = scenarios.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(scenarios.len()) {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Relaxed)) {
                    let index = scenarios
                        .iter()
                        .position(|other| other.name == scenario.name)
                        .unwrap_or_default();
                    let shown = run(scenario);
                    *results[index]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = Some(shown);
                }
            });
        }
    });
    let taken = results.into_iter().map(|slot| {
        let slot = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        slot.expect("every scenario has been run")
    });
    taken.collect()
}

fn run(scenario: &Scenario) -> Shown {
    let world = World::new();
    let driver = Driver {
        world: world.clone(),
    };
    for step in &scenario.steps {
        driver.step(step);
        if world.state().unsupported().is_some() {
            break;
        }
    }
    driver.pause(SETTLE);
    let alive = world.state().alive();
    let names: Vec<&str> = alive.iter().map(|(name, _)| name.as_str()).collect();
    world.note("driver", format!("alive: {}", names.join(" ")));
    let state = world.state();
    let shown = Shown {
        trace: state.text(),
        unsupported: state.unsupported().map(str::to_owned),
    };
    drop(state);
    for (_, entry) in alive {
        entry.any().kill();
    }
    world.system.shutdown();
    shown
}

struct Driver {
    world: Arc<World>,
}

impl Driver {
    fn note(&self, text: impl Into<String>) {
        self.world.note("driver", text);
    }

    /// Waits for nothing in particular.
    fn pause(&self, time: Duration) {
        let nothing: Option<()> = self.world.wait_for(time, |_| None);
        debug_assert!(nothing.is_none());
    }

    /// Runs a future on the scenario's system. None: it takes too long.
    fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = sync_channel(1);
        let running = self.world.system.spawn_future(async move {
            // Nobody waits any more when the step has been given up.
            let _ = done.send(future.await);
        });
        drop(running);
        result.recv_timeout(*STUCK).ok()
    }

    fn step(&self, words: &[String]) {
        let world = &self.world;
        let list: Vec<&str> = words.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["proc", names @ ..] => {
                for name in names {
                    world
                        .system
                        .spawn::<Process>(Birth::plain(world, name, &[]));
                    self.started(name);
                }
            }
            ["server", name, ..] => {
                let birth = Birth::server(world, name, &words[2..]);
                world.system.spawn::<Process>(birth);
                let result = self.started(name);
                self.note(format!("start {name}: {result}"));
            }
            ["sup" | "child" | "statem" | "on", ..] => self.describe(words),
            ["start", name] => self.start(name),
            ["pause", ms] => self.pause(Duration::from_millis(number(ms).into())),
            ["ended", name] => self.ended(name),
            ["await", name, count] => {
                let lines = number(count) as usize;
                let there = world.wait(|state| state.has_lines(name, lines).then_some(()));
                if there.is_none() {
                    self.note(format!("await {name} {count}: stuck"));
                }
            }
            ["stop", name] => {
                if let Some(entry) = world.entry(name) {
                    entry.any().shutdown();
                }
                self.ended(name);
            }
            ["go", name, ..] => self.send(name, Do(words[2..].to_vec(), None)),
            [op @ ("which" | "count"), sup] => {
                let answer = self.ask(op, sup, &[]);
                self.note(format!("{op} {sup}:{answer}"));
            }
            [
                op @ ("start_child" | "terminate_child" | "restart_child" | "delete_child"),
                sup,
                child,
                ..,
            ] => {
                let answer = self.ask(op, sup, &words[2..]);
                self.note(format!("{op} {sup} {child}: {answer}"));
            }
            ["manager", name] => {
                let manager = EventManager::spawn_in(&world.system);
                world.enter(name, Entry::Manager(manager));
            }
            [name, ..] => self.tell(name, words),
            [] => {}
        }
    }

    /// Takes note of what is started later.
    fn describe(&self, words: &[String]) {
        let mut state = self.world.state();
        let list: Vec<&str> = words.iter().map(String::as_str).collect();
        match list.as_slice() {
            ["sup", name, ..] => {
                let tree = Tree {
                    strategy: words[2..].to_vec(),
                    children: Vec::new(),
                };
                state.trees.insert((*name).to_owned(), tree);
            }
            ["child", sup, ..] => {
                if let Some(tree) = state.trees.get_mut(*sup) {
                    tree.children.push(words[2..].to_vec());
                }
            }
            ["statem", name, ..] => {
                let table = Table::new(&words[2..]);
                state.machines.insert((*name).to_owned(), table);
            }
            ["on", name, ..] => {
                if let Some(table) = state.machines.get_mut(*name) {
                    table.add(&words[2..]);
                }
            }
            _ => {}
        }
    }

    /// How the start of a process went.
    fn started(&self, name: &str) -> String {
        let result = self.world.wait(|state| state.start_result(name));
        result.unwrap_or_else(|| "stuck".to_owned())
    }

    fn start(&self, name: &str) {
        if self.world.state().machines.contains_key(name) {
            let args = (self.world.clone(), name.to_owned());
            Scripted::spawn_in(&self.world.system, args);
            let result = self.started(name);
            return self.note(format!("start {name}: {result}"));
        }
        let (world, of) = (self.world.clone(), name.to_owned());
        let result = self.block_on(async move { tree::start(&world, &of).await });
        let result = result.unwrap_or_else(|| "stuck".to_owned());
        self.note(format!("start {name}: {result}"));
    }

    fn ended(&self, name: &str) {
        let end = self.world.wait(|state| state.take_end(name));
        let end = end.unwrap_or_else(|| "stuck".to_owned());
        self.note(format!("ended {name} {end}"));
    }

    fn ask(&self, op: &str, sup: &str, child: &[String]) -> String {
        let Some(Entry::Supervisor(supervisor)) = self.world.entry(sup) else {
            return " no supervisor".to_owned();
        };
        let (world, op, of) = (self.world.clone(), op.to_owned(), sup.to_owned());
        let child = child.to_vec();
        let answer =
            self.block_on(async move { tree::ask(&world, &op, &of, &supervisor, &child).await });
        answer.unwrap_or_else(|| " stuck".to_owned())
    }

    fn send(&self, name: &str, step: Do) {
        if let Some(Entry::Process(actor)) = self.world.await_entry(name) {
            // A step for who has ended is lost.
            let _ = actor.cast(step);
        }
    }

    /// Has a process do something and waits until it has, or has ended.
    fn tell(&self, name: &str, words: &[String]) {
        let (done, over) = sync_channel(1);
        self.send(name, Do(words[1..].to_vec(), Some(done)));
        if over.recv_timeout(*STUCK) == Err(RecvTimeoutError::Timeout) {
            self.note(format!("stuck: {}", words.join(" ")));
        }
    }
}
