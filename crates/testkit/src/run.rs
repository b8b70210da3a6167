//! One run: the loop that picks who goes on until the test is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use vaxel_runtime::{AnyRef, Did, Driver, Event, ExitReason, Pid, Random, Step, System};

use crate::check::{Settings, Verdict};
use crate::failure::Failure;
use crate::schedule::Schedule;
use crate::sim::{Known, Shared, Sim};
use crate::trace::{Trace, What, short};

/// One spawn in so many turns begins its actor in a turn of its own.
const QUEUED_SPAWN_ONE_IN: u64 = 2;
/// Actors that a report about a dead end lists.
const LISTED_MAX: usize = 20;
/// Incarnations remembered before those that are over are forgotten.
const KNOWN_MAX: usize = 100_000;

/// How a run went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Run {
    /// The seed that decided it.
    pub seed: u64,
    /// Turns of actors and of the test itself.
    pub steps: u64,
    /// The virtual time at its end.
    pub time: Duration,
    /// A hash of the whole trace: two runs with the same one took the same steps.
    pub fingerprint: u64,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The last steps, one a line.
    pub trace: Vec<String>,
    /// How often something from outside, another thread, made an actor runnable. Not zero: the seed
    /// alone does not decide the run.
    pub outside_wakes: u64,
}

/// Wakes the test.
struct TestWaker(AtomicBool);

impl Wake for TestWaker {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

struct Runner<'a> {
    driver: Driver,
    sim: Sim,
    shared: Arc<Shared>,
    schedule: Schedule,
    settings: &'a Settings,
    woken: Arc<TestWaker>,
}

/// Runs the test once.
pub(crate) fn run<F, T>(seed: u64, settings: &Settings, test: &F) -> Run
where
    F: Fn(Sim) -> T,
    T: Future<Output: Verdict>,
{
    let mut runner = Runner::new(seed, settings);
    let failure = runner.test(test).and_then(|()| runner.end()).err();
    runner.drop_everything();
    let state = runner.shared.lock();
    Run {
        seed,
        steps: state.trace.steps(),
        time: runner.sim.now().since_start(),
        fingerprint: state.trace.fingerprint(),
        failure,
        trace: state.trace.lines(),
        outside_wakes: runner.driver.outside_wakes(),
    }
}

impl<'a> Runner<'a> {
    fn new(seed: u64, settings: &'a Settings) -> Self {
        let mut random = Random::seeded(seed);
        let mut stream = || Random::seeded(random.bits());
        let (schedule, user, mut system) = (stream(), stream(), stream());
        let shared = Shared::new(user, Trace::new(settings.trace_lines));
        let events = shared.clone();
        let driver = System::builder()
            .name("simulation")
            .seed(system.bits())
            .on_event(move |event| {
                if let Some(line) = line_of(event) {
                    events.lock().trace.note_now(What::Note(line));
                }
            })
            .drive();
        let system = driver.system().clone();
        Self {
            driver,
            sim: Sim::new(system, shared.clone(), seed),
            shared,
            schedule: Schedule::of(schedule),
            settings,
            woken: Arc::new(TestWaker(AtomicBool::new(true))),
        }
    }

    /// Runs the test to its end.
    fn test<F, T>(&mut self, test: &F) -> Result<(), Failure>
    where
        F: Fn(Sim) -> T,
        T: Future<Output: Verdict>,
    {
        let sim = self.sim.clone();
        let made = self.driver.enter(|| Box::pin(test(sim)));
        let mut test = made.map_err(panicked)?;
        let outcome = self.drive(&mut test);
        // Dropped where what it sends on its way out still finds the system.
        let dropped = self.driver.enter(|| drop(test)).map_err(panicked);
        outcome?.map_err(Failure::Error).and(dropped)
    }

    fn drive<T: Future<Output: Verdict>>(
        &mut self,
        test: &mut Pin<Box<T>>,
    ) -> Result<Result<(), String>, Failure> {
        let waker = Waker::from(self.woken.clone());
        loop {
            let ready = self.driver.runnable();
            let count = ready + usize::from(self.woken.0.load(SeqCst));
            if count == 0 {
                self.idle(Failure::Stuck)?;
                continue;
            }
            let driver = &self.driver;
            let pid = |index| {
                if index < ready {
                    driver.pid(index)
                } else {
                    Pid::NONE
                }
            };
            let choice = self.schedule.pick(count, pid);
            if choice < ready {
                self.turns(choice)?;
                continue;
            }
            self.woken.0.store(false, SeqCst);
            self.step(What::Test)?;
            let poll = || test.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(outcome) = self.driver.enter(poll).map_err(panicked)? {
                return Ok(outcome.verdict());
            }
            self.after_a_turn();
        }
    }

    /// Gives the cell some turns in a row.
    fn turns(&mut self, index: usize) -> Result<(), Failure> {
        let mut index = index;
        for _ in 0..self.schedule.streak() {
            let queue_spawns = self.schedule.one_in(QUEUED_SPAWN_ONE_IN);
            let step = self.driver.run(index, queue_spawns);
            self.remember(&step);
            self.after_a_turn();
            self.bounded()?;
            if !step.again {
                break;
            }
            index = self.driver.runnable() - 1;
            if self.driver.pid(index) != step.pid {
                break;
            }
        }
        Ok(())
    }

