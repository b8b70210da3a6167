//! What clients do: one task per phase, one value of it per lane.

mod broadcast;
mod closed;
mod crash;
mod open;
mod setup;

use hdrhistogram::Histogram;

pub(super) use self::{
    broadcast::{Broadcast, Pace},
    closed::ClosedLoop,
    crash::Crash,
    open::OpenLoop,
    setup::{Connect, Idle, Join},
};
use super::{
    connection::{Outstanding, State},
    lane::{Lane, Say, Task},
    shared::Window,
};
use crate::bench::stats;

/// Requests sent and what became of them.
#[derive(Debug)]
pub(super) struct Requests {
    /// Nanoseconds from the intended time of a request within the window to its answer.
    pub(super) latency: Histogram<u64>,
    /// Answers that said anything but `ok`.
    pub(super) refused: u64,
    /// Answers to nothing that was asked.
    pub(super) strange: u64,
    /// Requests without an answer yet.
    pub(super) under_way: u64,
    /// Requests whose connection was lost.
    pub(super) lost: u64,
    number: u64,
}

impl Requests {
    fn new() -> Self {
        let latency = stats::delays();
        Self {
            latency,
            refused: 0,
            strange: 0,
            under_way: 0,
            lost: 0,
            number: 0,
        }
    }

    /// Sends the next request on connection `index`, meant for `intended`. The task is told if
    /// the connection breaks, and so must count the request as lost.
    fn ask(lane: &mut Lane, index: usize, intended: u64, task: &mut (impl Task + AsMut<Self>)) {
        if lane.connections[index].state != State::Joined {
            return;
        }
        let requests = task.as_mut();
        requests.number += 1;
        requests.under_way += 1;
        let number = requests.number;
        lane.connections[index]
            .outstanding
            .push_back(Outstanding { number, intended });
        lane.say(index, Say::Request(number), task);
    }

    /// Takes an answer. False when nobody had asked.
    fn answered(
        &mut self,
        lane: &mut Lane,
        index: usize,
        answer: (u64, bool),
        now: u64,
        window: &Window,
    ) -> bool {
        let (number, accepted) = answer;
        let Some(request) = lane.connections[index].answered(number) else {
            self.strange += 1;
            return false;
        };
        self.under_way -= 1;
        self.refused += u64::from(!accepted);
        lane.count();
        if window.contains(request.intended) {
            self.latency
                .saturating_record(now.saturating_sub(request.intended));
        }
        true
    }

    fn lost(&mut self, unanswered: usize) {
        self.under_way -= unanswered as u64;
        self.lost += unanswered as u64;
    }
}

/// `count` of the joined clients of a lane, evenly spread over all of them, so that they are no
/// neighbours in anybody's memory.
pub(super) fn spread(lane: &Lane, count: usize) -> Vec<usize> {
    let joined: Vec<usize> = (0..lane.connections.len())
        .filter(|&index| lane.connections[index].state == State::Joined)
        .collect();
    let count = count.min(joined.len());
    (0..count)
        .map(|step| joined[step * joined.len() / count])
        .collect()
}

/// The share of lane `index` when `total` is dealt out to `lanes`.
pub(super) fn share(total: usize, index: usize, lanes: usize) -> usize {
    total / lanes + usize::from(index < total % lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (total, lanes) in [(10, 3), (1, 4), (0, 2), (18_000, 7)] {
            let sum: usize = (0..lanes).map(|index| share(total, index, lanes)).sum();
            assert_eq!(sum, total);
        }
    }
}
