//! A disk under SQLite that loses power, fails and is watched, for tests of what is promised about
//! a disk.
//!
//! A process that is killed leaves what it has written in the memory of the kernel, so killing it
//! cannot show that anything was synced. [`Disk`] stands between SQLite and its files, and knows
//! what was synced: [`Disk::lose_power`] writes what a machine finds after a power failure, where
//! of everything that was written and not synced any part may be missing.
//!
//! This crate is for tests alone and is the only one beside `runtime` and `net` with `unsafe` code:
//! SQLite's interface to file systems is one of C, and no safe one has the shared memory that its
//! write-ahead log needs.

mod disk;

pub use disk::{Disk, Moment, Operation, Step, Trouble};
