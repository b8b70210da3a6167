//! An order book that survives a `kill -9`: an event-sourced actor for each symbol, a projection
//! that tells everybody what happened in the order of its commit, and a channel to trade on.
//!
//! A client that joins `book:ACME` pushes
//!
//! | event | answered |
//! |---|---|
//! | `place` `{"side": "buy", "price": 101, "quantity": 5}` | `{"id", "traded", "resting"}` |
//! | `cancel` `{"id": 7}` | `{"cancelled"}` |
//!
//! and is pushed, once it has joined, `book`: the quantities at each price, and `sequence`, the
//! number of the last event in them. From then on every event comes as `change`, with its own
//! `sequence`, the `levels` that it changes as `[side, price, by]`, and the `trade` if it is one.
//! Whatever is not newer than the book is in it already; so a client that applies what is newer has
//! the book as it is, however often it comes and goes.
//!
//! `vaxel demo` shows the same book on its page.

#![forbid(unsafe_code)]

mod book;
mod desk;
mod ticker;

pub use desk::{Desk, Market};
pub use ticker::Ticker;
