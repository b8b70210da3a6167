//! The book of one symbol: what may happen to it, and what has.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vaxel::persistence::{Command, Entity, EventSourced, Execute, Json, Snapshots};
use vaxel::prelude::*;

/// Bounds of an order, and how many may wait in a book.
const PRICE_MAX: u64 = 1_000_000_000;
const QUANTITY_MAX: u64 = 1_000_000;
const ORDERS_MAX: usize = 10_000;

/// Of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "vaxel::serde", rename_all = "lowercase")]
pub(crate) enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// What happens to a book. A trade is at the price of the order that waited, its maker's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) enum Happened {
    Placed {
        id: u64,
        side: Side,
        price: u64,
        quantity: u64,
    },
    Traded {
        taker: u64,
        /// The taker's side and limit; it is on the book until it is filled.
        side: Side,
        limit: u64,
        maker: u64,
        price: u64,
        quantity: u64,
    },
    Cancelled {
        id: u64,
        side: Side,
        price: u64,
        quantity: u64,
    },
}

/// An order that waits.
#[derive(Serialize, Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Order {
    id: u64,
    quantity: u64,
}

/// Orders by price; of one price the oldest comes first.
type Levels = BTreeMap<u64, VecDeque<Order>>;

/// All orders of a symbol that wait.
#[derive(Default, Serialize, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Book {
    bids: Levels,
    asks: Levels,
    /// The number of the last order.
    last_id: u64,
    last_price: Option<u64>,
    placed: u64,
    traded: u64,
    cancelled: u64,
}

impl EventSourced for Book {
    const KIND: &'static str = "book";
    const SNAPSHOTS: Snapshots = Snapshots::every(500);
    type Event = Happened;
    type Format = Json;

    fn new(_symbol: &str) -> Self {
        Book::default()
    }

    fn apply(&mut self, event: &Happened) {
        match *event {
            Happened::Placed {
                id,
                side,
                price,
                quantity,
            } => {
                self.last_id = id;
                self.placed += quantity;
                let level = self.levels(side).entry(price).or_default();
                level.push_back(Order { id, quantity });
            }
            Happened::Traded {
                taker,
                side,
                limit,
                maker,
                price,
                quantity,
            } => {
                self.last_price = Some(price);
                self.traded += quantity;
                self.reduce(side, limit, taker, quantity);
                self.reduce(side.other(), price, maker, quantity);
            }
            Happened::Cancelled {
                id,
                side,
                price,
                quantity,
            } => {
                self.cancelled += quantity;
                self.reduce(side, price, id, quantity);
            }
        }
    }

    fn tags(_: &Happened) -> Vec<Arc<str>> {
        vec![Self::KIND.into()]
    }
}

impl Book {
    fn levels(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Takes a quantity from an order; one of which nothing is left goes.
    fn reduce(&mut self, side: Side, price: u64, id: u64, quantity: u64) {
        let levels = self.levels(side);
        let Some(level) = levels.get_mut(&price) else {
            return;
        };
        if let Some(order) = level.iter_mut().find(|order| order.id == id) {
            order.quantity = order.quantity.saturating_sub(quantity);
        }
        level.retain(|order| order.quantity > 0);
        if level.is_empty() {
            levels.remove(&price);
        }
    }

    /// Whom an order trades with, best price first, then the oldest: maker, price, quantity.
    fn matches(&self, place: &Place) -> Vec<(u64, u64, u64)> {
        let mut left = place.quantity;
        let levels: Box<dyn Iterator<Item = _>> = match place.side {
            Side::Buy => Box::new(self.asks.range(..=place.price)),
            Side::Sell => Box::new(self.bids.range(place.price..).rev()),
        };
        let orders =
            levels.flat_map(|(price, level)| level.iter().map(move |order| (price, order)));
        let mut found = Vec::new();
        for (price, order) in orders {
            if left == 0 {
                break;
            }
            let quantity = left.min(order.quantity);
            left -= quantity;
            found.push((order.id, *price, quantity));
        }
        found
    }

    /// Where an order waits.
    fn find(&self, id: u64) -> Option<(Side, u64, u64)> {
        let sides = [(Side::Buy, &self.bids), (Side::Sell, &self.asks)];
        sides.into_iter().find_map(|(side, levels)| {
            levels.iter().find_map(|(price, level)| {
                let order = level.iter().find(|order| order.id == id)?;
                Some((side, *price, order.quantity))
            })
        })
    }
}

/// Why a book does not do what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Price,
    Quantity,
    Full,
    NoSuchOrder,
}

