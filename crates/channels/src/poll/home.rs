//! The actor of a long-poll session, as the home of its client's session.

use std::sync::Arc;

use vaxel_actor::Recipient;
use vaxel_pubsub::{Broadcast, Seat, Subscription};

use crate::channel::membership::{Address, Membership};
use crate::endpoint::Endpoint;
use crate::socket::command::Command;
use crate::socket::home::{Figure, Home};
use crate::vsn::Version;

/// The actor of a long-poll session, as the home of its client's session. It listens to the
/// topics of its channels as any actor does.
pub(super) struct PollHome {
    pub(super) endpoint: Endpoint,
    pub(super) commands: Recipient<Command>,
    pub(super) broadcasts: Recipient<Broadcast>,
    pub(super) subscriptions: Vec<(u32, Subscription)>,
}

impl Home for PollHome {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn address(&self) -> Address {
        Address::Poll(Box::new(self.commands.clone()))
    }

    fn intern(&self, _: Version, topic: &str) -> Arc<str> {
        topic.into()
    }

    fn next_number(&mut self) -> u32 {
        self.endpoint.next_poll_number()
    }

    /// The subscription is there before the join is accepted, so nothing that is sent afterwards
    /// is missed; what comes before is thrown away.
    fn listen(&mut self, topic: &Arc<str>, number: u32) {
        let pubsub = self.endpoint.pubsub();
        let subscription = pubsub.subscribe_or_kill(topic, self.broadcasts.clone());
        self.subscriptions.push((number, subscription));
    }

    fn seat(&mut self, _: &Membership) -> Option<Seat> {
        None
    }

    fn vacate(&mut self, _: Version, number: u32, _: Option<Seat>) {
        self.subscriptions.retain(|(of, _)| *of != number);
    }

    fn add(&self, figure: Figure, n: u64) {
        figure(self.endpoint.poll_counters()).add_shared(n);
    }

    fn subtract(&self, figure: Figure, n: u64) {
        figure(self.endpoint.poll_counters()).subtract_shared(n);
    }
}
