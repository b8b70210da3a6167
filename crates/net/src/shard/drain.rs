//! Draining: letting go of all clients without a stampede.

use std::time::Instant;

use vaxel_websocket::{CloseCode, Frame};

use super::Shard;
use crate::http_driver::HttpPhase;
use crate::io::{Entry, State};
use crate::net::Drain;
use crate::protocol::{CloseReason, Protocol};

/// A drain under way.
#[derive(Debug)]
pub(super) struct Draining {
    plan: Drain,
    start: Instant,
    next_batch: Instant,
}

impl<P: Protocol> Shard<P> {
    /// Stops accepting and asks HTTP connections to finish. A second order changes nothing.
    pub(super) fn begin_drain(&mut self, plan: Drain) {
        if self.draining.is_some() {
            return;
        }
        let now = Instant::now();
        self.draining = Some(Draining {
            plan,
            start: now,
            next_batch: now,
        });
        self.listener = None;
        self.http_phase.send_replace(HttpPhase::Finish);
        let unopened = |entry: &Entry<_>| matches!(entry.state, State::Head | State::Deferred);
        let unopened: Vec<_> = self.ids(unopened).collect();
        for id in unopened {
            self.io.fail(id, CloseReason::Drained);
        }
    }

    /// The next batch if it is due, the deadlines, and the end.
    pub(super) fn drain_step(&mut self, now: Instant) {
        let Some(Draining {
            plan,
            start,
            next_batch,
        }) = &mut self.draining
        else {
            return;
        };
        let (plan, age) = (*plan, now.duration_since(*start));
        if now >= *next_batch {
            *next_batch = now + plan.interval;
            self.close_batch(plan.batch.div_ceil(self.shard_count).max(1));
        }
        if age >= plan.http_timeout.min(plan.deadline) {
            self.http_phase.send_replace(HttpPhase::Abort);
        }
        if age >= plan.deadline {
            let left: Vec<_> = self.ids(|_| true).collect();
            for id in left {
                self.io.fail(id, CloseReason::Drained);
            }
        }
        if self.io.counters.connections_open.load() == 0 && !self.is_drained {
            self.is_drained = true;
            self.drained.add_permits(1);
        }
    }

    fn close_batch(&mut self, count: usize) {
        let batch: Vec<_> = self.ids(Entry::is_open).take(count).collect();
        for id in batch {
            let frame = Frame::close(CloseCode::SERVICE_RESTART, "drain");
            self.io.begin_close(id, Some(frame), CloseReason::Drained);
        }
    }
}
