//! Writing: what the socket takes goes at once, the rest waits.

use bytes::Bytes;
use vaxel_websocket::deflate::Deflater;
use vaxel_websocket::{CloseCode, Frame};

use super::{ConnectionId, Entry, ShardIo, State};
use crate::outbox::{Flushed, OutboxPolicy};
use crate::protocol::CloseReason;

impl<S> ShardIo<S> {
    /// Writes a frame of an open or closing connection.
    pub(crate) fn write(&mut self, id: ConnectionId, frame: &Frame, policy: OutboxPolicy) -> bool {
        self.counters.frames_out.add(1);
        let Some(entry) = self.table.get_mut(id.slot as usize) else {
            return false;
        };
        let deflater = self.deflater.as_mut();
        let wire = match entry.deflate.zip(deflater) {
            Some((window_bits, deflater)) => frame.compressed(window_bits, deflater),
            None => frame.plain(),
        };
        let written = match entry.send_now(wire.as_slice()) {
            Ok(written) => written,
            Err(_) => {
                self.fail(id, CloseReason::Gone);
                return false;
            }
        };
        self.counters.bytes_out.add(written as u64);
        let wire_bytes = wire.as_slice().len();
        let kept = (written < wire_bytes).then(|| wire.to_bytes());
        if entry.deflate.is_some() {
            self.count_compression(frame.as_bytes().len() - wire_bytes);
        }
        match kept {
            Some(bytes) => self.queue(id, bytes, written, policy),
            None => {
                self.watch_tls(id);
                true
            }
        }
    }

    /// Under TLS, encrypted bytes may wait for the socket although nothing else does.
    fn watch_tls(&mut self, id: ConnectionId) {
        if self.entry(id).and_then(Entry::tls).is_some() {
            self.update_interest(id);
        }
    }

    fn count_compression(&self, saved_bytes: usize) {
        let runs = self.deflater.as_ref().map_or(0, Deflater::runs);
        let counters = &self.counters;
        counters.deflates.add(runs - counters.deflates.load());
        counters.frames_deflated.add(u64::from(saved_bytes > 0));
        counters.deflate_bytes_saved.add(saved_bytes as u64);
    }

    pub(super) fn write_bytes(&mut self, id: ConnectionId, bytes: Bytes) {
        let Some(entry) = self.table.get_mut(id.slot as usize) else {
            return;
        };
        match entry.send_now(&bytes) {
            Ok(written) => {
                self.counters.bytes_out.add(written as u64);
                match written < bytes.len() {
                    true => _ = self.queue(id, bytes, written, OutboxPolicy::Close),
                    false => self.watch_tls(id),
                }
            }
            Err(_) => self.fail(id, CloseReason::Gone),
        }
    }

    /// Keeps what the socket did not take, unless that would be too much.
    fn queue(
        &mut self,
        id: ConnectionId,
        bytes: Bytes,
        written: usize,
        policy: OutboxPolicy,
    ) -> bool {
        let outbox_bytes_max = self.limits.outbox_bytes_max;
        let Some(entry) = self.table.get_mut(id.slot as usize) else {
            return false;
        };
        let is_closing = entry.state == State::Closing;
        let outbox = entry.backlog_mut().outbox.get_or_insert_default();
        if written == 0 && outbox.conflate(policy) {
            self.counters.frames_conflated.add(1);
        }
        // What is half written has to be finished, and a close frame has to fit.
        if written == 0 && !is_closing && outbox.weight_with(bytes.len()) > outbox_bytes_max {
            if policy == OutboxPolicy::Drop {
                self.counters.frames_dropped.add(1);
                entry.tidy_outbox();
                return false;
            }
            outbox.drop_unbegun();
            self.counters.slow_consumers.add(1);
            let frame = Frame::close(CloseCode::POLICY_VIOLATION, "slow consumer");
            self.begin_close(id, Some(frame), CloseReason::SlowConsumer);
            return false;
        }
        outbox.push(bytes, written, policy);
        self.update_interest(id);
        true
    }

    /// The socket takes more: writes what waits.
    pub(crate) fn flush(&mut self, id: ConnectionId) {
        let Some(entry) = self.entry_mut(id) else {
            return;
        };
        match entry.flush() {
            Ok((written, flushed)) => {
                entry.tidy_outbox();
                if flushed == Flushed::All {
                    self.finish_if_flushed(id);
                    self.update_interest(id);
                }
                self.counters.bytes_out.add(written as u64);
            }
            Err(_) => self.fail(id, CloseReason::Gone),
        }
    }
}
