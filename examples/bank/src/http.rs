//! The bank's counter: an HTTP interface of three routes.

use vaxel::axum::extract::{Json, Path, State};
use vaxel::axum::http::StatusCode;
use vaxel::axum::routing::{get, post};
use vaxel::axum::{self, Router};
use vaxel::persistence::{Entities, ExecuteError};
use vaxel::prelude::*;

use crate::account::{Account, Deposit, Look, Refused, Send, Statement};

type Accounts = State<Entities<Account>>;
type Answer = Result<axum::Json<Statement>, (StatusCode, String)>;

pub(crate) fn router(accounts: &Entities<Account>) -> Router {
    Router::new()
        .route("/accounts/{name}", get(look))
        .route("/accounts/{name}/deposits", post(deposit))
        .route("/accounts/{name}/transfers", post(transfer))
        .with_state(accounts.clone())
}

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Deposited {
    amount: u64,
}

#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
struct Transferred {
    to: String,
    amount: u64,
}

async fn look(State(accounts): Accounts, Path(name): Path<String>) -> Answer {
    checked(&name)?;
    answer(accounts.execute(&name, Look).await.map(Ok))
}

async fn deposit(
    State(accounts): Accounts,
    Path(name): Path<String>,
    Json(Deposited { amount }): Json<Deposited>,
) -> Answer {
    checked(&name)?;
    answer(accounts.execute(&name, Deposit { amount }).await)
}

async fn transfer(
    State(accounts): Accounts,
    Path(from): Path<String>,
    Json(Transferred { to, amount }): Json<Transferred>,
) -> Answer {
    checked(&from)?;
    checked(&to)?;
    let key = from.clone();
    answer(accounts.execute(&key, Send { from, to, amount }).await)
}

/// Names are short and plain: they are keys for ever.
fn checked(name: &str) -> Result<(), (StatusCode, String)> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=40).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    let rule = "a name has 1 to 40 letters, digits and hyphens";
    Err((StatusCode::BAD_REQUEST, rule.to_owned()))
}

fn answer(outcome: Result<Result<Statement, Refused>, ExecuteError>) -> Answer {
    let refused = |why: &str| Err((StatusCode::CONFLICT, why.to_owned()));
    match outcome {
        Ok(Ok(statement)) => Ok(axum::Json(statement)),
        Ok(Err(Refused::NotEnough)) => refused("there is not enough on the account"),
        Ok(Err(Refused::TooMuch)) => refused("an account cannot hold so much"),
        Ok(Err(Refused::ToItself)) => refused("an account sends nothing to itself"),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}
