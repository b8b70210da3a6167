//! A client asks to connect.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use vaxel_net::{ConnectionId, UpgradeRequest};

use crate::assigns::Assigns;
use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::socket::command::Command;
use crate::socket::subprotocol::Offer;
use crate::socket::{Connect, Socket};
use crate::vsn::Version;

/// What a connect hook decides about.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The query and the variables of the path, read as nested form data: all leaves are strings.
    pub params: Map<String, Value>,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// Who asks. Behind a proxy, the proxy.
    pub peer: SocketAddr,
    /// The token that the client was given as `authToken`, where the socket
    /// [reads it](crate::Socket::auth_token).
    pub auth_token: Option<String>,
    /// The session of the request's cookie, where the socket [reads it](crate::Socket::session)
    /// and the param `_csrf_token` was made for it.
    pub session: Option<crate::sessions::Session>,
}

impl ConnectRequest {
    pub(crate) fn upgrade(
        socket: &Socket,
        params: Map<String, Value>,
        request: &UpgradeRequest<'_>,
        offer: Offer,
    ) -> Self {
        let headers = request.headers().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        // `collect` would keep the last of several headers of one name.
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        Self::new(socket, params, map, request.peer(), offer.token)
    }

    /// The session is shown only to a request that proves to come from a page of its own.
    pub(crate) fn new(
        socket: &Socket,
        params: Map<String, Value>,
        headers: HeaderMap,
        peer: SocketAddr,
        token: Option<String>,
    ) -> Self {
        let csrf = params.get("_csrf_token").and_then(Value::as_str);
        let session = socket.session.as_ref().zip(csrf);
        let session = session.and_then(|(sessions, csrf)| sessions.verified(&headers, csrf));
        Self {
            auth_token: token.filter(|_| socket.reads_auth_token),
            session,
            params,
            headers,
            peer,
        }
    }

    /// A param that is a plain string.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)?.as_str()
    }
}

/// A connection whose hook has not decided yet.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub(crate) connection: ConnectionId,
    pub(crate) mount: u16,
    pub(crate) version: Version,
    /// Whether the answer names the subprotocol that was offered.
    pub(crate) has_subprotocol: bool,
    pub(crate) takes_hints: bool,
}

/// The version that a request asks for, unless the rules of the socket refuse it.
pub(crate) fn version(
    socket: &Socket,
    params: &Map<String, Value>,
    origin: Option<&str>,
    host: Option<&str>,
) -> Option<Version> {
    let version = match params.get("vsn") {
        None => Version::select(None),
        Some(Value::String(vsn)) => Version::select(Some(vsn)),
        Some(_) => None,
    };
    version.filter(|_| socket.origins.allow(origin, host))
}

/// What the hook says, and whether the account of the client's token has room.
pub(crate) fn decide(
    endpoint: &Endpoint,
    connections_per_token_max: u32,
    hook: Arc<dyn Connect>,
    request: ConnectRequest,
) -> impl Future<Output = Result<Assigns, Refusal>> + Send + use<> {
    let endpoint = endpoint.clone();
    async move {
        let key = endpoint.tokens().key(&request);
        let assigns = hook.connect(request).await?;
        let Some(key) = key else {
            return Ok(assigns);
        };
        match endpoint.tokens().enter(key, connections_per_token_max) {
            Ok(seat) => Ok(assigns.with_token(seat)),
            Err(refusal) => {
                endpoint.connection_refused_by_token();
                Err(refusal)
            }
        }
    }
}

/// Runs a decision on the actor plane and tells the shard the outcome, whatever happens to the
/// hook.
pub(crate) fn run(
    endpoint: &Endpoint,
    shard: usize,
    pending: Pending,
    decision: impl Future<Output = Result<Assigns, Refusal>> + Send + 'static,
) {
    let answer = Answer {
        endpoint: endpoint.clone(),
        shard,
        pending,
        outcome: None,
    };
    // The outcome travels by command; nobody waits for the cell.
    _ = endpoint.system().spawn_future(async move {
        let mut answer = answer;
        answer.outcome = Some(decision.await);
    });
}

/// Dropped without an outcome, it reports a crash.
struct Answer {
    endpoint: Endpoint,
    shard: usize,
    pending: Pending,
    outcome: Option<Result<Assigns, Refusal>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let crashed = || Err(Refusal::new("connect crashed").with_status(500));
        let outcome = self.outcome.take().unwrap_or_else(crashed);
        let command = Command::Connected {
            pending: self.pending,
            outcome,
        };
        self.endpoint.command(self.shard, command);
    }
}
