//! Request and reply in a closed loop: each busy client asks again as soon as it is answered.

use super::Requests;
use crate::bench::sockets::{
    connection::Connection,
    lane::{Lane, Moment, Next, Task},
    script::Incoming,
};

/// First requests sent in one turn, so that the answers to the first of them are not kept waiting
/// by the sending of the last.
const STARTS_PER_TURN: usize = 256;

/// A closed loop over some clients of a lane.
#[derive(Debug)]
pub(in crate::bench::sockets) struct ClosedLoop {
    pub(in crate::bench::sockets) requests: Requests,
    busy: Vec<usize>,
    depth: usize,
    started: usize,
}

impl ClosedLoop {
    /// Keeps `depth` requests of each client in `busy` under way.
    pub(in crate::bench::sockets) fn new(busy: Vec<usize>, depth: usize) -> Self {
        Self {
            requests: Requests::new(),
            busy,
            depth,
            started: 0,
        }
    }
}

impl AsMut<Requests> for ClosedLoop {
    fn as_mut(&mut self) -> &mut Requests {
        &mut self.requests
    }
}

impl Task for ClosedLoop {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        let all = self.busy.len() * self.depth;
        for _ in 0..STARTS_PER_TURN {
            if !moment.sending || self.started == all {
                break;
            }
            let index = self.busy[self.started % self.busy.len()];
            self.started += 1;
            Requests::ask(lane, index, moment.now, self);
        }
        Ok(match self.requests.under_way {
            0 if !moment.sending => Next::Done,
            _ if moment.sending && self.started < all => Next::At(moment.now),
            _ => Next::Whenever,
        })
    }

    fn received(&mut self, lane: &mut Lane, index: usize, incoming: Incoming, moment: Moment<'_>) {
        let Incoming::Reply { number, accepted } = incoming else {
            lane.unexpected += 1;
            return;
        };
        let window = &moment.shared.window;
        let known = self
            .requests
            .answered(lane, index, (number, accepted), moment.now, window);
        if known && moment.sending {
            Requests::ask(lane, index, moment.now, self);
        }
    }

    fn lost(&mut self, _: &mut Lane, _: usize, gone: &Connection) {
        self.requests.lost(gone.outstanding.len());
    }
}
