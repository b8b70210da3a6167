//! Everything that is no WebSocket: driven by hyper on the shard, answered on the shared runtime.

mod answer;
mod rewind;
mod stream;
mod task;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tower_service::Service;

use crate::admission::Guest;
use crate::counters::Counters;
use crate::file_table::FileTables;
use crate::limits::Limits;
use crate::tls::TlsSession;
use answer::Answer;
use rewind::Rewind;
use stream::Stream;
use task::HandlerTask;

/// Who sent a request: an extension of every request given to the HTTP service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddress(pub SocketAddr);

/// What is asked of the HTTP connections of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpPhase {
    Run,
    /// Finish the request under way.
    Finish,
    /// End at once.
    Abort,
}

/// A connection on its way from the shard's table to hyper.
pub(crate) struct Handover {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) tls: Option<TlsSession>,
    /// What was read already: the head of the first request, and perhaps more.
    pub(crate) read: Bytes,
    pub(crate) peer: SocketAddr,
    pub(crate) guest: Guest,
    pub(crate) counters: Arc<Counters>,
    pub(crate) phase: watch::Receiver<HttpPhase>,
}

/// Takes a connection over. Has to be called inside the shard's tokio runtime.
pub(crate) type Driver = Box<dyn Fn(Handover) + Send>;

/// The driver of one shard.
pub(crate) fn driver<S, B>(
    service: S,
    runtime: Handle,
    limits: Arc<Limits>,
    file_tables: FileTables,
) -> Driver
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Box::new(move |handover| {
        tokio::spawn(serve(
            handover,
            service.clone(),
            runtime.clone(),
            Arc::clone(&limits),
            file_tables,
        ));
    })
}

/// One connection, from its first request to its end.
async fn serve<S, B>(
    handover: Handover,
    service: S,
    runtime: Handle,
    limits: Arc<Limits>,
    file_tables: FileTables,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Handover {
        socket,
        tls,
        read,
        peer,
        guest,
        counters,
        mut phase,
    } = handover;
    let open = Open::new(guest, Arc::clone(&counters));
    let Ok(stream) = TcpStream::from_std(socket) else {
        return;
    };
    let timeout = limits.http_request_timeout;
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        if file_tables == FileTables::PerShard {
            // A handler on another thread would read from another file of the same number.
            request.extensions_mut().remove::<OnUpgrade>();
        }
        counters.http_requests.add(1);
        let task = HandlerTask::spawn(&runtime, service.clone(), request);
        let counters = Arc::clone(&counters);
        async move { Ok::<_, Infallible>(answered(task, timeout, &counters).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.handshake_timeout)
        .max_buf_size(limits.http_head_bytes_max.max(8 << 10))
        .serve_connection(
            TokioIo::new(Rewind::new(Stream::new(stream, tls), read)),
            answer,
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut seen = HttpPhase::Run;
    loop {
        tokio::select! {
            // The client left, or broke the protocol and was answered by hyper.
            _ = connection.as_mut() => break,
            changed = phase.wait_for(|phase| *phase != seen) => match changed.map(|phase| *phase) {
                Ok(HttpPhase::Finish) => {
                    seen = HttpPhase::Finish;
                    connection.as_mut().graceful_shutdown();
                }
                Ok(HttpPhase::Run) => seen = HttpPhase::Run,
                Ok(HttpPhase::Abort) | Err(_) => break,
            },
        }
    }
    drop(open);
}

/// The handler's answer, or one in its place.
async fn answered<B: Body>(
    task: HandlerTask<B>,
    timeout: Duration,
    counters: &Counters,
) -> Response<Answer<B>> {
    let status = match tokio::time::timeout(timeout, task).await {
        Ok(Some(response)) => return response,
        Ok(None) => {
            counters.http_panics.add(1);
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Err(_) => {
            counters.http_timeouts.add(1);
            StatusCode::REQUEST_TIMEOUT
        }
    };
    let mut response = Response::new(Answer::Empty);
    *response.status_mut() = status;
    response
}

/// Keeps the count of open connections right, however the connection ends.
struct Open {
    counters: Arc<Counters>,
    _guest: Guest,
}

impl Open {
    fn new(guest: Guest, counters: Arc<Counters>) -> Self {
        counters.http_connections.add(1);
        Self {
            counters,
            _guest: guest,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.connections_open.sub(1);
    }
}
