//! One server for all tests of a program that run at the same time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use vaxel_test_postgres::{Absent, Server, Settings};

/// The server; the last test that holds it ends it.
///
/// # Panics
/// If there is none on this machine: the stage `postgres` of `cargo xtask test` looks before it
/// runs what needs one.
pub(crate) fn server() -> Arc<Server> {
    static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = server.upgrade() {
        return running;
    }
    let started = match Server::start(&Settings::default()) {
        Ok(started) => Arc::new(started),
        Err(Absent(why)) => panic!("NOT RUN: {why}"),
    };
    *server = Arc::downgrade(&started);
    started
}

/// A name that no other test has.
pub(crate) fn fresh_schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Relaxed))
}
