//! A live dashboard for fifty thousand watchers, at one update a second.
//!
//! `cargo run --release -p dashboard`, then open `http://127.0.0.1:4004`. What is watched is the
//! server itself: how many watch, how many updates it delivers, and what that costs.
//!
//! An update is one broadcast: it is serialised once and framed once, and the shards write the same
//! bytes to all sockets, past the channels. A watcher that reads too slowly gets the newest update
//! instead of all ([`SlowClient::Conflate`]), and one that comes back gets what it missed.

#![forbid(unsafe_code)]

mod meter;
mod process;
mod watcher;

use std::sync::{Arc, OnceLock};

use vaxel::axum::Router;
use vaxel::axum::http::header::CONTENT_TYPE;
use vaxel::axum::response::Html;
use vaxel::axum::routing::get;
use vaxel::prelude::*;

use meter::Meter;
use watcher::Watcher;

/// Each machine that watches counts as one address, and so does a proxy in front of many.
const WATCHERS_PER_ADDRESS_MAX: usize = 65_536;

fn page() -> Router {
    const PAGE: &str = include_str!("../page/index.html");
    const SCRIPT: &str = include_str!("../page/dashboard.js");
    const CLIENT: &str = include_str!("../../../js/vaxel.js");
    let script =
        |text: &'static str| get(async move || ([(CONTENT_TYPE, "text/javascript")], text));
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/dashboard.js", script(SCRIPT))
        .route("/vaxel.js", script(CLIENT))
}

#[vaxel::main]
async fn main() -> Result<(), ServerError> {
    let listen = std::env::args().nth(1);
    let limits = vaxel::NetLimits {
        connections_per_address_max: WATCHERS_PER_ADDRESS_MAX,
        ..vaxel::NetLimits::default()
    };
    // Outlives the meter's crashes; there is nothing in it until the server listens.
    let server = Arc::new(OnceLock::new());
    let meter = Meter::child(server.clone()).name("meter");
    Server::builder()
        .listen(listen.unwrap_or_else(|| "127.0.0.1:4004".to_owned()))
        .limits(limits)
        .supervise(Supervisor::one_for_one().child(meter))
        .socket("/socket", Socket::new().channel::<Watcher>("board:live"))
        .http(page())
        .on_listening(move |listening| {
            announce(listening);
            // There is one server, which begins to listen once.
            _ = server.set((listening.figures(), listening.endpoint().clone()));
        })
        .run()
        .await
}

/// For people, and for programs that wait for the line.
#[allow(
    clippy::print_stdout,
    reason = "what a program says on its standard output"
)]
fn announce(server: &Server) {
    println!("listening on http://{}", server.address());
}
