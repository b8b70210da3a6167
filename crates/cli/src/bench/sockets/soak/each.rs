//! Each kind of bad client alone: what it does to the delay of the good ones.
//!
//! Calm and mischief take turns, so that a drift of the machine meets both. The bad clients yield
//! to the good ones, which share a core with them and are not what is measured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Mischief, Soak};
use crate::bench::{
    interrupt, process, progress,
    report::{Contest, Report},
    sockets::suite::p99_millis,
    stats::Comparison,
};

/// Nobody else's p99 may move by more than half.
const GOAL: f64 = 1.5;
/// How long a kind is at it before it is measured.
const LEAD: Duration = Duration::from_millis(500);

impl Soak<'_> {
    /// Measures every kind in `pairs` pairs of calm and mischief.
    pub(super) fn each(&mut self, pairs: u32, report: &mut Report) -> anyhow::Result<()> {
        report.heading("p99 of requests, calm and beside each kind of bad client")?;
        for kind in Mischief::ALL {
            let (mut calm, mut beside) = (vec![self.p99()?], Vec::new());
            for pair in 0..pairs {
                progress::set_context(format!("{}, {} of {pairs}: ", kind.name(), pair + 1));
                beside.push(self.p99_beside(kind, report)?);
                calm.push(self.p99()?);
            }
            let pairs: Vec<(f64, f64)> = beside.iter().copied().zip(calm.iter().copied()).collect();
            let control: Vec<(f64, f64)> = calm.windows(2).map(|two| (two[1], two[0])).collect();
            report.contest(&Contest {
                case: kind.name(),
                unit: "ms",
                ours: ("beside", &beside),
                theirs: ("calm", &calm),
                comparison: Comparison::of_pairs(&pairs, &control),
                goal: GOAL,
            })?;
        }
        progress::set_context("");
        Ok(())
    }

    fn p99(&mut self) -> anyhow::Result<f64> {
        let clients = self.args.clients as usize;
        let asked = self
            .session
            .requests_open(clients, self.args.requests_per_second)?;
        Ok(p99_millis(&asked.latency))
    }

    fn p99_beside(&mut self, kind: Mischief, report: &mut Report) -> anyhow::Result<f64> {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, stopped) = (self.server.address(), Arc::clone(&stop));
        let bad = thread::spawn(move || {
            // Refused means that the good clients share their core with equals.
            let _ = process::yield_to_others();
            kind.commit(address, &stopped)
        });
        let outcome = interrupt::pause(LEAD).and_then(|()| self.p99());
        stop.store(true, Ordering::Relaxed);
        let seen = bad
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        kind.judge(&seen, report)?;
        outcome
    }
}