    fn step(&self, what: What) -> Result<(), Failure> {
        self.shared.lock().trace.step(self.sim.now(), what);
        self.bounded()
    }

    fn bounded(&self) -> Result<(), Failure> {
        let steps = self.shared.lock().trace.steps();
        if steps > self.settings.steps_max {
            return Err(Failure::TooLong(self.settings.steps_max));
        }
        Ok(())
    }

    fn remember(&mut self, step: &Step) {
        let now = self.sim.now();
        let mut state = self.shared.lock();
        state.trace.turn(now, step);
        let known = state.known.entry(step.pid).or_insert(Known {
            actor: step.actor,
            message: None,
            since: now,
        });
        if let Did::Message(message) = step.did {
            known.message = Some(message).filter(|name| *name != "init");
            known.since = now;
        }
        if state.known.len() > KNOWN_MAX {
            let system = self.driver.system();
            state.known.retain(|pid, _| system.actor(*pid).is_some());
        }
    }

    /// The turn has taken some time, if turns do, and somebody may have died in it.
    fn after_a_turn(&mut self) {
        let delay_max = self.settings.delay_max.as_nanos() as u64;
        if delay_max > 0 {
            let delay = Duration::from_nanos(self.schedule.below(delay_max + 1));
            self.driver.advance_to(self.sim.now() + delay);
        }
        let plans = self.shared.lock().plans.clone();
        for plan in plans {
            if self.schedule.one_in(plan.turns) {
                let sim = self.sim.clone();
                // A panic here would be the user's filter's; there is none.
                let _ = self.driver.enter(|| (plan.strike)(&sim));
            }
        }
    }

    /// Nothing can run: whoever waited for that goes on, or else time does.
    fn idle(&mut self, failure: fn(String) -> Failure) -> Result<(), Failure> {
        let settling = std::mem::take(&mut self.shared.lock().settling);
        if !settling.is_empty() {
            let _ = self
                .driver
                .enter(|| settling.into_iter().for_each(Waker::wake));
            return Ok(());
        }
        // What is due already, such as a timer of zero, fires without any time passing.
        let Some(next) = self.driver.next_timer() else {
            return Err(failure(self.who_waits()));
        };
        if self.driver.advance_to(next) {
            self.step(What::Time)?;
        }
        Ok(())
    }

    /// Stops what is kept, as the end of a program does.
    fn end(&mut self) -> Result<(), Failure> {
        self.shared.lock().plans.clear();
        for root in self.driver.take_roots().into_iter().rev() {
            let ask = |root: AnyRef| {
                let exit = root.exit();
                root.shutdown();
                exit
            };
            let mut exit = self.driver.enter(|| ask(root)).map_err(panicked)?;
            let mut cx = Context::from_waker(Waker::noop());
            while Pin::new(&mut exit).poll(&mut cx).is_pending() {
                match self.driver.runnable() {
                    0 => self.idle(Failure::DoesNotStop)?,
                    ready => {
                        let driver = &self.driver;
                        let choice = self.schedule.pick(ready, |index| driver.pid(index));
                        self.turns(choice)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Kills who is left, so that what actors hold is dropped.
    fn drop_everything(&mut self) {
        let known: Vec<Pid> = self.shared.lock().known.keys().copied().collect();
        let system = self.driver.system().clone();
        let _ = self.driver.enter(|| {
            for actor in known.into_iter().filter_map(|pid| system.actor(pid)) {
                actor.kill();
            }
        });
        let steps_max = self.settings.steps_max;
        for _ in 0..steps_max {
            if self.driver.runnable() == 0 {
                break;
            }
            self.driver.run(0, false);
        }
    }

    fn who_waits(&self) -> String {
        let state = self.shared.lock();
        let mut lines: Vec<String> = state
            .awaited()
            .map(|what| format!("  the test waits for {what}"))
            .collect();
        if lines.is_empty() {
            lines.push("  the test waits".to_owned());
        }
        let waiting = state.known.iter();
        let waiting = waiting.filter(|(pid, _)| self.driver.is_suspended(**pid));
        let waiting =
            waiting.map(|(pid, known)| format!("  {}{pid} waits {known}", short(known.actor)));
        let all: Vec<String> = waiting.collect();
        let more = all.len().saturating_sub(LISTED_MAX);
        lines.extend(all.into_iter().take(LISTED_MAX));
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        lines.push(
            "  whatever they wait for is not part of the simulation (a thread, a socket, tokio's \
             clock), or never comes"
                .to_owned(),
        );
        lines.join("\n")
    }
}

fn panicked(reason: ExitReason) -> Failure {
    match reason {
        ExitReason::Panic(crash) => Failure::Panic(format!(
            "panicked at {}:\n{}",
            crash.location, crash.message
        )),
        other => Failure::Panic(other.to_string()),
    }
}

fn line_of(event: &Event) -> Option<String> {
    match event {
        Event::ActorCrashed { actor, pid, reason } => {
            let pid = pid.unwrap_or(Pid::NONE);
            Some(format!("{}{pid} ended: {reason}", short(actor)))
        }
        _ => None,
    }
}
