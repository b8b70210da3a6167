//! One connection in the shard's table.

use std::num::NonZero;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use vaxel_websocket::{Decoder, Message};

use super::Interest;
use crate::admission::Place;
use crate::outbox::{Flushed, Outbox, send_now};
use crate::tls::TlsSession;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The head of the first request is being read.
    Head,
    /// The protocol decides later; the head is kept and nothing is read.
    Deferred,
    /// The handshake is answered, but the protocol has not seen the open connection yet.
    Accepted,
    /// Frames go both ways.
    Open,
    /// Open, but not read from: the protocol cannot take the message that is held, or the
    /// connection has had its turn or its second.
    Paused,
    /// The last bytes are written or on their way; input is read and forgotten.
    Closing,
    /// To be removed at the end of the pass.
    Broken,
}

/// What every connection costs.
#[derive(Debug)]
pub(crate) struct Entry<S> {
    pub(crate) socket: OwnedFd,
    pub(crate) key: u32,
    /// The tick of the last sign of life, or of the beginning of a state with a time-out.
    pub(crate) seen: u32,
    pub(crate) place: Place,
    /// What it has used of its allowance of this second, see [`Allowance`].
    ///
    /// [`Allowance`]: crate::shard::Allowance
    pub(crate) used: u32,
    pub(crate) state: State,
    pub(crate) interest: Interest,
    /// The window to compress with, where compression was agreed upon.
    pub(crate) deflate: Option<NonZero<u8>>,
    pub(crate) decoder: Decoder,
    pub(crate) backlog: Option<Box<Backlog>>,
    pub(crate) session: Option<S>,
}

/// What only some connections have, and only for a while.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Input that is not complete, or not wanted yet. Bounded by one frame or head and one read.
    pub(crate) partial: Vec<u8>,
    /// The message that the protocol could not take.
    pub(crate) held: Option<Held>,
    /// The tick at which the message began that is incomplete.
    pub(crate) began: Option<u32>,
    /// There from the beginning to the end of a connection under TLS.
    pub(crate) tls: Option<TlsSession>,
    /// Output that the socket did not take. Never empty.
    pub(crate) outbox: Option<Outbox>,
}

impl Backlog {
    /// The backlog of a connection under TLS.
    pub(crate) fn under(tls: TlsSession) -> Self {
        Self {
            tls: Some(tls),
            ..Self::default()
        }
    }
}

/// A message kept for later.
#[derive(Debug)]
pub(crate) enum Held {
    Text(String),
    Binary(Vec<u8>),
}

impl Held {
    pub(crate) fn message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text.as_str().into()),
            Self::Binary(bytes) => Message::Binary(bytes.as_slice().into()),
        }
    }
}

