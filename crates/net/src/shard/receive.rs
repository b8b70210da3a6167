//! From bytes to the protocol's callbacks.

use std::borrow::Cow;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use vaxel_websocket::deflate::Inflater;
use vaxel_websocket::{CloseCode, CloseFrame, Decoded, Frame, Message, ProtocolError};

use super::{Allowance, Shard, guarded};
use crate::io::{Backlog, Connection, ConnectionId, Held, State};
use crate::outbox::OutboxPolicy;
use crate::protocol::{CloseReason, Flow, Protocol};
use crate::tls::Decrypted;

impl<P: Protocol> Shard<P> {
    /// One read of a connection that is ready.
    pub(super) fn receive(&mut self, protocol: &P, id: ConnectionId) {
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        let count = match recv(&entry.socket, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((_, 0)) => return self.io.fail(id, CloseReason::Gone),
            Ok((_, count)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => return self.io.fail(id, CloseReason::Gone),
        };
        if entry.tls().is_some() {
            self.receive_tls(protocol, id, count);
        } else {
            self.take_in(protocol, id, count);
        }
        self.io.counters.bytes_in.add(count as u64);
    }

    /// The same for a connection under TLS: what comes out of the buffer takes its place.
    fn receive_tls(&mut self, protocol: &P, id: ConnectionId, count: usize) {
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        let Some(Backlog { tls: Some(tls), .. }) = entry.backlog.as_deref_mut() else {
            return;
        };
        self.decrypted.clear();
        let outcome = tls.decrypt(&self.buffer[..count], &mut self.decrypted);
        // Handshakes and alerts have answers.
        let flushed = tls.flush(&entry.socket);
        if !self.decrypted.is_empty() {
            let plain = self.decrypted.len();
            std::mem::swap(&mut self.buffer, &mut self.decrypted);
            self.take_in(protocol, id, plain);
            std::mem::swap(&mut self.buffer, &mut self.decrypted);
        }
        match (outcome, flushed) {
            (Ok(Decrypted::Open), Ok(_)) => self.io.update_interest(id),
            (Ok(_), _) => self.io.fail(id, CloseReason::Gone),
            (Err(_), _) => {
                self.io.counters.tls_errors.add(1);
                self.io.fail(id, CloseReason::Gone);
            }
        }
    }

    /// Takes in `count` bytes of the buffer.
    fn take_in(&mut self, protocol: &P, id: ConnectionId, count: usize) {
        let now = self.io.now;
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        match entry.state {
            State::Head => self.receive_head(protocol, id, count),
            State::Accepted | State::Open => {
                let seen = std::mem::replace(&mut entry.seen, now);
                let is_same_second = self.is_same_second(seen, now);
                let allowance = self.allowance;
                if let Some(entry) = self.io.entry_mut(id) {
                    if !is_same_second {
                        entry.used = 0;
                    }
                    allowance.add_bytes(&mut entry.used, count);
                }
                self.receive_frames(protocol, id, count);
            }
            // Input of a closing connection is read only so that its end is seen.
            State::Closing | State::Paused | State::Deferred | State::Broken => {}
        }
    }

    /// Takes in `count` bytes of the buffer as frames. Without older input they are decoded where
    /// they lie; else they go behind it, so that no byte of a large frame is copied twice.
    fn receive_frames(&mut self, protocol: &P, id: ConnectionId, count: usize) {
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        let mut input = entry.take_partial();
        if input.is_empty() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let used = self.decode(protocol, id, &mut buffer[..count]);
            if used < count {
                self.keep(id, buffer[used..count].to_vec(), 0);
            }
            self.buffer = buffer;
        } else {
            input.extend_from_slice(&self.buffer[..count]);
            let used = self.decode(protocol, id, &mut input);
            self.keep(id, input, used);
        }
        self.note_incomplete(id);
        self.io.update_interest(id);
    }

    fn keep(&mut self, id: ConnectionId, input: Vec<u8>, used: usize) {
        if let Some(entry) = self.io.entry_mut(id).filter(|entry| entry.is_open()) {
            entry.keep_partial(input, used);
        }
    }

    /// Not to be called before the input is kept.
    fn note_incomplete(&mut self, id: ConnectionId) {
        let now = self.io.now;
        if let Some(entry) = self.io.entry_mut(id).filter(|entry| entry.is_open()) {
            entry.note_incomplete(now);
        }
    }

    /// Delivers every message in `input`, as long as the connection is open and the protocol
    /// takes them; the bytes used up.
    fn decode(&mut self, protocol: &P, id: ConnectionId, input: &mut [u8]) -> usize {
        // A compressed message lies in the inflater while it is delivered.
        let mut inflater = std::mem::take(&mut self.inflater);
        let used = self.decode_with(protocol, id, &mut inflater, input);
        self.inflater = inflater;
        used
    }

    fn decode_with(
        &mut self,
        protocol: &P,
        id: ConnectionId,
        inflater: &mut Inflater,
        input: &mut [u8],
    ) -> usize {
        let config = self.io.limits.codec();
        let frames_max = self.io.limits.frames_per_turn_max.max(1);
        let (mut used, mut frames) = (0, 0);
        loop {
            let Some(entry) = self.io.entry_mut(id) else {
                return input.len();
            };
            match entry.state {
                State::Open => {}
                State::Accepted | State::Paused => return used,
                _ => return input.len(),
            }
            if used < input.len() {
                if Allowance::is_used_up(entry.used) {
                    self.throttle(id);
                    return used;
                }
                if frames == frames_max {
                    self.cut_turn(id);
                    return used;
                }
            }
            let inflater = entry.deflate.map(|_| &mut *inflater);
            let decoder = &mut entry.decoder;
            match decoder.decode_with(&config, inflater, &mut input[used..]) {
                Ok(Decoded { consumed, message }) => {
                    used += consumed;
                    let Some(message) = message else { return used };
                    frames += 1;
                    self.allowance.add_frame(&mut entry.used);
                    if matches!(message, Message::Text(_) | Message::Binary(_)) {
                        entry.forget_began();
                    }
                    self.io.counters.frames_in.add(1);
                    self.deliver(protocol, id, message);
                }
                Err(error) => {
                    self.reject(id, error);
                    return input.len();
                }
            }
        }
    }

