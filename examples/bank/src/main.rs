//! A bank whose money survives a `kill -9`.
//!
//! Every account is an event-sourced actor that is started when it is asked something, and put to
//! sleep when nobody does. A transfer is two events in two accounts: the sender's is stored before
//! it is answered, the receiver's follows through [`delivery`]. Money under way is in neither
//! account, and arrives once, whatever is killed when.
//!
//! ```console
//! $ cargo run --release -p bank -- --data bank.db
//! $ curl -d '{"amount": 500}' -H 'content-type: application/json' \
//!       127.0.0.1:4002/accounts/ada/deposits
//! $ curl -d '{"to": "bob", "amount": 120}' -H 'content-type: application/json' \
//!       127.0.0.1:4002/accounts/ada/transfers
//! $ curl 127.0.0.1:4002/accounts/bob
//! ```

#![forbid(unsafe_code)]

mod account;
mod delivery;
mod http;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use vaxel::persistence::{Entities, Persistence};
use vaxel::prelude::*;
use vaxel::store::Sqlite;

use account::Account;
use delivery::Delivery;

struct Options {
    data: PathBuf,
    listen: String,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            data: "bank.db".into(),
            listen: "127.0.0.1:4002".to_owned(),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            match word.as_str() {
                "--data" => options.data = value.into(),
                "--listen" => options.listen = value,
                _ => return Err(format!("{word} is unknown: there are --data and --listen")),
            }
        }
        Ok(options)
    }
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

async fn serve() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let persistence = Persistence::new(Sqlite::open(&options.data)?);
    let accounts = Entities::<Account>::new(&persistence);
    let staff = Supervisor::one_for_one().child(Delivery::child(&persistence, &accounts));
    Server::builder()
        .listen(options.listen)
        .supervise(staff)
        .http(http::router(&accounts))
        .on_listening(announce)
        .run()
        .await?;
    Ok(())
}

/// For people, and for programs that wait for the line.
#[allow(
    clippy::print_stdout,
    reason = "what a program says on its standard output"
)]
fn announce(server: &Server) {
    println!("listening on http://{}", server.address());
}

/// The error, and what led to it.
#[allow(
    clippy::print_stderr,
    reason = "what a program says on its standard error"
)]
fn complain(error: &dyn Error) {
    eprintln!("bank: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