/// Buys or sells at this price or a better one; what finds nobody waits in the book.
#[derive(Debug, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Place {
    pub(crate) side: Side,
    pub(crate) price: u64,
    pub(crate) quantity: u64,
}

/// What became of an order when it was placed.
#[derive(Debug, PartialEq, Serialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Placed {
    pub(crate) id: u64,
    pub(crate) traded: u64,
    pub(crate) resting: u64,
}

impl Command for Place {
    type Reply = Result<Placed, Refused>;
}

impl Execute<Place> for Book {
    async fn execute(place: Place, book: &mut Entity<'_, Self>) -> Result<Placed, Refused> {
        if !(1..=PRICE_MAX).contains(&place.price) {
            return Err(Refused::Price);
        }
        if !(1..=QUANTITY_MAX).contains(&place.quantity) {
            return Err(Refused::Quantity);
        }
        let orders = book.bids.values().chain(book.asks.values());
        if orders.map(VecDeque::len).sum::<usize>() >= ORDERS_MAX {
            return Err(Refused::Full);
        }
        let matches = book.matches(&place);
        let Place {
            side,
            price,
            quantity,
        } = place;
        let id = book.last_id + 1;
        book.persist(Happened::Placed {
            id,
            side,
            price,
            quantity,
        });
        let mut traded = 0;
        for (maker, at, quantity) in matches {
            traded += quantity;
            book.persist(Happened::Traded {
                taker: id,
                side,
                limit: price,
                maker,
                price: at,
                quantity,
            });
        }
        let resting = quantity - traded;
        Ok(Placed {
            id,
            traded,
            resting,
        })
    }
}

/// Takes an order back; what was left of it.
#[derive(Debug, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Cancel {
    pub(crate) id: u64,
}

impl Command for Cancel {
    type Reply = Result<u64, Refused>;
}

impl Execute<Cancel> for Book {
    async fn execute(Cancel { id }: Cancel, book: &mut Entity<'_, Self>) -> Result<u64, Refused> {
        let (side, price, quantity) = book.find(id).ok_or(Refused::NoSuchOrder)?;
        book.persist(Happened::Cancelled {
            id,
            side,
            price,
            quantity,
        });
        Ok(quantity)
    }
}

/// Asks what is in the book.
#[derive(Debug)]
pub(crate) struct Look;

/// The quantities at each price, and sums over the life of the book.
#[derive(Debug, Serialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Depth {
    /// The last event in it.
    pub(crate) sequence: u64,
    /// Price and quantity, best first.
    pub(crate) bids: Vec<(u64, u64)>,
    pub(crate) asks: Vec<(u64, u64)>,
    pub(crate) last_price: Option<u64>,
    /// What was placed is on the book, cancelled, or traded; a trade takes from two orders.
    pub(crate) placed: u64,
    pub(crate) traded: u64,
    pub(crate) cancelled: u64,
}

impl Command for Look {
    type Reply = Depth;
}

impl Execute<Look> for Book {
    async fn execute(_: Look, book: &mut Entity<'_, Self>) -> Depth {
        let sum = |(price, level): (&u64, &VecDeque<Order>)| {
            (*price, level.iter().map(|order| order.quantity).sum())
        };
        Depth {
            sequence: book.sequence(),
            bids: book.bids.iter().rev().map(sum).collect(),
            asks: book.asks.iter().map(sum).collect(),
            last_price: book.last_price,
            placed: book.placed,
            traded: book.traded,
            cancelled: book.cancelled,
        }
    }
}
