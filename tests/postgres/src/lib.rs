//! A PostgreSQL server of a test's own: started in a temporary directory on a port of its own,
//! killed, and started again.
//!
//! A server refuses to run as root, so a test that does gives it to the user `postgres`, whom the
//! Debian package makes. Nothing but loopback can reach it. It ends with the value, and with the
//! process of the test, however that ends: a shell between them waits for the end of a pipe.

#![forbid(unsafe_code)]

mod found;
mod server;

pub use found::{Absent, Binaries};
pub use server::{Ending, PASSWORD, Server, Settings, USER};
