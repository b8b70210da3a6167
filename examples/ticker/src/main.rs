//! Stock prices that move, from an application that depends on `vaxel` alone.
//!
//! `cargo run -p ticker`, then join `ticker:ACME` at `ws://127.0.0.1:4001/socket` with
//! `{"every_ms": 500}`: `tick` events follow at that pace. The event `trade` with `{"by": -3}`
//! moves the price and is answered with the new one; everybody on the topic sees `trade`, too.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::time::Duration;

use vaxel::prelude::*;

/// Knows the prices. There is one, and its supervisor starts another when it crashes.
struct Market {
    prices: HashMap<String, i64>,
}

#[actor]
impl Market {
    fn init() -> Self {
        Market {
            prices: HashMap::new(),
        }
    }

    /// Moves a price and returns it; every price starts at 100.
    #[call]
    fn trade(&mut self, symbol: String, by: i64) -> i64 {
        let price = self.prices.entry(symbol).or_insert(100);
        *price += by;
        *price
    }
}

/// One client that watches one symbol.
struct Ticker {
    market: MarketRef,
    symbol: String,
}

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Watch {
    every_ms: u64,
}

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Trade {
    by: i64,
}

/// A timer's message to the channel.
struct Tick;

impl Channel for Ticker {
    type Params = Watch;

    async fn join(
        topic: &Topic,
        params: Watch,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        if params.every_ms < 10 {
            return Err(Refusal::new("every_ms must be at least 10"));
        }
        let market = MarketRef::whereis("market").ok_or(Refusal::new("the market is closed"))?;
        let symbol = topic.rest().to_owned();
        let price = market.trade(symbol.clone(), 0).await?;
        cx.send_every(Duration::from_millis(params.every_ms), || Tick);
        Ok(Joined::new(Ticker { market, symbol }).reply(json!({ "price": price })))
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "trade" => {
                let Trade { by } = payload.parse()?;
                let price = self.market.trade(self.symbol.clone(), by).await?;
                cx.broadcast("trade", &json!({ "by": by, "price": price }));
                Ok(Reply::ok(json!({ "price": price })))
            }
            _ => Err(Refusal::new("unknown event")),
        }
    }
}

impl HandleInfo<Tick> for Ticker {
    async fn handle_info(&mut self, _: Tick, cx: &mut ChannelContext<'_, Self>) {
        if let Ok(price) = self.market.trade(self.symbol.clone(), 0).await {
            cx.push("tick", &json!({ "price": price }));
        }
    }
}

#[vaxel::main]
async fn main() -> Result<(), ServerError> {
    let listen = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:4001".to_owned());
    Server::builder()
        .listen(listen)
        .supervise(Supervisor::one_for_one().child(Market::child().name("market")))
        .socket("/socket", Socket::new().channel::<Ticker>("ticker:*"))
        .run()
        .await
}
