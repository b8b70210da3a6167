//! The way to the order book: whoever looks for it opens the market.

use vaxel::prelude::*;

use super::board::BoardRef;

/// The symbol that the page trades.
const SYMBOL: &str = "BRASS";

pub(crate) struct Floor;

impl Channel for Floor {
    type Params = Ignored;

    async fn join(
        _: &Topic,
        _: Ignored,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let board = BoardRef::whereis("board").ok_or(Refusal::new("the board is away"))?;
        let shared = board.shared().await?;
        let opened = shared.data.open_market().await;
        opened.map_err(|error| Refusal::new(error.to_string()))?;
        let is_kept = shared.data.kept().is_some();
        Ok(Joined::new(Floor).reply(json!({ "symbol": SYMBOL, "is_kept": is_kept })))
    }
}
