//! What is promised about durable state, and how it is tested.
//!
//! - What is acknowledged survives a crash (`tests/kill.rs`): the program is killed, at random and
//!   before and after a write, a sync and an acknowledgement.
//! - And a power failure (`tests/power.rs`): what was not synced is lost, kept or torn.
//! - An error says whether anything was written (`tests/disk_faults.rs`): each operation on the
//!   disk fails in turn.
//! - Actors and jobs keep their promises on a store that fails (`tests/store_faults.rs`): each
//!   call of the store fails in turn, in each way there is.
//! - Commands take effect one at a time (`tests/linearity.rs`): through crashes, faults, and two
//!   processes at once.
//! - Many are no exception (`tests/scale.rs`): actors and jobs by the thousand, or by the million
//!   in the deep tier, and ten kills.

#![forbid(unsafe_code)]

mod dice;
mod faulty;
mod linear;
mod load;

pub use dice::{Dice, rounds};
pub use faulty::{Faulty, Trouble};
pub use linear::{Call, Model, is_linearizable};
pub use load::{Count, Counted, Next, Tally, WORKERS, drain, queues, serve, work};
