//! `cargo run --release -p orders -- 127.0.0.1:4005 orders.db`, then join `book:ACME` at
//! `ws://127.0.0.1:4005/socket`.

#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use orders::{Desk, Market, Ticker};
use vaxel::persistence::Persistence;
use vaxel::prelude::*;
use vaxel::store::Sqlite;

async fn serve() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let listen = words.next().unwrap_or_else(|| "127.0.0.1:4005".to_owned());
    let data = words.next().unwrap_or_else(|| "orders.db".to_owned());
    let persistence = Persistence::new(Sqlite::open(data)?);
    let endpoint = Arc::new(OnceLock::new());
    let tree = Supervisor::one_for_one()
        .child(Market::child(persistence.clone()).name("market"))
        .child(Ticker::child(&persistence, endpoint.clone()));
    Server::builder()
        .listen(listen)
        .supervise(tree)
        .socket("/socket", Socket::new().channel::<Desk>("book:*"))
        .on_listening(move |server| {
            // There is one server, which begins to listen once.
            _ = endpoint.set(server.endpoint().clone());
        })
        .run()
        .await?;
    Ok(())
}

#[vaxel::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// The error, and what led to it.
#[allow(
    clippy::print_stderr,
    reason = "what a program says on its standard error"
)]
fn complain(error: &dyn Error) {
    eprintln!("orders: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
