//! Actors whose state survives: what they acknowledge is still true after a `kill -9`.
//!
//! An [`EventSourced`] actor decides what happened, appends it to a journal, and is rebuilt from
//! it; a [`Durable`] actor stores its newest state and no log. Both answer only after the commit,
//! and commits of many actors share one sync. [`Entities`] finds them by key, starts them on
//! demand, and puts idle ones to sleep; a [`Projection`] makes views of what happened.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use vaxel_persistence::{Command, Entities, Entity, EventSourced, Execute, Json, Persistence};
//! use vaxel_store::Memory;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Account {
//!     balance: u64,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! enum Happened {
//!     Deposited(u64),
//!     Withdrawn(u64),
//! }
//!
//! impl EventSourced for Account {
//!     const KIND: &'static str = "account";
//!     type Event = Happened;
//!     type Format = Json;
//!
//!     fn new(_key: &str) -> Self {
//!         Account { balance: 0 }
//!     }
//!
//!     fn apply(&mut self, event: &Happened) {
//!         match event {
//!             Happened::Deposited(amount) => self.balance += amount,
//!             Happened::Withdrawn(amount) => self.balance -= amount,
//!         }
//!     }
//! }
//!
//! struct Deposit(u64);
//! impl Command for Deposit {
//!     type Reply = u64;
//! }
//! impl Execute<Deposit> for Account {
//!     async fn execute(Deposit(amount): Deposit, account: &mut Entity<'_, Self>) -> u64 {
//!         account.persist(Happened::Deposited(amount));
//!         account.balance
//!     }
//! }
//!
//! #[derive(Debug, PartialEq)]
//! struct NotEnough;
//!
//! struct Withdraw(u64);
//! impl Command for Withdraw {
//!     type Reply = Result<u64, NotEnough>;
//! }
//! impl Execute<Withdraw> for Account {
//!     async fn execute(
//!         Withdraw(amount): Withdraw,
//!         account: &mut Entity<'_, Self>,
//!     ) -> Result<u64, NotEnough> {
//!         if account.balance < amount {
//!             return Err(NotEnough);
//!         }
//!         account.persist(Happened::Withdrawn(amount));
//!         Ok(account.balance)
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let accounts = Entities::<Account>::new(&Persistence::new(Memory::new()));
//! assert_eq!(accounts.execute("ada", Deposit(100)).await?, 100);
//! assert_eq!(accounts.execute("ada", Withdraw(30)).await?, Ok(70));
//! assert_eq!(accounts.execute("ada", Withdraw(80)).await?, Err(NotEnough));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Guarantees
//! - **Durability.** A reply is sent after the events of its command are stored. Mail waits
//!   meanwhile, so nobody sees a state that may yet be lost.
//! - **Atomicity.** The events of one command, and what [`Entity::also`] adds to them, are stored
//!   together or not at all.
//! - **Single writer.** A starting actor fences off every earlier one of the same key, in this
//!   process or another. Who is fenced off is refused by the database, and ends. A command that
//!   stores nothing asks no database: one that was fenced off by another process may answer it
//!   with what was true before, unless [`Entity::check_fence`] has it ask.
//! - **Failure.** When a commit fails the caller is told whether the outcome is known, and the
//!   actor ends: the next start reads what is really stored.
//! - **Effects.** [`EventSourced::apply`] runs again at each recovery and must have none.
//!   [`Execute::execute`] runs once for each command.
//! - **Bounds.** Recoveries at once, writes under way, and the mail of each actor are bounded; see
//!   [`PersistenceConfig`].

#![forbid(unsafe_code)]

mod by_key;
mod codec;
mod directory;
pub mod durable;
mod entities;
mod entity;
mod event_sourced;
mod persistence;
pub mod projection;
mod snapshots;

pub use codec::{Codec, DecodeError, EncodeError, Json, Postcard};
pub use durable::{Durable, DurableActor, DurableArgs, States, Stored, Update};
pub use entities::Entities;
pub use entity::{Entity, EntityActor, EntityArgs};
pub use event_sourced::{Command, EventSourced, Execute, ExecuteError, Upcast};
pub use persistence::{Persistence, PersistenceConfig, PersistenceCounters};
pub use projection::{Projection, ProjectionActor, ProjectionArgs, ProjectionError};
pub use snapshots::Snapshots;
