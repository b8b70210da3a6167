//! What a shard keeps about a connection, and a long-poll session about its client.

use std::sync::Arc;

use smallvec::SmallVec;
use vaxel_actor::Recipient;
use vaxel_pubsub::Seat;

use crate::assigns::Assigns;
use crate::channel::flight::Flight;
use crate::channel::inbox::Inbound;
use crate::channel::membership::{Address, Link, Membership};
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::socket::home::Home;
use crate::tokens::TokenSeat;
use crate::vsn::Version;

/// What a shard keeps about a connection, behind one pointer.
pub struct Session {
    pub(crate) mount: u16,
    pub(crate) version: Version,
    /// Whether the client knows what to do with hints in the answers to its heartbeats.
    pub(crate) takes_hints: bool,
    /// What the message that the connection offers again and again waits for.
    pub(crate) wait: Option<Wait>,
    /// Made at the first join, and kept with what the connect hook has assigned.
    link: Option<Arc<Link>>,
    /// Its place among the connections of its socket id.
    pub(crate) id_seat: Option<Seat>,
    pub(crate) channels: SmallVec<[ChannelEntry; 1]>,
}

/// One joined topic of a connection.
pub(crate) struct ChannelEntry {
    pub(crate) membership: Arc<Membership>,
    /// The channel's actor.
    pub(crate) inbox: Recipient<Inbound>,
    pub(crate) phase: Phase,
    /// Its place among the topic's subscribers, once it has joined.
    pub(crate) seat: Option<Seat>,
    /// The channel that this one replaces, until the client has been told of its end.
    pub(crate) previous: Option<Box<Previous>>,
}

/// Why a message could not be taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Too much of the connection is in flight.
    Flight,
    /// The channel with this number is joining.
    Join(u32),
    /// The channel's mailbox is full.
    Mailbox,
}

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `join` has not returned.
    Joining,
    /// The client has the join's reply.
    Joined,
    /// The client has asked to leave; the channel has not ended yet.
    Leaving,
}

/// A channel that was replaced by a second join.
pub(crate) struct Previous {
    pub(crate) membership: Arc<Membership>,
    /// It was about to end anyway, so its end is told when it comes.
    pub(crate) was_leaving: bool,
}

impl Session {
    pub(crate) fn new(mount: u16, version: Version) -> Box<Self> {
        Box::new(Self {
            mount,
            version,
            takes_hints: false,
            wait: None,
            link: None,
            id_seat: None,
            channels: SmallVec::new(),
        })
    }

    /// Makes the link now, to hold `assigns`.
    pub(crate) fn assign(
        &mut self,
        endpoint: &Endpoint,
        assigns: Assigns,
        address: impl FnOnce() -> Address,
    ) {
        if !assigns.is_empty() {
            self.link = Some(self.new_link(endpoint, assigns, address()));
        }
    }

    /// What the connection's channels share.
    pub(crate) fn link(&mut self, home: &impl Home) -> Arc<Link> {
        if let Some(link) = &self.link {
            return link.clone();
        }
        let link = self.new_link(home.endpoint(), Assigns::default(), home.address());
        self.link.insert(link).clone()
    }

    fn new_link(&self, endpoint: &Endpoint, assigns: Assigns, address: Address) -> Arc<Link> {
        Arc::new(Link {
            endpoint: endpoint.clone(),
            assigns,
            flight: Flight::default(),
            address,
            version: self.version,
        })
    }

    /// The connection's place in the account of its token, if it came with one.
    pub(crate) fn token(&self) -> Option<&TokenSeat> {
        self.link.as_ref()?.assigns.token()
    }

    /// Whether too much of the connection is in flight.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.link.as_ref().is_some_and(|link| {
            link.flight
                .is_full(limits.messages_in_flight_max, limits.bytes_in_flight_max)
        })
    }

    /// Whether the message that could not be taken cannot be taken still, as far as that can be
    /// told without reading it: it may be long, and it is offered every millisecond.
    pub(crate) fn must_wait(&self, limits: &Limits) -> Option<Wait> {
        let still = match self.wait? {
            Wait::Flight => self.is_full(limits),
            Wait::Join(number) => self
                .position_of(number)
                .is_some_and(|position| self.channels[position].phase == Phase::Joining),
            Wait::Mailbox => false,
        };
        self.wait.filter(|_| still)
    }

    pub(crate) fn position(&self, topic: &str) -> Option<usize> {
        self.channels
            .iter()
            .position(|entry| *entry.membership.topic == *topic)
    }

    pub(crate) fn position_of(&self, number: u32) -> Option<usize> {
        self.channels
            .iter()
            .position(|entry| entry.membership.number == number)
    }

    /// Whether a channel that was leaving when it was replaced is still to be told of; forgets it.
    pub(crate) fn take_leaving(&mut self, number: u32) -> bool {
        let is_it = |previous: &mut Box<Previous>| {
            previous.was_leaving && previous.membership.number == number
        };
        self.channels
            .iter_mut()
            .any(|entry| entry.previous.take_if(is_it).is_some())
    }

    /// Takes a channel out. Memory of the last one is given back, unless it holds assigns.
    pub(crate) fn remove(&mut self, position: usize) -> ChannelEntry {
        let entry = self.channels.swap_remove(position);
        if self.channels.is_empty() {
            self.channels.shrink_to_fit();
            if self
                .link
                .as_ref()
                .is_some_and(|link| link.assigns.is_empty())
            {
                self.link = None;
            }
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_with_one_channel_is_one_small_block() {
        assert!(size_of::<Session>() <= 96, "{}", size_of::<Session>());
    }
}
