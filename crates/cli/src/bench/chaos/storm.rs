//! Killing and calling at once, for a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::sync_channel,
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use hdrhistogram::Histogram;
use vaxel::{CallError, System};
use vaxel_bench_rows::Delays;

use super::member::{MemberRef, Tree};
use crate::bench::{interrupt, report::Quantiles};

pub(super) struct Storm {
    pub(super) seconds: u64,
    pub(super) seed: u64,
    pub(super) kills_per_second: u64,
    pub(super) callers: u64,
}

/// What came of one storm.
pub(super) struct Seen {
    pub(super) hit: u64,
    pub(super) restarts: u64,
    pub(super) calls: u64,
    /// Calls that ended with the crash of their callee.
    pub(super) crashed: u64,
    /// Calls that ended otherwise than by an answer or a crash, by what they said.
    odd: Vec<String>,
    delays: Histogram<u64>,
}

/// One caller's part.
struct Heard {
    calls: u64,
    crashed: u64,
    odd: Vec<String>,
    delays: Delays,
}

/// A caller that has not ended so long after the storm waits for a call without an end.
const PATIENCE: Duration = Duration::from_secs(20);

/// No caller waits for a slow answer.
const NOBODY: usize = usize::MAX;

/// So many hits find a caller waiting, or the storm has missed what it is for.
const HITS_FOR_A_CRASHED_CALL: u64 = 1_000;

/// What is kept of odd endings; one is too many already.
const ODD_MAX: usize = 5;

impl Storm {
    pub(super) fn run(&self, system: &System, tree: &Tree) -> anyhow::Result<Seen> {
        let stop = Arc::new(AtomicBool::new(false));
        let members: Arc<[MemberRef]> = tree.members.clone().into();
        let busy: Arc<[AtomicUsize]> = (0..self.callers)
            .map(|_| AtomicUsize::new(NOBODY))
            .collect();
        let before = Tree::begun();
        let (heard, hearing) = sync_channel(self.callers as usize);
        let running: Vec<_> = (0..self.callers)
            .map(|caller| {
                let (members, stop, heard) = (members.clone(), stop.clone(), heard.clone());
                let busy = busy.clone();
                let dice = Dice(self.seed ^ (caller + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                system.spawn_future(async move {
                    let busy = &busy[caller as usize];
                    let _ = heard.send(call_without_pause(&members, dice, busy, &stop).await);
                })
            })
            .collect();
        let hit = self.kill(&members, &busy);
        stop.store(true, Relaxed);
        let mut seen = Seen::new(hit?);
        for _ in 0..self.callers {
            let heard = hearing
                .recv_timeout(PATIENCE)
                .context("a caller has not ended: a call has no end")?;
            seen.add(heard);
        }
        drop(running);
        tree.wait_until_whole()?;
        seen.restarts = Tree::begun() - before;
        Ok(seen)
    }

    /// Hits at a fixed rate, every fourth time somebody whose caller waits; how many were hit.
    fn kill(&self, members: &[MemberRef], busy: &[AtomicUsize]) -> anyhow::Result<u64> {
        let mut dice = Dice(self.seed);
        let (begun, mut hit) = (Instant::now(), 0);
        let total = self.seconds * self.kills_per_second;
        let interval = Duration::from_secs(1) / self.kills_per_second as u32;
        while hit < total {
            let due = begun + interval * hit as u32;
            let now = Instant::now();
            if now < due {
                interrupt::pause(due - now)?;
                continue;
            }
            let by_chance = dice.roll(members.len());
            let waited_for = match hit % 4 {
                0 => busy[dice.roll(busy.len())].load(Relaxed),
                _ => NOBODY,
            };
            let member = members.get(waited_for).unwrap_or(&members[by_chance]);
            if hit % 2 == 0 {
                member.kill();
            } else {
                // One with a full mailbox has been hit enough.
                let _ = member.crash();
            }
            hit += 1;
        }
        Ok(hit)
    }
}

async fn call_without_pause(
    members: &[MemberRef],
    mut dice: Dice,
    busy: &AtomicUsize,
    stop: &AtomicBool,
) -> Heard {
    let mut heard = Heard {
        calls: 0,
        crashed: 0,
        odd: Vec::new(),
        delays: Delays::new(),
    };
    while !stop.load(Relaxed) {
        let callee = dice.roll(members.len());
        let member = &members[callee];
        let begun = Instant::now();
        let answer = if heard.calls.is_multiple_of(64) {
            busy.store(callee, Relaxed);
            let answer = member.work_slowly().await;
            busy.store(NOBODY, Relaxed);
            answer
        } else {
            member.work().await
        };
        heard.delays.record(begun.elapsed());
        heard.calls += 1;
        match answer {
            Ok(_) => {}
            Err(CallError::Crashed(_)) => heard.crashed += 1,
            Err(odd) if heard.odd.len() < ODD_MAX => heard.odd.push(odd.to_string()),
            Err(_) => {}
        }
        if heard.calls.is_multiple_of(16) {
            // Others are to have their turn: a caller that is answered at once never waits.
            vaxel::time::sleep(Duration::from_millis(1)).await;
        }
    }
    heard
}

impl Seen {
    fn new(hit: u64) -> Self {
        Seen {
            hit,
            restarts: 0,
            calls: 0,
            crashed: 0,
            odd: Vec::new(),
            delays: Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds"),
        }
    }

    fn add(&mut self, heard: Heard) {
        self.calls += heard.calls;
        self.crashed += heard.crashed;
        self.odd.extend(heard.odd);
        if let Some(delays) = heard.delays.finish().delays {
            self.delays
                .add(delays)
                .expect("all histograms have the same bounds");
        }
    }

    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        Quantiles::of(&self.delays, 1e3)
    }

    pub(super) fn p99_us(&self) -> f64 {
        self.delays.value_at_quantile(0.99) as f64 / 1e3
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints: Vec<_> = self
            .odd
            .iter()
            .map(|odd| format!("a call: {odd}"))
            .collect();
        // A panic and its restart are rarely outpaced by the next hit on the same actor.
        if self.restarts < self.hit * 9 / 10 {
            complaints.push(format!(
                "{} hits led to {} restarts only",
                self.hit, self.restarts
            ));
        }
        if self.crashed == 0 && self.hit >= HITS_FOR_A_CRASHED_CALL {
            complaints.push("no hit ended a call that was under way".to_owned());
        }
        if self.calls == 0 {
            complaints.push("nobody called".to_owned());
        }
        complaints
    }
}

/// Numbers that look random, the same for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}
