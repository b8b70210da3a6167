//! A client asks to connect.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use vaxel_net::{ConnectionId, UpgradeRequest};

use crate::assigns::Assigns;
use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::socket::Connect;
use crate::socket::command::Command;
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
}

impl ConnectRequest {
    pub(crate) fn new(params: Map<String, Value>, request: &UpgradeRequest<'_>) -> Self {
        let headers = request.headers().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        // `collect` would keep the last of several headers of one name.
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        Self {
            params,
            headers: map,
            peer: request.peer(),
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
}

/// Runs a hook on the actor plane and tells the shard the outcome, whatever happens to the hook.
pub(crate) fn run(
    endpoint: &Endpoint,
    shard: usize,
    pending: Pending,
    hook: Arc<dyn Connect>,
    request: ConnectRequest,
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
        answer.outcome = Some(hook.connect(request).await);
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
