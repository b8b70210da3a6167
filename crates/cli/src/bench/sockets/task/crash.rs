//! Channels that crash: one of each lane, whose client is told and joins again.

use hdrhistogram::Histogram;

use super::State;
use crate::bench::{
    sockets::{
        connection::Connection,
        lane::{Lane, Moment, Next, Say, Task},
        script::Incoming,
    },
    stats,
};

/// Crashes a channel of the lane and joins again, a few times in a row.
#[derive(Debug)]
pub(in crate::bench::sockets) struct Crash {
    /// Nanoseconds from the message that crashes the channel to the answer of the next join.
    pub(in crate::bench::sockets) latency: Histogram<u64>,
    rest: usize,
    /// Whose channel it is, and since when.
    under_way: Option<(usize, u64)>,
}

impl Crash {
    /// So many crashes, one after the other.
    pub(in crate::bench::sockets) fn new(count: usize) -> Self {
        Self {
            latency: stats::delays(),
            rest: count,
            under_way: None,
        }
    }
}

impl Task for Crash {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        if self.under_way.is_none() && self.rest > 0 && moment.sending {
            let joined = |one: &Connection| one.state == State::Joined;
            // Each crash is somebody else's, as far as there are others.
            let from = lane.connections.len() * self.rest / (self.rest + 1);
            let found = lane.connections[from..].iter().position(joined);
            match found {
                Some(at) => {
                    self.under_way = Some((from + at, moment.now));
                    lane.say(from + at, Say::Crash, self);
                }
                None => self.rest = 0,
            }
        }
        Ok(match self.under_way {
            None if self.rest == 0 || !moment.sending => Next::Done,
            _ => Next::Whenever,
        })
    }

    fn channel_gone(&mut self, lane: &mut Lane, index: usize, _: Moment<'_>) -> bool {
        let is_meant = self.under_way.is_some_and(|(crashed, _)| crashed == index);
        if is_meant {
            lane.connections[index].state = State::Open;
            lane.say(index, Say::Join, self);
        }
        is_meant
    }

    fn received(&mut self, lane: &mut Lane, index: usize, incoming: Incoming, moment: Moment<'_>) {
        let Some((_, began)) = self.under_way.filter(|(crashed, _)| *crashed == index) else {
            lane.unexpected += 1;
            return;
        };
        if incoming == (Incoming::Joined { accepted: true }) {
            lane.connections[index].state = State::Joined;
            self.latency
                .saturating_record(moment.now.saturating_sub(began));
            self.under_way = None;
            self.rest -= 1;
            lane.count();
        }
    }

    fn lost(&mut self, _: &mut Lane, index: usize, _: &Connection) {
        self.under_way.take_if(|(crashed, _)| *crashed == index);
    }
}
