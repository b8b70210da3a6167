//! Memory for each connection: as a slope while they come, and before, during and after a storm.

use std::time::Duration;

use super::Session;
use crate::bench::{
    process,
    progress::Progress,
    sockets::{
        fleet::{Measured, Supervisor},
        task::Idle,
    },
};

/// Memory is steady when it moved by less than this part of itself between two looks, or by less
/// than a few pages.
const STEADY: f64 = 0.002;
const STEADY_BYTES: f64 = 65_536.0;
/// Looks at memory that must be steady in a row, how far apart, and at most how many.
const STEADY_LOOKS: usize = 4;
const STEADY_PAUSE: Duration = Duration::from_millis(250);
const STEADY_LOOKS_MAX: usize = 60;

/// The server's memory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench::sockets) struct Memory {
    /// Anonymous memory of the server's process.
    pub(in crate::bench::sockets) user_bytes: u64,
    /// Slabs of the machine's kernel, the clients' ends included when they are on it.
    pub(in crate::bench::sockets) slab_bytes: u64,
}

/// The server's memory while its clients came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench::sockets) struct Growth {
    /// Before the first.
    nobody: Memory,
    /// With the first of them joined, mostly a tenth.
    few: Memory,
    /// With the first of them joined and the rest connected.
    connected: Memory,
    /// With all of them joined.
    joined: Memory,
    /// How many there are, and how many the first are.
    total: usize,
    first: usize,
}