impl<S> Entry<S> {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Accepted | State::Open | State::Paused)
    }

    pub(crate) fn outbox(&self) -> Option<&Outbox> {
        self.backlog.as_ref()?.outbox.as_ref()
    }

    pub(crate) fn tls(&self) -> Option<&TlsSession> {
        self.backlog.as_ref()?.tls.as_ref()
    }

    pub(crate) fn take_tls(&mut self) -> Option<TlsSession> {
        self.backlog.as_mut()?.tls.take()
    }

    /// Whether anything waits for the socket, encrypted or not.
    pub(crate) fn has_unsent(&self) -> bool {
        self.backlog.as_deref().is_some_and(|backlog| {
            backlog.outbox.is_some() || backlog.tls.as_ref().is_some_and(TlsSession::wants_write)
        })
    }

    /// Writes what the socket takes at once, if nothing waits already. Under TLS all of it is
    /// taken, and what the socket did not take waits in the session: one frame at most.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let Some(backlog) = &mut self.backlog else {
            return send_now(&self.socket, bytes);
        };
        if backlog.outbox.is_some() {
            return Ok(0);
        }
        match &mut backlog.tls {
            None => send_now(&self.socket, bytes),
            Some(tls) if tls.wants_write() => Ok(0),
            Some(tls) => {
                tls.encrypt(bytes);
                tls.flush(&self.socket)?;
                Ok(bytes.len())
            }
        }
    }

    /// Writes as much of what waits as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(usize, Flushed), Errno> {
        let Some(backlog) = &mut self.backlog else {
            return Ok((0, Flushed::All));
        };
        let Some(tls) = &mut backlog.tls else {
            return match &mut backlog.outbox {
                Some(outbox) => outbox.flush(&self.socket),
                None => Ok((0, Flushed::All)),
            };
        };
        let mut total = 0;
        loop {
            if tls.flush(&self.socket)?.1 == Flushed::Some {
                return Ok((total, Flushed::Some));
            }
            let Some(bytes) = backlog.outbox.as_mut().and_then(Outbox::pop) else {
                return Ok((total, Flushed::All));
            };
            total += bytes.len();
            tls.encrypt(&bytes);
        }
    }

    pub(crate) fn backlog_mut(&mut self) -> &mut Backlog {
        self.backlog.get_or_insert_default()
    }

    /// Takes the incomplete input, with its capacity.
    pub(crate) fn take_partial(&mut self) -> Vec<u8> {
        let partial = match &mut self.backlog {
            Some(backlog) => std::mem::take(&mut backlog.partial),
            None => Vec::new(),
        };
        self.tidy_backlog();
        partial
    }

    /// Keeps `input` without its first `used` bytes, in an allocation of its size.
    pub(crate) fn keep_partial(&mut self, input: Vec<u8>, used: usize) {
        if used == 0 && !input.is_empty() {
            self.backlog_mut().partial = input;
        } else if used < input.len() {
            self.backlog_mut().partial = input[used..].to_vec();
        } else {
            self.tidy_backlog();
        }
    }

    /// Drops all input that is kept.
    pub(crate) fn forget_input(&mut self) {
        self.decoder = Decoder::new();
        if let Some(backlog) = &mut self.backlog {
            backlog.partial = Vec::new();
            backlog.held = None;
            backlog.began = None;
        }
        self.tidy_backlog();
    }

    /// Gives an empty outbox back.
    pub(crate) fn tidy_outbox(&mut self) {
        if let Some(backlog) = &mut self.backlog {
            backlog.outbox.take_if(|outbox| outbox.is_empty());
        }
        self.tidy_backlog();
    }

    /// Remembers since when a message is incomplete, if one is.
    pub(crate) fn note_incomplete(&mut self, now: u32) {
        let has_partial = |backlog: &Backlog| !backlog.partial.is_empty();
        if self.decoder.is_mid_message() || self.backlog.as_deref().is_some_and(has_partial) {
            self.backlog_mut().began.get_or_insert(now);
        } else if let Some(backlog) = &mut self.backlog {
            backlog.began = None;
            self.tidy_backlog();
        }
    }

    /// Since when a message is incomplete.
    pub(crate) fn began(&self) -> Option<u32> {
        self.backlog.as_ref()?.began
    }

    /// A message has come to its end, or time begins anew.
    pub(crate) fn forget_began(&mut self) {
        if let Some(backlog) = &mut self.backlog {
            backlog.began = None;
        }
    }

    /// Gives an empty backlog back.
    pub(crate) fn tidy_backlog(&mut self) {
        let is_empty = |backlog: &Backlog| {
            backlog.partial.is_empty()
                && backlog.held.is_none()
                && backlog.outbox.is_none()
                && backlog.began.is_none()
                && backlog.tls.is_none()
        };
        if self.backlog.as_deref().is_some_and(is_empty) {
            self.backlog = None;
        }
    }

    pub(crate) fn wanted_interest(&self) -> Interest {
        Interest {
            read: !matches!(
                self.state,
                State::Accepted | State::Paused | State::Deferred
            ),
            write: self.has_unsent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_small() {
        assert!(
            size_of::<Entry<Box<()>>>() <= 48,
            "{}",
            size_of::<Entry<Box<()>>>()
        );
    }
}
