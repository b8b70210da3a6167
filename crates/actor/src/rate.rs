//! Senders that hold back: by a rate, by a pause, until it is quiet.
//!
//! - [`RateLimited`] lets so many messages a second through, with a burst, and refuses the others
//!   or lets them wait. It is a [`TokenBucket`] before a recipient.
//! - [`Throttled`] lets one message a period through: the first at once, and at the end of each
//!   period the newest of those that came meanwhile.
//! - [`Debounced`] waits until nothing has come for a while, and then sends the newest.
//!
//! # Ordering
//! What is let through keeps the order in which it was given. A message that may not pass at once
//! never overtakes one that waits.
//!
//! # Bounds
//! A rate-limited sender holds at most 1,024 messages that wait (`waiting_max`); the others hold
//! one. Nothing waits for room in the mailbox: a message that finds it full comes back, or, where
//! nobody is there to be told, is counted as lost.
//!
//! # Time
//! All times are on the clock of a system, which is why the bucket is our own: `governor` decides
//! on any clock, but waits on one of its own, and a decision is ten lines of arithmetic.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::rate::{Debounced, Rate, RateLimited};
//!
//! #[derive(vaxel_actor::Message)]
//! #[message(crate = vaxel_actor)]
//! struct Search(&'static str);
//!
//! struct Index;
//!
//! #[actor(crate = vaxel_actor)]
//! impl Index {
//!     fn init() -> Self {
//!         Index
//!     }
//!
//!     #[info]
//!     fn search(&mut self, Search(text): Search) {
//!         assert_ne!(text, "ac");
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let index = Index::spawn();
//!
//! let limited = RateLimited::new(index.recipient(), Rate::per_second(10).burst(2));
//! assert!(limited.cast(Search("a")).is_ok());
//! assert!(limited.cast(Search("b")).is_ok());
//! assert!(limited.cast(Search("c")).unwrap_err().is_limited()); // and "c" comes back
//! limited.send(Search("c")).await.expect("a tenth of a second later");
//!
//! let typing = Debounced::new(index.recipient(), millis(200));
//! typing.cast(Search("ac"));
//! typing.cast(Search("actor")); // the one that is sent, 200 ms from now
//! # });
//! ```

mod bucket;
mod debounced;
mod limited;
mod pending;
mod throttled;

pub use bucket::{Rate, TokenBucket};
pub use debounced::{Debounced, DebouncedBuilder};
pub use limited::{RateError, RateLimited, WAITING_MAX};
pub use pending::HeldCounts;
pub use throttled::{Throttled, ThrottledBuilder};
