//! Running a test under many seeds.

use std::fmt::Debug;
use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

use crate::run::{Run, run};
use crate::sim::Sim;

/// Seeds of a check unless told otherwise, or by the environment variable `VAXEL_SEEDS`.
pub const SEEDS: u64 = 100;
/// Steps after which a run is given up unless told otherwise. A step takes about a microsecond.
pub const STEPS_MAX: u64 = 1_000_000;
/// Lines of a failed run's trace that are shown unless told otherwise, or by `VAXEL_TRACE`.
pub const TRACE_LINES: usize = 40;

/// Runs a test under many seeds; see the [crate](crate) for what a seed decides.
///
/// `VAXEL_SEEDS=1000` runs more of them, `VAXEL_SEED=0x2a` one alone, and `VAXEL_TRACE=500` shows
/// more of the trace of a run that fails. The test is run by the calling thread.
///
/// # Panics
/// If a run fails, with the seed and the end of its trace.
pub fn check<F, T>(test: F)
where
    F: Fn(Sim) -> T,
    T: Future<Output: Verdict>,
{
    Check::new().run(test);
}

/// How a test is run. [`check`] is this with everything as it comes.
///
/// ```
/// use std::time::Duration;
/// use vaxel_testkit::Check;
///
/// Check::new()
///     .seeds(20)
///     .delays(Duration::from_millis(1))
///     .run(|sim| async move {
///         sim.advance(Duration::from_secs(3600)).await;
///         assert!(sim.now().since_start() >= Duration::from_secs(3600));
///     });
/// ```
#[derive(Debug, Clone)]
#[must_use = "a check does nothing until it is run"]
pub struct Check {
    seeds: Option<u64>,
    repeats: bool,
    settings: Settings,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) steps_max: u64,
    pub(crate) delay_max: Duration,
    pub(crate) trace_lines: usize,
}

/// What a test may return: nothing, or a result.
pub trait Verdict {
    /// Whether the test passed.
    ///
    /// # Errors
    /// If it did not: why.
    fn verdict(self) -> Result<(), String>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Debug> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

impl Default for Check {
    fn default() -> Self {
        Self::new()
    }
}

impl Check {
    /// [`SEEDS`] seeds, [`STEPS_MAX`] steps, no delays.
    pub fn new() -> Self {
        Self {
            seeds: None,
            repeats: true,
            settings: Settings {
                steps_max: STEPS_MAX,
                delay_max: Duration::ZERO,
                trace_lines: from_environment("VAXEL_TRACE").unwrap_or(TRACE_LINES as u64) as usize,
            },
        }
    }

    /// How many seeds, `0..seeds`. The environment variable `VAXEL_SEEDS` goes before.
    pub fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = Some(seeds);
        self
    }

    /// After how many steps a run counts as one that never ends.
    pub fn steps_max(mut self, steps: u64) -> Self {
        self.settings.steps_max = steps;
        self
    }

    /// Every turn takes a random time up to `max`, so that timers fire while there is still work,
    /// as on a busy machine. Default: turns take no time.
    pub fn delays(mut self, max: Duration) -> Self {
        self.settings.delay_max = max;
        self
    }

    /// How many lines of the trace are kept, and shown when the run fails.
    pub fn trace_lines(mut self, lines: usize) -> Self {
        self.settings.trace_lines = lines;
        self
    }

    /// The test depends on more than the seed, and may: do not run a seed twice to find that out.
    /// A failure may then not replay.
    pub fn not_repeatable(mut self) -> Self {
        self.repeats = false;
        self
    }

    /// Runs the test under one seed and tells how it went.
    pub fn run_seed<F, T>(&self, seed: u64, test: F) -> Run
    where
        F: Fn(Sim) -> T,
        T: Future<Output: Verdict>,
    {
        run(seed, &self.settings, &test)
    }

    /// Runs the test under all seeds.
    ///
    /// # Panics
    /// If a run fails, or two runs of one seed differ.
    pub fn run<F, T>(&self, test: F)
    where
        F: Fn(Sim) -> T,
        T: Future<Output: Verdict>,
    {
        let single = from_environment("VAXEL_SEED");
        let seeds = from_environment("VAXEL_SEEDS").or(self.seeds);
        let (first, last) = match single {
            Some(seed) => (seed, seed),
            None => (0, seeds.unwrap_or(SEEDS).max(1) - 1),
        };
        for seed in first..=last {
            let outcome = run(seed, &self.settings, &test);
            let is_checked = self.repeats && (seed == first || outcome.failure.is_some());
            let again = is_checked.then(|| run(seed, &self.settings, &test));
            let differs = again.filter(|again| again.fingerprint != outcome.fingerprint);
            if outcome.failure.is_some() || differs.is_some() {
                panic!("{}", report(&outcome, differs.as_ref()));
            }
        }
    }
}

fn report(outcome: &Run, differs: Option<&Run>) -> String {
    let seed = outcome.seed;
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or("");
    let mut text = match &outcome.failure {
        Some(failure) => failure.to_string(),
        None => format!("seed {seed:#x} does not give the same run twice"),
    };
    let _ = write!(
        text,
        "\n\nseed {seed:#x} : replay with VAXEL_SEED={seed:#x} cargo test {test}\n"
    );
    if let Some(again) = differs {
        let _ = writeln!(
            text,
            "A second run with this seed took other steps ({} and then {}), so it may not replay: \
             something outside of the simulation has a say, such as a thread, the machine's clock \
             or the order of a HashMap.",
            outcome.steps, again.steps
        );
        let fork = outcome
            .trace
            .iter()
            .zip(&again.trace)
            .find(|(one, two)| one != two);
        if let Some((one, two)) = fork {
            let _ = writeln!(
                text,
                "first difference among the last steps:\n  {one}\n  {two}"
            );
        }
    }
    if outcome.outside_wakes > 0 {
        let wakes = outcome.outside_wakes;
        let _ = writeln!(text, "{wakes} wake-ups came from other threads.");
    }
    let (lines, steps) = (outcome.trace.len(), outcome.steps);
    let _ = writeln!(text, "the last {lines} lines of {steps} steps:");
    for line in &outcome.trace {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// A number that the environment sets, decimal or hexadecimal.
fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = match text.trim().strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.trim().parse(),
    };
    match number {
        Ok(number) => Some(number),
        Err(error) => panic!("{name}={text:?} is no number such as 42 or 0x2a: {error}"),
    }
}
