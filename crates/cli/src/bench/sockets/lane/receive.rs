//! What a lane does with a socket that is ready: finish connecting, write, read, decode.

use rustix::{
    event::epoll::EventFlags,
    io::Errno,
    net::{RecvFlags, recv, sockopt::socket_error},
};
use vaxel_websocket::{Config, Message, Opcode, Role, encode_masked, handshake::check_response};

use super::{BUFFER_BYTES, Lane, Moment, Task};
use crate::bench::sockets::{connection::State, script::Incoming};

impl Lane {
    /// Does what the socket of connection `index` has become ready for.
    pub(super) fn ready<T: Task>(
        &mut self,
        index: usize,
        flags: EventFlags,
        task: &mut T,
        moment: Moment<'_>,
    ) {
        if flags.intersects(EventFlags::OUT | EventFlags::ERR) && !self.writable(index, task) {
            return;
        }
        let readable = EventFlags::IN | EventFlags::HUP | EventFlags::RDHUP;
        if flags.intersects(readable) {
            while self.read(index, task, moment) {}
        }
    }

    /// Takes the step that waited for the socket. False when the connection is gone.
    fn writable<T: Task>(&mut self, index: usize, task: &mut T) -> bool {
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else {
            return false;
        };
        let outcome = if connection.state == State::Connecting {
            connection.state = State::Upgrading;
            socket_error(socket)
                .and_then(|error| error)
                .and_then(|()| connection.send(&self.target.request))
        } else {
            connection.flush()
        };
        self.survives(index, outcome, task)
    }

    /// Reads once. True when there may be more to read.
    fn read<T: Task>(&mut self, index: usize, task: &mut T, moment: Moment<'_>) -> bool {
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else {
            return false;
        };
        let kept = connection.partial.len();
        self.buffer[..kept].copy_from_slice(&connection.partial);
        let fresh = match recv(socket, &mut self.buffer[kept..], RecvFlags::empty()) {
            Ok((0, _)) => {
                self.lose(index, "closed by the server", task);
                return false;
            }
            Ok((fresh, _)) => fresh,
            Err(Errno::AGAIN) => return false,
            Err(Errno::INTR) => return true,
            Err(error) => {
                self.lose(index, error, task);
                return false;
            }
        };
        connection.partial.clear();
        let moment = Moment {
            now: self.clock.now(),
            ..moment
        };
        let opening = connection.state == State::Upgrading;
        let outcome = self.decode(index, kept + fresh);
        if opening && self.connections[index].state == State::Open {
            task.opened(self, index, moment);
        }
        self.hand_over(index, task, moment);
        if let Err(reason) = outcome {
            self.lose(index, reason, task);
            return false;
        }
        kept + fresh == self.buffer.len()
    }

    /// Decodes the first `length` bytes of the buffer and keeps what is incomplete.
    fn decode(&mut self, index: usize, length: usize) -> Result<(), String> {
        let connection = &mut self.connections[index];
        let mut at = 0;
        if connection.state == State::Upgrading {
            match check_response(&self.buffer[..length], &self.target.key) {
                Ok(Some(answer)) => at = answer.head_bytes,
                Ok(None) => {
                    connection.partial.extend_from_slice(&self.buffer[..length]);
                    return Ok(());
                }
                Err(error) => return Err(format!("the upgrade failed: {error}")),
            }
            connection.state = State::Open;
        }
        let bytes = BUFFER_BYTES / 2;
        let config = Config {
            role: Role::Client,
            frame_bytes_max: bytes,
            message_bytes_max: bytes,
        };
        loop {
            let rest = &mut self.buffer[at..length];
            let decoded = connection
                .decoder
                .decode(&config, rest)
                .map_err(|error| format!("the server broke the protocol: {error}"))?;
            let consumed = decoded.consumed;
            at += consumed;
            match decoded.message {
                None => break,
                Some(Message::Text(text)) => {
                    let meaning = self.script.understand(&text);
                    if meaning == (Incoming::Joined { accepted: false }) {
                        self.first_refusal.get_or_insert_with(|| text.into_owned());
                    }
                    if !matches!(meaning, Incoming::Heartbeat { .. } | Incoming::Other) {
                        self.frames_in += 1;
                        self.bytes_in += consumed as u64;
                    }
                    self.incoming.push(meaning);
                }
                Some(Message::Ping(payload)) => {
                    let mut pong = Vec::new();
                    encode_masked(Opcode::Pong, payload, [1, 2, 3, 4], &mut pong);
                    connection.send(&pong).map_err(|error| error.to_string())?;
                }
                Some(Message::Close(close)) => {
                    return Err(match close {
                        Some(close) => format!("closed by the server: {close:?}"),
                        None => "closed by the server without a code".to_owned(),
                    });
                }
                Some(Message::Binary(_) | Message::Pong(_)) => {}
            }
        }
        connection
            .partial
            .extend_from_slice(&self.buffer[at..length]);
        Ok(())
    }

    fn hand_over<T: Task>(&mut self, index: usize, task: &mut T, moment: Moment<'_>) {
        let mut incoming = std::mem::take(&mut self.incoming);
        for message in incoming.drain(..) {
            match message {
                _ if self.connections[index].state == State::Absent => {}
                Incoming::Heartbeat { number } => self.heartbeats.answered(number, moment.now),
                Incoming::ChannelGone => {
                    if !task.channel_gone(self, index, moment) {
                        self.lose(index, "the channel was closed by the server", task);
                    }
                }
                Incoming::Other => self.unexpected += 1,
                message => task.received(self, index, message, moment),
            }
        }
        self.incoming = incoming;
    }
}
