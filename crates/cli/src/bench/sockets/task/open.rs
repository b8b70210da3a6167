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
    sent: u64,
}

impl OpenLoop {
    /// `per_second` requests a second of the clients in `busy` together.
    pub(in crate::bench::sockets) fn new(busy: Vec<usize>, per_second: f64) -> Self {
        Self {
            requests: Requests::new(),
            busy,
            per_second,
            sent: 0,
        }
    }
}

impl OpenLoop {
    /// When the next request is due.
    fn due(&self, began: u64) -> u64 {
        began + (self.sent as f64 / self.per_second * 1e9) as u64
    }

    /// Whether the next request is to be sent now. What was due within the window is sent even
    /// after its end, if this thread could not do it before: left out, it would be missing among
    /// the slowest.
    fn is_due(&self, began: u64, moment: Moment<'_>) -> bool {
        let due = self.due(began);
        let is_wanted = moment.sending || moment.shared.window.contains(due);
        !self.busy.is_empty() && is_wanted && due <= moment.now
    }
}

impl AsMut<Requests> for OpenLoop {
    fn as_mut(&mut self) -> &mut Requests {
        &mut self.requests
    }
}

impl Task for OpenLoop {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        let began = moment.shared.began_at;
        let mut burst = 0;
        while self.is_due(began, moment) && burst < BURST {
            let index = self.busy[(self.sent % self.busy.len() as u64) as usize];
            let due = self.due(began);
            self.sent += 1;
            burst += 1;
            Requests::ask(lane, index, due, self);
        }
        Ok(match self.requests.under_way {
            _ if self.busy.is_empty() && moment.sending => Next::Whenever,
            _ if moment.sending || self.is_due(began, moment) => Next::At(self.due(began)),
            0 => Next::Done,
            _ => Next::Whenever,
        })
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
