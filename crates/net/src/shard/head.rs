//! The first request of a connection.

use std::net::SocketAddr;

use vaxel_websocket::handshake::RequestHead;

use super::{Shard, guarded};
use crate::admission::Guest;
use crate::http_driver::Handover;
use crate::io::{ConnectionId, State};
use crate::protocol::{CloseReason, Protocol, Upgrade, UpgradeRequest};

impl<P: Protocol> Shard<P> {
    /// Takes in `count` bytes of the buffer as a part of the head.
    pub(super) fn receive_head(&mut self, protocol: &P, id: ConnectionId, count: usize) {
        let Some(entry) = self.io.entry_mut(id) else {
            return;
        };
        let mut head = entry.take_partial();
        let before = head.len();
        head.extend_from_slice(&self.buffer[..count]);
        let bytes_max = self.io.limits.http_head_bytes_max.max(8 << 10);
        // A head that comes byte by byte is not parsed for each of them.
        let parsed = match before == 0 || has_empty_line(&head[before.saturating_sub(3)..]) {
            true => RequestHead::parse(&head),
            false => Ok(None),
        };
        match parsed {
            Ok(Some(request)) if request.head_bytes() <= bytes_max => {
                let decision = self.decide(protocol, id, &request);
                self.follow(protocol, id, head, decision);
            }
            Ok(None) if head.len() <= bytes_max => {
                if let Some(entry) = self.io.entry_mut(id) {
                    entry.keep_partial(head, 0);
                }
            }
            Ok(_) => {
                self.io.counters.http_heads_too_big.add(1);
                self.io.answer_refusal(id, 431);
            }
            Err(error) => self.io.answer_refusal(id, error.status()),
        }
    }

    /// Asks the protocol. `None` when the connection has gone meanwhile.
    fn decide(
        &mut self,
        protocol: &P,
        id: ConnectionId,
        head: &RequestHead<'_>,
    ) -> Option<(Upgrade<P::Session>, SocketAddr)> {
        let entry = self.io.entry(id)?;
        let peer = rustix::net::getpeername(&entry.socket).ok().flatten();
        let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) else {
            self.io.fail(id, CloseReason::Gone);
            return None;
        };
        let request = UpgradeRequest { head, peer, id };
        let local = &mut self.local;
        let decision = guarded(|| protocol.upgrade(local, &request));
        let decision = match self.count_panic(decision) {
            None => Upgrade::Refuse { status: 500 },
            // A request that can never be accepted need not wait for its decision.
            Some(Upgrade::Defer) => match head.websocket_key() {
                Ok(_) => Upgrade::Defer,
                Err(error) => Upgrade::Refuse {
                    status: error.status(),
                },
            },
            Some(decision) => decision,
        };
        Some((decision, peer))
    }

    fn follow(
        &mut self,
        protocol: &P,
        id: ConnectionId,
        head: Vec<u8>,
        decision: Option<(Upgrade<P::Session>, SocketAddr)>,
    ) {
        let Some((decision, peer)) = decision else {
            return;
        };
        match decision {
            Upgrade::NotMine => self.hand_over(id, head, peer),
            Upgrade::Refuse { status } => self.io.answer_refusal(id, status),
            Upgrade::Accept {
                session,
                subprotocol,
            } => {
                let answered = self
                    .io
                    .answer_handshake(id, &head, session, subprotocol.as_deref());
                if let (Ok(used), Some(entry)) = (answered, self.io.entry_mut(id)) {
                    entry.keep_partial(head, used);
                    self.resume(protocol, id);
                }
            }
            Upgrade::Defer => {
                if let Some(entry) = self.io.entry_mut(id) {
                    entry.state = State::Deferred;
                    entry.keep_partial(head, 0);
                    self.io.update_interest(id);
                }
            }
        }
    }

    /// Gives the connection to hyper, with the bytes read so far in front.
    fn hand_over(&mut self, id: ConnectionId, read: Vec<u8>, peer: SocketAddr) {
        let mut entry = self.io.table.remove(id.slot as usize);
        self.io.poll.remove(&entry.socket);
        (self.http)(Handover {
            tls: entry.take_tls(),
            socket: entry.socket.into(),
            read: read.into(),
            peer,
            guest: Guest {
                admission: self.io.admission.clone(),
                place: entry.place,
            },
            counters: self.io.counters.clone(),
            phase: self.http_phase.subscribe(),
        });
    }
}

/// Whether an empty line, the end of a head, is in `bytes`; bare line feeds count.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n")
        || bytes.windows(3).any(|triple| triple == b"\n\r\n")
}
