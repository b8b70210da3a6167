//! Everything a watcher needs: what has been, and from then on what is.

use serde_json::value::RawValue;
use vaxel::prelude::*;

use super::board::BoardRef;
use super::shared::State;

/// One watcher of the dashboard. Samples and trees reach it by broadcast, past this actor.
pub(crate) struct Live;

#[derive(Serialize)]
struct Past<'a> {
    history: Vec<&'a RawValue>,
    tree: Option<&'a RawValue>,
}

impl Channel for Live {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let board = BoardRef::whereis("board").ok_or(Refusal::new("the board is away"))?;
        let shared = board.shared().await?;
        Ok(Joined::new(Live).reply(past(&shared.state())))
    }
}

/// Only the newest sample has its counters: of the older ones nobody looks at them.
fn past(state: &State) -> Past<'_> {
    let older = state.history.len().saturating_sub(1);
    let older = state.history.iter().take(older).map(|sample| &**sample);
    Past {
        history: older.chain(state.sample.as_deref()).collect(),
        tree: state.tree.as_deref(),
    }
}
