//! Tells everybody what has happened, in the order of its commit.

use std::sync::{Arc, OnceLock};

use vaxel::persistence::{
    Codec, EventSourced, Json, Persistence, Projection, ProjectionActor, ProjectionError,
};
use vaxel::prelude::*;
use vaxel::store::{TailedEvent, Write};

use crate::book::{Book, Happened};

/// A projection whose view is what watchers see. Told something twice after a crash, they know it
/// by its sequence.
pub struct Ticker {
    /// There once the server listens; before that nobody watches.
    endpoint: Arc<OnceLock<Endpoint>>,
}

impl Ticker {
    /// The ticker as a child of a supervisor.
    pub fn child(
        persistence: &Persistence,
        endpoint: Arc<OnceLock<Endpoint>>,
    ) -> ChildSpec<ProjectionActor<Self>> {
        ProjectionActor::child(persistence, move || Ticker {
            endpoint: endpoint.clone(),
        })
    }
}

impl Projection for Ticker {
    const NAME: &'static str = "ticker";

    fn tag(&self) -> Option<Arc<str>> {
        Some(Book::KIND.into())
    }

    async fn project(&mut self, event: &TailedEvent, _: &mut Write) -> Result<(), ProjectionError> {
        let symbol = event.entity.as_str().rsplit('/').next().unwrap_or_default();
        let mut change = match Json::decode(&event.event.payload)? {
            Happened::Placed {
                side,
                price,
                quantity,
                ..
            } => json!({ "levels": [(side, price, quantity as i64)] }),
            Happened::Traded {
                side,
                limit,
                price,
                quantity,
                ..
            } => {
                let by = -(quantity as i64);
                json!({
                    "levels": [(side, limit, by), (side.other(), price, by)],
                    "trade": { "side": side, "price": price, "quantity": quantity },
                })
            }
            Happened::Cancelled {
                side,
                price,
                quantity,
                ..
            } => json!({ "levels": [(side, price, -(quantity as i64))] }),
        };
        change["sequence"] = event.event.sequence.into();
        if let Some(endpoint) = self.endpoint.get() {
            endpoint.broadcast(&format!("book:{symbol}"), "change", &change);
        }
        Ok(())
    }
}
