//! Measures how quickly the server reacts.
//!
//! Every 10 ms a message goes to a shard, behind all that its inbox holds, and back to this
//! actor, behind all that the workers have to do. That is the way of a reply and of the next
//! request between the two planes, without the sockets: what a busy server does to its clients
//! shows in it, what the network does not.

use std::sync::Arc;
use std::time::Duration;

use vaxel::Probed;
use vaxel::prelude::*;

use super::exchange::Crash;
use super::shared::Shared;

const PROBE_EVERY: Duration = millis(10);

pub(crate) struct Probe {
    shared: Arc<Shared>,
    turn: usize,
}

#[derive(Message)]
struct Tick;

#[actor]
impl Probe {
    pub(crate) fn init(shared: Arc<Shared>, cx: &mut Context<Self>) -> Self {
        shared.begin("probe");
        cx.send_every(PROBE_EVERY, || Tick);
        Probe { shared, turn: 0 }
    }

    #[info]
    fn tick(&mut self, _: Tick, cx: &mut Context<Self>) {
        if let Some(running) = self.shared.running() {
            self.turn += 1;
            running
                .endpoint
                .probe(self.turn % running.endpoint.shards(), cx.me().recipient());
        }
    }

    #[info]
    fn probed(&mut self, probed: Probed) {
        self.shared.count("probe");
        self.shared.state().probed(probed.sent);
    }

    #[info]
    fn crash(&mut self, _: Crash) {
        panic!("a visitor crashed the probe");
    }
}