    fn reject(&mut self, id: ConnectionId, error: ProtocolError) {
        match error.close_code() {
            CloseCode::TOO_BIG => self.io.counters.messages_too_big.add(1),
            _ => self.io.counters.protocol_errors.add(1),
        }
        let frame = Frame::close(error.close_code(), &error.to_string());
        self.io
            .begin_close(id, Some(frame), CloseReason::Protocol(error));
    }

    fn deliver(&mut self, protocol: &P, id: ConnectionId, message: Message<'_>) {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                if self.offer(protocol, id, &message) {
                    return;
                }
                let held = match message {
                    Message::Text(text) => Held::Text(text.into_owned()),
                    Message::Binary(bytes) => Held::Binary(bytes.into_owned()),
                    _ => return,
                };
                self.pause(id, held);
            }
            Message::Ping(payload) => {
                self.io
                    .write(id, &Frame::pong(payload), OutboxPolicy::Close);
            }
            Message::Pong(_) => {}
            Message::Close(close) => self.answer_close(id, close),
        }
    }

    /// Offers a message to the protocol. False when it has to be offered again.
    fn offer(&mut self, protocol: &P, id: ConnectionId, message: &Message<'_>) -> bool {
        let (local, io) = (&mut self.local, &mut self.io);
        let mut connection = Connection { io, id };
        let flow = guarded(|| match message {
            Message::Text(text) => protocol.text(local, &mut connection, text),
            Message::Binary(bytes) => protocol.binary(local, &mut connection, bytes),
            _ => Flow::Continue,
        });
        let panicked = Flow::Close(CloseCode::INTERNAL_ERROR, Cow::Borrowed("internal error"));
        match self.count_panic(flow).unwrap_or(panicked) {
            Flow::Continue => true,
            // A callback that has closed its connection has nothing to wait for.
            Flow::Pause => !self.io.is_open(id),
            Flow::Close(code, reason) => {
                self.io.close(id, code, &reason);
                true
            }
        }
    }

    fn pause(&mut self, id: ConnectionId, held: Held) {
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        entry.state = State::Paused;
        entry.backlog_mut().held = Some(held);
        self.io.counters.pauses.add(1);
        self.io.resumable.push(id);
    }

    /// Reads nothing more from a connection until its second is over.
    fn throttle(&mut self, id: ConnectionId) {
        if let Some(entry) = self.io.entry_mut(id) {
            entry.state = State::Paused;
            self.io.counters.throttles.add(1);
            self.io.throttled.push(id);
        }
    }

    /// Lets the others have their turn.
    fn cut_turn(&mut self, id: ConnectionId) {
        if let Some(entry) = self.io.entry_mut(id) {
            entry.state = State::Paused;
            self.io.counters.turns_cut.add(1);
            self.io.resumable.push(id);
        }
    }

    /// A new second has begun.
    pub(super) fn end_throttles(&mut self) {
        for id in std::mem::take(&mut self.io.throttled) {
            if let Some(entry) = self.io.entry_mut(id) {
                entry.used = 0;
                self.io.resumable.push(id);
            }
        }
    }

    /// Answers a close frame with its own code, as RFC 6455 (section 5.5.1) has it.
    fn answer_close(&mut self, id: ConnectionId, close: Option<CloseFrame<'_>>) {
        let code = close.map(|close| close.code);
        let frame = Frame::close(code.unwrap_or(CloseCode::NO_STATUS), "");
        self.io
            .begin_close(id, Some(frame), CloseReason::Peer(code));
    }

    pub(super) fn resume_all(&mut self, protocol: &P, now: Instant) {
        self.resumed_at = now;
        for id in std::mem::take(&mut self.io.resumable) {
            self.resume(protocol, id);
        }
    }

    /// Goes on with a connection that was just opened or paused: what is held, then what is kept.
    pub(super) fn resume(&mut self, protocol: &P, id: ConnectionId) {
        let now = self.io.now;
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        match entry.state {
            State::Accepted => {
                entry.state = State::Open;
                let (local, io) = (&mut self.local, &mut self.io);
                let opened = guarded(|| protocol.opened(local, &mut Connection { io, id }));
                if self.count_panic(opened).is_none() {
                    self.io
                        .close(id, CloseCode::INTERNAL_ERROR, "internal error");
                }
            }
            State::Paused => {
                entry.state = State::Open;
                entry.seen = now;
                // The server did not read meanwhile.
                entry.forget_began();
                let held = entry
                    .backlog
                    .as_mut()
                    .and_then(|backlog| backlog.held.take());
                if let Some(held) = held
                    && !self.offer(protocol, id, &held.message())
                {
                    self.pause(id, held);
                    return;
                }
            }
            _ => return,
        }
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        let mut input = entry.take_partial();
        if !input.is_empty() {
            let used = self.decode(protocol, id, &mut input);
            self.keep(id, input, used);
        }
        self.note_incomplete(id);
        self.io.update_interest(id);
    }
}