impl Growth {
    /// Bytes for one connection more, by name.
    ///
    /// A slope from a tenth of the connections to all, since what a server takes for its first
    /// ones is not the price of another.
    pub(in crate::bench::sockets) fn slopes(&self) -> [(&'static str, f64); 3] {
        let slope = |from: u64, to: u64| (to as f64 - from as f64) / self.more();
        let (few, connected, joined) = (self.few, self.connected, self.joined);
        [
            (
                "memory-connected",
                slope(few.user_bytes, connected.user_bytes),
            ),
            ("memory-joined", slope(few.user_bytes, joined.user_bytes)),
            ("memory-kernel", slope(few.slab_bytes, joined.slab_bytes)),
        ]
    }

    /// All that the server's process has taken since before the first connection, and the slabs
    /// of the machine, in bytes.
    pub(in crate::bench::sockets) fn whole(&self) -> (u64, u64) {
        let (nobody, joined) = (self.nobody, self.joined);
        (
            joined.user_bytes,
            joined.slab_bytes.saturating_sub(nobody.slab_bytes),
        )
    }

    /// How many connections the slopes are over.
    pub(in crate::bench::sockets) fn more(&self) -> f64 {
        self.total.saturating_sub(self.first).max(1) as f64
    }

    /// All that the server's process took since before the first connection, for each of them.
    fn for_each(&self, user_bytes: u64) -> f64 {
        (user_bytes as f64 - self.nobody.user_bytes as f64) / self.total as f64
    }
}

/// How connecting and joining went.
#[derive(Debug, Clone)]
pub(in crate::bench::sockets) struct Opening {
    pub(in crate::bench::sockets) connected: Measured,
    pub(in crate::bench::sockets) joined: Measured,
    /// When it was asked for and the server's process is known.
    pub(in crate::bench::sockets) growth: Option<Growth>,
}

/// How a storm went.
#[derive(Debug, Clone)]
pub(in crate::bench::sockets) struct Storm {
    pub(in crate::bench::sockets) measured: Measured,
    /// Bytes for each connection, by name, and the ratio of after to before. Before is when
    /// everybody had joined and nobody had said a word.
    pub(in crate::bench::sockets) memory: Option<([(&'static str, f64); 3], f64)>,
}

impl Session {
    /// Connects and joins `total` clients: a tenth first when their memory is asked for.
    pub(in crate::bench::sockets) fn open_up(
        &mut self,
        total: usize,
        wants_memory: bool,
    ) -> anyhow::Result<Opening> {
        let first = (total / 10).max(1);
        self.open_up_after(wants_memory.then_some(first), total)
    }

    /// The same with `first` clients before the others, when their memory is asked for.
    pub(in crate::bench::sockets) fn open_up_after(
        &mut self,
        first: Option<usize>,
        total: usize,
    ) -> anyhow::Result<Opening> {
        let nobody = if first.is_some() {
            self.memory()?
        } else {
            None
        };
        let Some((nobody, first)) = nobody.zip(first) else {
            let connected = self.connect(total)?;
            let joined = self.join()?;
            return Ok(Opening {
                connected,
                joined,
                growth: None,
            });
        };
        self.connect(first)?;
        self.join()?;
        let few = self.memory()?;
        let connected = self.connect(total)?;
        let open = self.memory()?;
        let joined = self.join()?;
        let all = self.memory()?;
        self.growth = few
            .zip(open)
            .zip(all)
            .map(|((few, connected), joined)| Growth {
                nobody,
                few,
                connected,
                joined,
                total,
                first,
            });
        Ok(Opening {
            connected,
            joined,
            growth: self.growth,
        })
    }

    /// Everybody asks `depth` things at once, for as long as a measurement takes.
    pub(in crate::bench::sockets) fn storm(&mut self, depth: usize) -> anyhow::Result<Storm> {
        let (total, server) = (self.fleet.members(), self.server.clone());
        let mut peak = 0;
        let measured = self.requests_closed(total, depth, || {
            let now = server
                .as_ref()
                .and_then(|server| server.memory_bytes().ok());
            peak = peak.max(now.unwrap_or(0));
        })?;
        let after = self.memory()?;
        let memory = self.growth.zip(after).map(|(growth, after)| {
            let before = growth.for_each(growth.joined.user_bytes);
            let (peak, after) = (growth.for_each(peak), growth.for_each(after.user_bytes));
            let bytes = [
                ("storm-memory-before", before),
                ("storm-memory-peak", peak),
                ("storm-memory-after", after),
            ];
            (bytes, after / before)
        });
        Ok(Storm { measured, memory })
    }

    /// Waits, with heartbeats going on, until the server's memory is steady, and reads it. None
    /// when the process is not known.
    pub(in crate::bench::sockets) fn memory(&mut self) -> anyhow::Result<Option<Memory>> {
        let Some(server) = self.server.clone() else {
            return Ok(None);
        };
        let mut progress = Progress::new("memory settles", 0);
        let settle = |supervisor: &Supervisor<'_>| {
            let (mut steady, mut last) = (0, server.memory_bytes()? as f64);
            for _ in 0..STEADY_LOOKS_MAX {
                supervisor.linger(STEADY_PAUSE, &mut progress, || {})?;
                let now = server.memory_bytes()? as f64;
                let is_steady = (now - last).abs() <= (last * STEADY).max(STEADY_BYTES);
                steady = if is_steady { steady + 1 } else { 0 };
                last = now;
                if steady == STEADY_LOOKS {
                    break;
                }
            }
            Ok(Memory {
                user_bytes: last as u64,
                slab_bytes: process::slab_bytes()?,
            })
        };
        let (memory, ..) = self.fleet.run(|_| Idle, settle)?;
        self.note_losses();
        Ok(Some(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(user_bytes: u64, slab_bytes: u64) -> Memory {
        Memory {
            user_bytes,
            slab_bytes,
        }
    }

    #[test]
    fn slopes_leave_out_the_first_tenth() {
        let growth = Growth {
            nobody: memory(1_000, 0),
            few: memory(50_000, 10_000),
            connected: memory(50_900, 14_000),
            joined: memory(54_500, 19_000),
            total: 100,
            first: 10,
        };
        let slopes = growth.slopes().map(|(_, bytes)| bytes);
        assert_eq!(slopes, [10.0, 50.0, 100.0]);
        assert_eq!(growth.for_each(51_000), 500.0);
    }
}
