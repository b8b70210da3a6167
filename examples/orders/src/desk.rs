//! Where clients trade.

use vaxel::persistence::{Entities, Persistence};
use vaxel::prelude::*;

use crate::book::{Book, Cancel, Look, Place, Refused};

/// Knows the books. There is one, named `market`.
pub struct Market {
    books: Entities<Book>,
}

#[actor]
impl Market {
    /// A market whose books are kept there.
    pub fn init(persistence: Persistence) -> Self {
        Market {
            books: Entities::new(&persistence),
        }
    }

    #[call]
    pub(crate) fn books(&self) -> Entities<Book> {
        self.books.clone()
    }
}

/// One client at the book of one symbol.
pub struct Desk {
    books: Entities<Book>,
    symbol: String,
}

/// The client has joined, and whatever happens from now on reaches it.
struct Joining;

impl Channel for Desk {
    type Params = Ignored;

    const RATES: &'static [EventRate] = &[EventRate::per_second("*", 50)];

    async fn join(
        topic: &Topic,
        _: Ignored,
        cx: &mut ChannelContext<'_, Self>,
    ) -> Result<Joined<Self>, Refusal> {
        let symbol = topic.rest();
        let is_symbol = symbol.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_symbol || !(1..=8).contains(&symbol.len()) {
            return Err(Refusal::new("a symbol has 1 to 8 capital letters"));
        }
        let market = MarketRef::whereis("market").ok_or(Refusal::new("the market is closed"))?;
        let books = market.books().await?;
        // The book is looked at once the client is on the topic: what happens between the two
        // comes as a change.
        cx.send_after(millis(0), Joining);
        let symbol = symbol.to_owned();
        Ok(Desk { books, symbol }.into())
    }

    async fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        _: &mut ChannelContext<'_, Self>,
    ) -> Result<Reply, Refusal> {
        match event {
            "place" => {
                let place: Place = payload.parse()?;
                let placed = self.books.execute(&self.symbol, place).await;
                Ok(Reply::ok(placed.map_err(failed)?.map_err(refused)?))
            }
            "cancel" => {
                let cancel: Cancel = payload.parse()?;
                let cancelled = self.books.execute(&self.symbol, cancel).await;
                let cancelled = cancelled.map_err(failed)?.map_err(refused)?;
                Ok(Reply::ok(json!({ "cancelled": cancelled })))
            }
            _ => Err(Refusal::new("unknown event")),
        }
    }
}

impl HandleInfo<Joining> for Desk {
    async fn handle_info(&mut self, _: Joining, cx: &mut ChannelContext<'_, Self>) {
        match self.books.execute(&self.symbol, Look).await {
            Ok(depth) => cx.push("book", &depth),
            // The client joins again, and the book is asked again.
            Err(error) => cx.stop_with(ExitReason::error(error.to_string())),
        }
    }
}

/// Whether an order whose answer is this one is on the book is not known: look at the book.
fn failed(error: impl std::error::Error) -> Refusal {
    Refusal::new(error.to_string())
}

fn refused(why: Refused) -> Refusal {
    Refusal::new(match why {
        Refused::Price => "a price is 1 to 1,000,000,000",
        Refused::Quantity => "a quantity is 1 to 1,000,000",
        Refused::Full => "the book is full",
        Refused::NoSuchOrder => "there is no such order, or it is filled",
    })
}
