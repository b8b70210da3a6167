//! Time-outs, by a rolling scan instead of a timer for each connection.

use std::time::{Duration, Instant};

use vaxel_websocket::{CloseCode, Frame};

use super::{RESUME_INTERVAL, RESUMED_WITH_MAIL_MAX, Shard};
use crate::io::{ConnectionId, Entry, State};
use crate::limits::Limits;
use crate::protocol::{CloseReason, Protocol};

/// Ticks in which the whole table is scanned once, so how many ticks a time-out may be late.
const TICKS_PER_SCAN: u32 = 8;

/// A coarse clock and the position of the scan.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    tick: Duration,
    cursor: usize,
    handshake_ticks: u32,
    idle_ticks: u32,
    message_ticks: u32,
    close_ticks: u32,
    second_ticks: u32,
}

impl Clock {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            start: Instant::now(),
            tick: limits.tick(),
            cursor: 0,
            handshake_ticks: limits.ticks(limits.handshake_timeout),
            idle_ticks: limits.ticks(limits.idle_timeout),
            message_ticks: limits.ticks(limits.message_timeout),
            close_ticks: limits.ticks(limits.close_timeout),
            second_ticks: second_ticks(limits),
        }
    }

    /// Ticks since the start, modulo 2³².
    fn ticks(&self, now: Instant) -> u32 {
        (now.duration_since(self.start).as_nanos() / self.tick.as_nanos()) as u32
    }
}

/// Ticks of a second.
fn second_ticks(limits: &Limits) -> u32 {
    let ticks = Duration::from_secs(1).as_nanos() / limits.tick().as_nanos();
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

impl<P: Protocol> Shard<P> {
    /// Whether two ticks belong to the same second.
    pub(super) fn is_same_second(&self, one: u32, other: u32) -> bool {
        one / self.clock.second_ticks == other / self.clock.second_ticks
    }

    /// When the shard has to look up even if nothing happens.
    pub(super) fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let into_tick =
            now.duration_since(self.clock.start).as_nanos() % self.clock.tick.as_nanos();
        let tick = now + self.clock.tick - Duration::from_nanos(into_tick as u64);
        if self.io.resumable.is_empty() {
            tick
        } else {
            tick.min(self.resumed_at + RESUME_INTERVAL)
        }
    }

    /// Whether kept input is to be offered again: when it is time, and, while few have some, also
    /// with every mail, since answers mean that mailboxes have room again, and a deferred request
    /// is accepted by mail.
    pub(super) fn is_resume_due(&self, now: Instant, has_mail: bool) -> bool {
        let kept = self.io.resumable.len();
        let is_time = now >= self.resumed_at + RESUME_INTERVAL;
        kept > 0 && (is_time || (has_mail && kept <= RESUMED_WITH_MAIL_MAX))
    }

    /// Advances the clock; with each tick goes one part of the scan.
    pub(super) fn tick(&mut self, protocol: &P, now: Instant) {
        let ticks = self.clock.ticks(now);
        let passed = ticks.wrapping_sub(self.io.now);
        if passed == 0 {
            return;
        }
        let is_same_second = self.is_same_second(self.io.now, ticks);
        self.io.now = ticks;
        if !is_same_second {
            self.end_throttles();
        }
        if let (Some(listener), true) = (&self.listener, self.is_listener_resting) {
            self.is_listener_resting = self.io.poll.listen(listener, true).is_err();
        }
        let slots = self.io.table.capacity();
        let part = slots.div_ceil(TICKS_PER_SCAN as usize) * passed.min(TICKS_PER_SCAN) as usize;
        for _ in 0..part.min(slots) {
            self.clock.cursor += 1;
            if self.clock.cursor >= slots {
                self.clock.cursor = 0;
            }
            self.check_timeouts(protocol, self.clock.cursor);
        }
    }

    fn idle_ticks(&self, protocol: &P, entry: &Entry<P::Session>) -> u32 {
        let session = entry.session.as_ref();
        let own = session.and_then(|session| protocol.idle_timeout(session));
        own.map_or(self.clock.idle_ticks, |timeout| {
            self.io.limits.ticks(timeout)
        })
    }

    fn is_message_late(&self, entry: &Entry<P::Session>) -> bool {
        entry
            .began()
            .is_some_and(|began| self.io.now.wrapping_sub(began) >= self.clock.message_ticks)
    }

    fn check_timeouts(&mut self, protocol: &P, slot: usize) {
        let Some(entry) = self.io.table.get(slot) else {
            return;
        };
        let id = ConnectionId {
            slot: slot as u32,
            key: entry.key,
        };
        let age = self.io.now.wrapping_sub(entry.seen);
        match entry.state {
            State::Head | State::Deferred if age >= self.clock.handshake_ticks => {
                self.io.counters.handshake_timeouts.add(1);
                self.io.fail(id, CloseReason::Gone);
            }
            State::Open if age >= self.idle_ticks(protocol, entry) => {
                self.io.counters.idle_timeouts.add(1);
                let frame = Frame::close(CloseCode::GOING_AWAY, "idle");
                self.io.begin_close(id, Some(frame), CloseReason::Idle);
            }
            State::Open if self.is_message_late(entry) => {
                self.io.counters.message_timeouts.add(1);
                let frame = Frame::close(CloseCode::POLICY_VIOLATION, "message timeout");
                self.io
                    .begin_close(id, Some(frame), CloseReason::MessageTimeout);
            }
            State::Closing if age >= self.clock.close_ticks => {
                self.io.counters.close_timeouts.add(1);
                self.io.fail(id, CloseReason::Gone);
            }
            _ => {}
        }
    }
}
