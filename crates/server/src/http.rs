//! What a server answers over HTTP by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use vaxel_channels::LongPoll;
use vaxel_net::PeerAddress;

/// Whether the server is on its way out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The server's own routes in front of the application's.
pub(crate) fn router(application: Router, draining: Draining, long_poll: LongPoll) -> Router {
    let application = match long_poll.is_used() {
        true => application.layer(from_fn(move |request, next| {
            poll(long_poll.clone(), request, next)
        })),
        false => application,
    };
    Router::new()
        .route("/health", get(async move || health(&draining)))
        .fallback_service(application)
}

/// Answers requests to the long poll of a socket.
async fn poll(long_poll: LongPoll, request: Request, next: Next) -> Response {
    let Some(mount) = long_poll.find(request.uri().path()) else {
        return next.run(request).await;
    };
    let (head, body) = request.into_parts();
    let Some(PeerAddress(peer)) = head.extensions.get().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match to_bytes(body, mount.config().body_bytes_max).await {
        Ok(body) => {
            let response = long_poll.respond(mount, &head, peer, &body).await;
            response.map(Into::into)
        }
        Err(_) => long_poll.body_too_large().map(Into::into),
    }
}

fn health(draining: &Draining) -> impl IntoResponse + use<> {
    let (status, body) = if draining.has_begun() {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#)
    } else {
        (StatusCode::OK, r#"{"status":"ok"}"#)
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body)
}
