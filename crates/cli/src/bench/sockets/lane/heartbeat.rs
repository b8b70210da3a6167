//! Heartbeats: every client sends one each period, joined or not, evenly spread over it, as clients
//! do that connected at different times.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::bench::sockets::connection::{Connection, State};
use crate::bench::stats;

/// Heartbeats sent in one go. Behind by more, the rest follows in the next turn.
const BURST: usize = 64;

/// Heartbeats whose answer is waited for. Those of lost clients are never answered.
const UNDER_WAY_MAX: usize = 65_536;

/// The schedule and what came of it.
#[derive(Debug)]
pub(in crate::bench::sockets) struct Heartbeats {
    period: Option<u64>,
    /// Nothing is sent meanwhile.
    pub(in crate::bench::sockets) is_paused: bool,
    /// Due times are multiples of it.
    grain: u64,
    next_at: u64,
    cursor: usize,
    number: u64,
    burst: usize,
    under_way: VecDeque<(u64, u64)>,
    /// Nanoseconds from the intended time to the answer.
    pub(in crate::bench::sockets) latency: Histogram<u64>,
}

impl Heartbeats {
    /// One heartbeat of each client every `period` nanoseconds, or none at all; those of `grain`
    /// nanoseconds go out together.
    pub(super) fn every(period: Option<u64>, now: u64, grain: u64) -> Self {
        Self {
            period,
            is_paused: false,
            grain,
            next_at: now,
            cursor: 0,
            number: 0,
            burst: 0,
            under_way: VecDeque::new(),
            latency: stats::delays(),
        }
    }

    /// Ends a pause in which nobody looked at the sockets: what was due in it is due now, so that
    /// the pause is not taken for a delay of the server.
    pub(super) fn resume(&mut self, now: u64) {
        self.next_at = self.next_at.max(now);
    }

    /// The client whose heartbeat is due, and the number of it.
    pub(super) fn due(&mut self, now: u64, connections: &[Connection]) -> Option<(usize, u64)> {
        let period = self.period.filter(|_| !self.is_paused)?;
        let step = (period / connections.len().max(1) as u64).max(1);
        while self.next_at() <= now && self.burst < BURST {
            let index = self.cursor;
            self.cursor = (self.cursor + 1) % connections.len().max(1);
            let intended = self.next_at();
            self.next_at += step;
            if connections
                .get(index)
                .is_some_and(|one| matches!(one.state, State::Open | State::Joined))
            {
                self.burst += 1;
                self.number += 1;
                self.under_way.push_back((self.number, intended));
                if self.under_way.len() > UNDER_WAY_MAX {
                    self.under_way.pop_front();
                }
                return Some((index, self.number));
            }
        }
        self.burst = 0;
        None
    }

    /// When the next one is due.
    pub(super) fn next_at(&self) -> u64 {
        if self.period.is_some() && !self.is_paused {
            self.next_at.next_multiple_of(self.grain)
        } else {
            u64::MAX
        }
    }

    /// The answer to heartbeat `number` has arrived.
    pub(super) fn answered(&mut self, number: u64, now: u64) {
        let position = self.under_way.iter().position(|&(sent, _)| sent == number);
        if let Some((_, intended)) = position.and_then(|at| self.under_way.remove(at)) {
            self.latency.saturating_record(now.saturating_sub(intended));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(count: usize) -> Vec<Connection> {
        (0..count)
            .map(|_| {
                let mut connection = Connection::absent();
                connection.state = State::Joined;
                connection
            })
            .collect()
    }

    #[test]
    fn everyone_beats_once_a_period_and_evenly() {
        let connections = joined(10);
        let mut heartbeats = Heartbeats::every(Some(1_000), 0, 1);
        let mut beats = vec![0; 10];
        for now in 0..1_000 {
            while let Some((index, number)) = heartbeats.due(now, &connections) {
                beats[index] += 1;
                heartbeats.answered(number, now + 5);
            }
        }
        assert_eq!(beats, [1; 10]);
        assert_eq!(heartbeats.latency.len(), 10);
        assert_eq!(heartbeats.latency.max(), 5);
    }

    #[test]
    fn clients_beat_from_the_moment_they_are_connected() {
        let mut connections = joined(3);
        connections[1].state = State::Upgrading;
        connections[2].state = State::Open;
        let mut heartbeats = Heartbeats::every(Some(30), 0, 1);
        let beat = |heartbeats: &mut Heartbeats, now| {
            std::iter::from_fn(|| heartbeats.due(now, &connections))
                .map(|(index, _)| index)
                .collect::<Vec<_>>()
        };
        assert_eq!(beat(&mut heartbeats, 3), [0]);
        assert_eq!(beat(&mut heartbeats, 12), Vec::<usize>::new());
        assert_eq!(beat(&mut heartbeats, 20), [2]);
    }

    #[test]
    fn those_of_a_grain_go_out_together_and_are_due_together() {
        let connections = joined(4);
        let mut heartbeats = Heartbeats::every(Some(400), 10, 100);
        assert_eq!(heartbeats.due(99, &connections), None);
        assert_eq!(heartbeats.next_at(), 100);
        assert_eq!(heartbeats.due(100, &connections), Some((0, 1)));
        assert_eq!(heartbeats.due(100, &connections), None);
        assert_eq!(heartbeats.next_at(), 200);
        heartbeats.answered(1, 107);
        assert_eq!(heartbeats.latency.max(), 7);
        heartbeats.is_paused = true;
        assert_eq!(heartbeats.due(900, &connections), None);
    }

    #[test]
    fn without_a_period_there_are_none() {
        let mut heartbeats = Heartbeats::every(None, 0, 1);
        assert_eq!(heartbeats.due(1_000_000, &joined(3)), None);
        assert_eq!(heartbeats.next_at(), u64::MAX);
    }
}
