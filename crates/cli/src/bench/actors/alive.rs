//! Actors alive at once: as many as the BEAM can hold, each of which has answered a call.
//!
//! Nobody is compared here. What is claimed is absolute: 134,217,728 actors with a state of eight
//! bytes, which is the BEAM's ceiling of processes, within 14 GiB resident, the eight bytes of each
//! one's reference included.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use vaxel::prelude::*;
use vaxel_bench_rows::{Plan, resident_bytes};

use super::ours::Fresh;
use crate::bench::report::{Better, Figure, Report};

/// The largest number of processes of a BEAM.
pub(crate) const CEILING: u64 = 134_217_728;
/// What they may take.
const RESIDENT_BYTES_MAX: u64 = 14 << 30;
/// Of a machine's available memory this much is left alone.
const SPARED_BYTES: u64 = 2 << 30;
/// Actors that one message to a holder makes, calls or lets go.
const BATCH: usize = 4096;
/// How long memory may take to go back to the system.
const RETURN_LIMIT: Duration = Duration::from_secs(10);

/// A number that grows by one a call.
struct Idle {
    n: u64,
}

#[actor]
impl Idle {
    fn init() -> Self {
        Idle { n: 0 }
    }

    #[call]
    fn touch(&mut self) -> u64 {
        self.n += 1;
        self.n
    }
}

/// Holds a share of the actors, so that all workers take part.
struct Holder {
    actors: Vec<IdleRef>,
}

#[actor]
impl Holder {
    fn init(share: u64) -> Self {
        let actors = Vec::with_capacity(share as usize);
        Holder { actors }
    }

    /// Spawns a batch and calls each of it. True while there is room for more.
    #[call]
    async fn grow(&mut self) -> Result<bool, CallError> {
        let from = self.actors.len();
        let to = self.actors.capacity().min(from + BATCH);
        self.actors.extend((from..to).map(|_| Idle::spawn()));
        for actor in &self.actors[from..] {
            actor.touch().await?;
        }
        Ok(to < self.actors.capacity())
    }

    /// Lets a batch go. True while there are more.
    #[call]
    fn shrink(&mut self) -> bool {
        let rest = self.actors.len().saturating_sub(BATCH);
        self.actors.truncate(rest);
        rest > 0
    }
}

/// As many as the machine has memory for, the ceiling at the most.
pub(crate) fn affordable() -> u64 {
    let bytes = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("MemAvailable"))?;
        let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(kib << 10)
    };
    let available = bytes().unwrap_or(0).saturating_sub(SPARED_BYTES);
    let each = RESIDENT_BYTES_MAX / CEILING;
    (available / each).clamp(100_000, CEILING)
}

/// Holds `count` actors at once and prints what they take.
///
/// # Errors
/// When they take more than is claimed, or one of them does not answer.
pub(crate) fn run(count: u64, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let before = resident_bytes()?;
    let system = Fresh::new(plan);
    let workers = plan.workers as u64;
    let holders: Vec<HolderRef> = (0..workers)
        .map(|n| Holder::spawn_in(&system.0, count * (n + 1) / workers - count * n / workers))
        .collect();
    let begun = Instant::now();
    on_all(&system, &holders, |holder| async move {
        while holder.grow().no_timeout().await? {}
        anyhow::Ok(())
    })?;
    let elapsed = begun.elapsed();
    let resident = resident_bytes()?;
    anyhow::ensure!(
        alive(&system) == count,
        "{} of {count} actors are alive",
        alive(&system)
    );
    let each = (resident - before) as f64 / count as f64;
    let figure =
        |name: &str, unit, value| Figure::new(name, "vaxel", unit, Better::Lower).value(value);
    report.figure(&Figure::new("alive", "vaxel", "actors", Better::Higher).value(count as f64))?;
    report.figure(&figure("alive-memory", "B", each))?;
    report.figure(&figure("alive-resident", "GiB", gib(resident)))?;
    let nanos = elapsed.as_secs_f64() * 1e9 / count as f64;
    report.figure(&figure("alive-spawn-and-call", "ns", nanos))?;
    on_all(&system, &holders, |holder| async move {
        while holder.shrink().no_timeout().await? {}
        anyhow::Ok(())
    })?;
    drop(holders);
    let left = settled(&system)?;
    report.figure(&figure("alive-resident-after", "GiB", gib(left)))?;
    anyhow::ensure!(
        resident <= RESIDENT_BYTES_MAX,
        "{count} actors took {:.2} GiB, more than {:.0} GiB",
        gib(resident),
        gib(RESIDENT_BYTES_MAX)
    );
    Ok(())
}

/// Works on all holders side by side.
fn on_all<F>(
    system: &Fresh,
    holders: &[HolderRef],
    work: impl Fn(HolderRef) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (done, results) = std::sync::mpsc::sync_channel(holders.len());
    let running: Vec<_> = holders
        .iter()
        .map(|holder| {
            let (work, done) = (work(holder.clone()), done.clone());
            system.0.spawn_future(async move { done.send(work.await) })
        })
        .collect();
    drop(done);
    let results: Vec<_> = results.iter().collect();
    anyhow::ensure!(results.len() == running.len(), "a holder's work was lost");
    results.into_iter().collect::<anyhow::Result<()>>()
}

fn alive(system: &Fresh) -> u64 {
    let name = std::any::type_name::<Idle>();
    let types = system.0.types();
    let of_type = types.iter().find(|stats| stats.name == name);
    of_type.map_or(0, |stats| stats.alive)
}

/// Resident bytes once all are gone and the allocator has had its time to give memory back.
fn settled(system: &Fresh) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut least = resident_bytes().context("statm cannot be read")?;
    while begun.elapsed() < RETURN_LIMIT {
        std::thread::park_timeout(Duration::from_millis(500));
        let now = resident_bytes()?;
        if alive(system) == 0 && now >= least {
            break;
        }
        least = least.min(now);
    }
    Ok(least)
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}
