//! What one run of one case yields, and the counting it needs.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// One run: so many operations in so much time, and the single delays where the case asks for them.
#[derive(Debug)]
pub struct Sample {
    /// How many operations.
    pub operations: u64,
    /// From the first to the last.
    pub elapsed: Duration,
    /// Nanoseconds.
    pub delays: Option<Histogram<u64>>,
}

impl Sample {
    /// A run without single delays.
    pub fn new(operations: u64, elapsed: Duration) -> Self {
        Self {
            operations,
            elapsed,
            delays: None,
        }
    }

    /// Operations a second.
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// Single delays, from nanoseconds to a minute, to three digits.
#[derive(Debug)]
pub struct Delays {
    histogram: Histogram<u64>,
    started: Instant,
}

impl Default for Delays {
    fn default() -> Self {
        Self::new()
    }
}

impl Delays {
    /// None yet; the time of the whole begins to run.
    pub fn new() -> Self {
        Self {
            histogram: new_histogram(),
            started: Instant::now(),
        }
    }

    /// Notes one.
    pub fn record(&mut self, delay: Duration) {
        self.histogram.saturating_record(delay.as_nanos() as u64);
    }

    /// All of them as one run.
    pub fn finish(self) -> Sample {
        Sample {
            operations: self.histogram.len(),
            elapsed: self.started.elapsed(),
            delays: Some(self.histogram),
        }
    }
}

/// From a nanosecond to a minute, to three digits.
pub(crate) fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are valid")
}

/// Threads beyond this many share a shard; the count stays right, only slower.
const SHARDS: usize = 64;

/// A counter that many threads advance without sharing a cache line, so that counting does not
/// become what is measured.
#[derive(Debug)]
pub struct Tally {
    shards: [Shard; SHARDS],
}

#[derive(Debug)]
#[repr(align(128))]
struct Shard(AtomicU64);

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    /// At zero.
    pub const fn new() -> Self {
        Self {
            shards: [const { Shard(AtomicU64::new(0)) }; SHARDS],
        }
    }

    /// Counts one more.
    pub fn add_one(&self) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        let shard = SHARD.with(|shard| {
            if shard.get() == usize::MAX {
                shard.set(THREADS.fetch_add(1, Relaxed) % SHARDS);
            }
            shard.get()
        });
        self.shards[shard].0.fetch_add(1, Relaxed);
    }

    /// What has been counted so far.
    pub fn sum(&self) -> u64 {
        self.shards.iter().map(|shard| shard.0.load(Relaxed)).sum()
    }

    /// Blocks until the count has reached `goal`; looks every 50 µs, so that looking costs nothing.
    ///
    /// # Errors
    /// When it does not get there within a minute, which means that messages were lost.
    pub fn wait_for(&self, goal: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.sum() < goal {
            if begun.elapsed() > Duration::from_secs(60) {
                anyhow::bail!("only {} of {goal} were handled within a minute", self.sum());
            }
            std::thread::park_timeout(Duration::from_micros(50));
        }
        Ok(())
    }
}

/// Resident bytes of this process.
pub fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages = status.split_ascii_whitespace().nth(1);
    let pages: u64 = pages
        .ok_or_else(|| anyhow::anyhow!("statm has one column"))?
        .parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_across_threads() {
        let tally = Tally::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| tally.add_one()));
            }
        });
        assert_eq!(tally.sum(), 4_000);
        tally.wait_for(4_000).expect("the goal is reached already");
    }

    #[test]
    fn delays_keep_their_quantiles() {
        let mut delays = Delays::new();
        for us in 1..=100 {
            delays.record(Duration::from_micros(us));
        }
        let sample = delays.finish();
        assert_eq!(sample.operations, 100);
        let p50 = sample
            .delays
            .expect("delays were recorded")
            .value_at_quantile(0.5);
        assert!((49_900..=50_100).contains(&p50), "{p50}");
    }

    #[test]
    fn this_process_is_resident() {
        assert!(resident_bytes().expect("Linux has statm") > 100_000);
    }
}
