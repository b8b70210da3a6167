//! Delivers what accounts have sent.
//!
//! It reads what was sent in the order in which it was stored, and remembers how far it has come.
//! Killed in between, it delivers the last of it again, which the receivers notice: at least once
//! and not twice is once.

use vaxel::persistence::{
    Codec, Entities, EventSourced, Json, Persistence, Projection, ProjectionActor, ProjectionError,
};
use vaxel::prelude::*;
use vaxel::store::{TailedEvent, Write};

use crate::account::{Account, Happened, Receive, SENT};

pub(crate) struct Delivery {
    accounts: Entities<Account>,
}

impl Delivery {
    /// The delivery as a child of a supervisor.
    pub(crate) fn child(
        persistence: &Persistence,
        accounts: &Entities<Account>,
    ) -> ChildSpec<ProjectionActor<Delivery>> {
        let accounts = accounts.clone();
        ProjectionActor::child(persistence, move || Delivery {
            accounts: accounts.clone(),
        })
    }
}

impl Projection for Delivery {
    const NAME: &'static str = "delivery";

    fn tag(&self) -> Option<std::sync::Arc<str>> {
        Some(SENT.into())
    }

    async fn project(
        &mut self,
        event: &TailedEvent,
        _write: &mut Write,
    ) -> Result<(), ProjectionError> {
        let Happened::Sent { to, amount } = Json::decode(&event.event.payload)? else {
            return Ok(());
        };
        let from = event.entity.as_str();
        let from = from.strip_prefix(Account::KIND).unwrap_or(from);
        let transfer = Receive {
            from: from.trim_start_matches('/').to_owned(),
            number: event.event.sequence,
            amount,
        };
        self.accounts.execute(&to, transfer).await?;
        Ok(())
    }
}
