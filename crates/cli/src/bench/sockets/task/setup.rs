//! Getting there: connect, join, and staying without a word.

use anyhow::{Context, bail};
use hdrhistogram::Histogram;

use super::State;
use crate::bench::sockets::{
    connection::Connection,
    lane::{Lane, Moment, Next, Say, Task},
    script::Incoming,
};
use crate::bench::stats;

/// Connects clients and upgrades them, a bounded number at a time.
#[derive(Debug)]
pub(in crate::bench::sockets) struct Connect {
    /// Nanoseconds from the first packet to the answer of the upgrade.
    pub(in crate::bench::sockets) latency: Histogram<u64>,
    /// Attempts that had to be repeated.
    pub(in crate::bench::sockets) retried: usize,
    next: usize,
    end: usize,
    again: Vec<usize>,
    in_flight: usize,
    in_flight_max: usize,
    per_second: Option<f64>,
    began: Option<u64>,
    started: u64,
    opened: usize,
}

impl Connect {
    /// Connects the clients from `next` up to `end` of the lane, at most `in_flight_max` at once
    /// and at most `per_second` a second.
    pub(in crate::bench::sockets) fn new(
        next: usize,
        end: usize,
        in_flight_max: usize,
        per_second: Option<f64>,
    ) -> Self {
        Self {
            latency: stats::delays(),
            retried: 0,
            next,
            end,
            again: Vec::new(),
            in_flight: 0,
            in_flight_max,
            per_second,
            began: None,
            started: 0,
            opened: 0,
        }
    }

    /// When the next attempt is allowed.
    fn allowed_at(&self, began: u64) -> u64 {
        self.per_second
            .map_or(0, |rate| began + (self.started as f64 / rate * 1e9) as u64)
    }

    fn give_up(&self, lane: &Lane) -> anyhow::Result<()> {
        let hopeless = self.opened == 0 && self.retried > 3;
        if hopeless || self.retried > 10 + self.end / 20 {
            let reason = lane.first_loss.as_deref().unwrap_or("unknown");
            bail!(
                "{} attempts to connect failed, the first one so: {reason}",
                self.retried
            );
        }
        Ok(())
    }
}

impl Task for Connect {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        self.give_up(lane)?;
        let began = *self.began.get_or_insert(moment.now);
        while moment.sending && self.in_flight < self.in_flight_max {
            let allowed_at = self.allowed_at(began);
            if allowed_at > moment.now {
                return Ok(Next::At(allowed_at));
            }
            let Some(index) = self.again.pop().or_else(|| {
                let index = self.next;
                self.next += usize::from(index < self.end);
                (index < self.end).then_some(index)
            }) else {
                break;
            };
            lane.open(index).context("cannot make another socket")?;
            self.started += 1;
            self.in_flight += 1;
        }
        Ok(if self.in_flight == 0 {
            Next::Done
        } else {
            Next::Whenever
        })
    }

    fn opened(&mut self, lane: &mut Lane, index: usize, moment: Moment<'_>) {
        self.in_flight -= 1;
        self.opened += 1;
        lane.count();
        let began = lane.connections[index].began;
        self.latency
            .saturating_record(moment.now.saturating_sub(began));
    }

    fn lost(&mut self, lane: &mut Lane, index: usize, gone: &Connection) {
        if matches!(gone.state, State::Connecting | State::Upgrading) {
            // Not a loss yet: it is tried again.
            lane.lost -= 1;
            self.in_flight -= 1;
            self.retried += 1;
            self.again.push(index);
        }
    }
}

/// Joins every open client to the topic, a bounded number at a time.
#[derive(Debug)]
pub(in crate::bench::sockets) struct Join {
    /// Nanoseconds from the join to its answer.
    pub(in crate::bench::sockets) latency: Histogram<u64>,
    next: usize,
    in_flight: usize,
    in_flight_max: usize,
}

impl Join {
    /// At most `in_flight_max` joins of this lane wait for their answer.
    pub(in crate::bench::sockets) fn new(in_flight_max: usize) -> Self {
        Self {
            latency: stats::delays(),
            next: 0,
            in_flight: 0,
            in_flight_max,
        }
    }
}

impl Task for Join {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        if let Some(refusal) = &lane.first_refusal {
            bail!("the server refused a join: {refusal}");
        }
        while moment.sending && self.in_flight < self.in_flight_max {
            let Some(connection) = lane.connections.get_mut(self.next) else {
                break;
            };
            let index = self.next;
            self.next += 1;
            if connection.state == State::Open {
                connection.began = moment.now;
                self.in_flight += 1;
                lane.say(index, Say::Join, self);
            }
        }
        let is_done = self.in_flight == 0 && self.next == lane.connections.len();
        Ok(if is_done { Next::Done } else { Next::Whenever })
    }

    fn received(&mut self, lane: &mut Lane, index: usize, incoming: Incoming, moment: Moment<'_>) {
        let connection = &mut lane.connections[index];
        if incoming == (Incoming::Joined { accepted: true }) && connection.state == State::Open {
            connection.state = State::Joined;
            self.in_flight -= 1;
            self.latency
                .saturating_record(moment.now.saturating_sub(connection.began));
            lane.count();
        }
    }

    fn lost(&mut self, _: &mut Lane, index: usize, gone: &Connection) {
        let was_asked = gone.state == State::Open && index < self.next;
        self.in_flight -= usize::from(was_asked);
    }
}

/// Does nothing but let heartbeats go on.
#[derive(Debug)]
pub(in crate::bench::sockets) struct Idle;

impl Task for Idle {
    fn turn(&mut self, _: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        Ok(if moment.sending {
            Next::Whenever
        } else {
            Next::Done
        })
    }
}
