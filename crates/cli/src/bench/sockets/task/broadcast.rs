//! One speaks, all listen: broadcasts at a rate or as fast as they arrive, and the proof that
//! every one of them reached every member exactly once.

use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;

use super::State;
use crate::bench::sockets::{
    connection::Connection,
    lane::{Lane, Moment, Next, Say, Task},
    script::Incoming,
    seen::{Delivery, Seen},
    shared::{Board, Shared},
};
use crate::bench::stats;

/// When the next broadcast is due.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench::sockets) enum Pace {
    /// So many a second, each due at its time whatever became of the one before, and so many
    /// altogether.
    Rate { per_second: f64, count: u64 },
    /// As soon as fewer than so many are under way.
    UnderWay(u64),
}

/// One lane's part in the broadcasts. Lane 0 sends; all lanes count.
#[derive(Debug)]
pub(in crate::bench::sockets) struct Broadcast {
    /// Nanoseconds from the intended time of a broadcast within the window to each delivery.
    pub(in crate::bench::sockets) latency: Histogram<u64>,
    /// Deliveries that never came.
    pub(in crate::bench::sockets) missing: u64,
    /// Deliveries that came twice.
    pub(in crate::bench::sockets) repeated: u64,
    /// Whether nothing arrived any more.
    pub(in crate::bench::sockets) is_stalled: bool,
    pace: Pace,
    base: u64,
    began: Option<u64>,
    progress_at: u64,
    progress: u64,
    speaker: usize,
    members_lost: u64,
}

impl Broadcast {
    /// Numbers go on from `base`, the last one of the phase before.
    pub(in crate::bench::sockets) fn new(pace: Pace, base: u64, lane: &mut Lane) -> Self {
        for connection in &mut lane.connections {
            connection.seen = Seen::up_to(base);
        }
        Self {
            latency: stats::delays(),
            missing: 0,
            repeated: 0,
            is_stalled: false,
            pace,
            base,
            began: None,
            progress_at: 0,
            progress: base,
            speaker: 0,
            members_lost: 0,
        }
    }

    /// After the end of the phase: adds what every client of the lane still misses.
    pub(in crate::bench::sockets) fn settle(&mut self, lane: &Lane, shared: &Shared) {
        let sent = shared.board.sent.load(Relaxed);
        for connection in &lane.connections {
            if connection.state == State::Joined {
                self.missing += connection.seen.missing_until(sent);
            }
        }
    }

    /// The time the next broadcast is due at, if there is to be one now or later.
    fn due(&self, board: &Board, under_way: u64, now: u64, began: u64) -> Option<u64> {
        let sent = board.sent.load(Relaxed) - self.base;
        match self.pace {
            _ if under_way >= Board::SLOTS => None,
            Pace::Rate { count, .. } if sent >= count => None,
            Pace::Rate { per_second, .. } => Some(began + (sent as f64 / per_second * 1e9) as u64),
            Pace::UnderWay(limit) => (under_way < limit).then_some(now),
        }
    }

    fn send(&mut self, lane: &mut Lane, board: &Board, intended: u64) {
        let number = board.sent.load(Relaxed) + 1;
        let count = lane.connections.len();
        for step in 0..count {
            let index = (self.speaker + step) % count;
            if lane.connections[index].state == State::Joined {
                self.speaker = index + 1;
                board.begin(number, intended);
                lane.say(index, Say::Broadcast(number), self);
                return;
            }
        }
    }

    /// Notes when the last broadcast was completed, and whether that is too long ago.
    fn watch(&mut self, shared: &Shared, now: u64) {
        let board = &shared.board;
        let complete = board.complete.load(Relaxed);
        if complete != self.progress || self.progress_at == 0 {
            self.progress = complete;
            self.progress_at = now;
        }
        let waits = board.sent.load(Relaxed) > complete;
        self.is_stalled = waits && now > self.progress_at + shared.patience;
    }
}

impl Task for Broadcast {
    fn turn(&mut self, lane: &mut Lane, moment: Moment<'_>) -> anyhow::Result<Next> {
        let board = &moment.shared.board;
        board
            .members
            .fetch_sub(std::mem::take(&mut self.members_lost), Relaxed);
        if lane.index != 0 {
            let is_over =
                !moment.sending && board.complete.load(Relaxed) == board.sent.load(Relaxed);
            return Ok(if is_over { Next::Done } else { Next::Whenever });
        }
        let began = *self.began.get_or_insert(moment.now);
        let mut under_way = board.under_way();
        self.watch(moment.shared, moment.now);
        if self.is_stalled || (!moment.sending && under_way == 0) {
            return Ok(Next::Done);
        }
        if moment.sending {
            while let Some(due) = self.due(board, under_way, moment.now, began) {
                if due > moment.now {
                    return Ok(Next::At(due));
                }
                self.send(lane, board, due);
                under_way += 1;
            }
        }
        // Other lanes complete broadcasts without a word to this one.
        let is_alone = moment.shared.lanes.len() == 1;
        Ok(if is_alone {
            Next::Whenever
        } else {
            Next::At(moment.now + 100_000)
        })
    }

    fn received(&mut self, lane: &mut Lane, index: usize, incoming: Incoming, moment: Moment<'_>) {
        let Incoming::Broadcast { number } = incoming else {
            lane.unexpected += 1;
            return;
        };
        if number > moment.shared.board.sent.load(Relaxed) {
            lane.unexpected += 1;
            return;
        }
        match lane.connections[index].seen.take(number) {
            Delivery::Repeated => {
                self.repeated += 1;
                return;
            }
            Delivery::First { given_up } => self.missing += given_up,
        }
        let intended = moment.shared.board.deliver(number);
        if moment.shared.window.contains(intended) {
            self.latency
                .saturating_record(moment.now.saturating_sub(intended));
        }
        lane.count();
    }

    fn lost(&mut self, _: &mut Lane, _: usize, gone: &Connection) {
        self.members_lost += u64::from(gone.state == State::Joined);
    }
}
