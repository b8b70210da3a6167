//! Lets visitors crash the workers of the tree.

use vaxel::prelude::*;

use super::board::Board;
use super::exchange::{Crash, Worker};
use super::probe::Probe;
use super::sampler::Sampler;

/// One visitor who may crash workers.
pub(crate) struct Crashes;

#[derive(Deserialize)]
struct Which {
    id: String,
}

impl Channel for Crashes {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        Ok(Crashes.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        if event != "crash" {
            return Err(Refusal::new("unknown event"));
        }
        let Which { id } = payload.parse()?;
        crash(&cx.system(), &id)?;
        Ok(Reply::ok(json!({})))
    }
}

/// Names carry the type of their actor, so each kind of worker is asked for in turn.
fn crash(system: &System, id: &str) -> Result<(), Refusal> {
    let sent = if let Some(worker) = system.whereis::<Worker>(id) {
        worker.cast(Crash)
    } else if let Some(sampler) = system.whereis::<Sampler>(id) {
        sampler.cast(Crash)
    } else if let Some(probe) = system.whereis::<Probe>(id) {
        probe.cast(Crash)
    } else if let Some(board) = system.whereis::<Board>(id) {
        board.cast(Crash)
    } else {
        return Err(Refusal::new("no such worker"));
    };
    sent.map_err(|_| Refusal::new("the worker takes no more messages"))
}
