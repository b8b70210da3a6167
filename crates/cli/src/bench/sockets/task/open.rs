//! Request and reply in an open loop: requests are due at fixed times, whatever becomes of the
//! answers. A server that falls behind is charged from the time a request was due, not from the
//! time it could be sent.

use super::Requests;
use crate::bench::sockets::{
    connection::Connection,
    lane::{Lane, Moment, Next, Task},
    script::Incoming,
};

/// Requests sent in one turn when behind, so that answers are read in between.
const BURST: usize = 256;

/// An open loop over some clients of a lane, in turn.
#[derive(Debug)]
pub(in crate::bench::sockets) struct OpenLoop {
    pub(in crate::bench::sockets) requests: Requests,
    busy: Vec<usize>,
    per_second: f64,
    began: Option<u64>,
    sent: u64,
}

impl OpenLoop {
    /// `per_second` requests a second of the clients in `busy` together.
    pub(in crate::bench::sockets) fn new(busy: Vec<usize>, per_second: f64) -> Self {
        Self {
            requests: Requests::new(),
            busy,
            per_second,
            began: None,
            sent: 0,
        }
    }
}

impl AsMut<Requests> for OpenLoop {
    fn as_mut(&mut self) -> &mut Requests {
        &mut self.requests
    }
}

impl Task for OpenLoop {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        if !moment.sending {
            let is_done = self.requests.under_way == 0;
            return Ok(if is_done { Next::Done } else { Next::Whenever });
        }
        if self.busy.is_empty() {
            return Ok(Next::Whenever);
        }
        let began = *self.began.get_or_insert(moment.now);
        let due = |sent: u64| began + (sent as f64 / self.per_second * 1e9) as u64;
        let (mut next_at, mut burst) = (due(self.sent), 0);
        while next_at <= moment.now && burst < BURST {
            let index = self.busy[(self.sent % self.busy.len() as u64) as usize];
            self.sent += 1;
            burst += 1;
            Requests::ask(lane, index, next_at, self);
            next_at = began + (self.sent as f64 / self.per_second * 1e9) as u64;
        }
        Ok(Next::At(next_at))
    }

    fn received(&mut self, lane: &mut Lane, index: usize, incoming: Incoming, moment: Moment<'_>) {
        let Incoming::Reply { number, accepted } = incoming else {
            lane.unexpected += 1;
            return;
        };
        let window = &moment.shared.window;
        self.requests
            .answered(lane, index, (number, accepted), moment.now, window);
    }

    fn lost(&mut self, _: &mut Lane, _: usize, gone: &Connection) {
        self.requests.lost(gone.outstanding.len());
    }
}
