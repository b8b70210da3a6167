//! One watcher. Updates reach it by broadcast, past this actor.

use vaxel::prelude::*;

use crate::meter::MeterRef;

pub(crate) struct Watcher;

impl Channel for Watcher {
    type Params = Ignored;

    /// Of updates that a slow watcher has not read the newest replaces the others.
    const SLOW: SlowClient = SlowClient::Conflate;
    /// Two minutes of updates, so that the lines of one that comes back have no hole.
    const RESUME: Option<Window> = Some(Window {
        broadcasts_max: 120,
        ..Window::DEFAULT
    });

    /// Answers with the last two minutes, for the lines of somebody who is new.
    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let meter = MeterRef::whereis("meter").ok_or(Refusal::new("the meter is away"))?;
        Ok(Joined::new(Watcher).reply(meter.history().await?))
    }
}
