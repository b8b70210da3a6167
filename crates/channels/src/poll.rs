//! Long poll: channels for clients whose network lets no WebSocket through.
//!
//! A session is an actor that keeps what is sent to its client until the client asks for it, and
//! hands the client's messages to the same channels by the same rules as a shard does. The server
//! gives it the requests; see [`LongPoll::respond`].

mod answer;
mod config;
mod home;
mod outbox;
mod request;
mod session;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use vaxel_actor::{ActorRef, Recipient};

use crate::assigns::Assigns;
use crate::endpoint::Endpoint;
use crate::params;
use crate::signer::Signer;
use crate::socket::command::Command;
use crate::socket::connect::{self, ConnectRequest};
use crate::socket::mount::Mount;
use crate::vsn::Version;
pub use answer::PollResponse;
pub use config::PollConfig;
use session::{PollSession, Request, Start};
use sessions::OpenSessions;

/// Stands for all long-poll sessions where a shard is named.
pub(crate) const POLL_SHARD: u32 = u32::MAX;

/// How long a token is taken, as in Phoenix: 14 days. Its session ends long before.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(1_209_600);

const PURPOSE: &str = "long poll";

/// Gives a command to a session. One whose mailbox is full has fallen behind and ends: its client
/// is told so when it polls, and begins anew.
pub(crate) fn command(endpoint: &Endpoint, session: &Recipient<Command>, command: Command) {
    if session.cast(command).is_err_and(|error| error.is_full()) {
        endpoint.poll_counters().poll_sessions_behind.add_shared(1);
        session.erase().kill();
    }
}

/// The long-poll transport of a server's sockets. Cloning copies a pointer.
#[derive(Clone)]
pub struct LongPoll {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    mounts: Arc<[Mount]>,
    signer: Signer,
    sessions: Arc<OpenSessions>,
    is_draining: AtomicBool,
}

/// A path that is the long poll of a socket.
#[derive(Clone, Debug)]
pub struct PollMount {
    mount: usize,
    variables: Map<String, Value>,
    config: PollConfig,
}

impl PollMount {
    /// Its bounds.
    pub fn config(&self) -> &PollConfig {
        &self.config
    }
}

impl LongPoll {
    pub(crate) fn new(endpoint: Endpoint, mounts: Arc<[Mount]>) -> Self {
        let shared = Shared {
            endpoint,
            mounts,
            signer: Signer::random(),
            sessions: Arc::default(),
            is_draining: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether any socket has the transport.
    pub fn is_used(&self) -> bool {
        let mut mounts = self.shared.mounts.iter();
        mounts.any(|mount| mount.socket.long_poll.is_some())
    }

    /// The socket whose long poll is at `path`, if it has one.
    pub fn find(&self, path: &str) -> Option<PollMount> {
        let mut mounts = self.shared.mounts.iter().enumerate();
        mounts.find_map(|(mount, known)| {
            Some(PollMount {
                mount,
                config: known.socket.long_poll?,
                variables: known.matches(path, "longpoll")?,
            })
        })
    }

    /// Answers a request to the path of `mount`. Takes up to [`PollConfig::window`].
    ///
    /// Cancel safe: frames for a client that has gone wait for its next poll.
    pub async fn respond(
        &self,
        mount: PollMount,
        head: &Parts,
        peer: SocketAddr,
        body: &[u8],
    ) -> PollResponse {
        let mut params = params::parse(head.uri.query().unwrap_or_default());
        let query = params.get("token").and_then(Value::as_str);
        let token = request::token(&head.headers, query).map(str::to_owned);
        let session = token.as_deref().and_then(|token| self.session(token));
        params.remove("token");
        match (&head.method, session) {
            (&Method::OPTIONS, _) => answer::options(&head.headers),
            (&Method::POST, Some(session)) => {
                let batch_max = mount.config.batch_max;
                let (lines, ignored) = request::lines(&head.headers, body, batch_max);
                let counters = self.shared.endpoint.poll_counters();
                counters.poll_messages_ignored.add_shared(ignored as u64);
                let status = ask(&session, |reply| Request::Feed(lines, reply)).await;
                answer::status(status.unwrap_or(410))
            }
            (&Method::POST, None) => answer::status(410),
            (&Method::GET, Some(session)) => {
                let token = token.as_deref().unwrap_or_default();
                match ask(&session, Request::Poll).await {
                    Some(frames) if frames.is_empty() => answer::messages(204, token, &[]),
                    Some(frames) => answer::messages(200, token, &frames),
                    None => answer::messages(410, token, &[]),
                }
            }
            (&Method::GET, None) => self.connect(mount, params, head, peer).await,
            _ => answer::plain(StatusCode::BAD_REQUEST),
        }
    }

    /// Answers a request whose body is longer than [`PollConfig::body_bytes_max`].
    pub fn body_too_large(&self) -> PollResponse {
        let counters = self.shared.endpoint.poll_counters();
        counters.poll_bodies_too_large.add_shared(1);
        answer::plain(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Ends some sessions because the server stops, and lets no new one begin. Returns how many
    /// are left.
    pub fn drain(&self, count: usize) -> usize {
        self.shared.is_draining.store(true, Ordering::Relaxed);
        for session in self.shared.sessions.take(count) {
            session.shutdown();
        }
        self.shared.sessions.len()
    }

    /// The open session that a token names.
    fn session(&self, token: &str) -> Option<ActorRef<PollSession>> {
        let number = self.shared.signer.verify(PURPOSE, token, TOKEN_AGE_MAX)?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        self.shared.sessions.find(number).filter(ActorRef::is_alive)
    }

    async fn connect(
        &self,
        mount: PollMount,
        mut params: Map<String, Value>,
        head: &Parts,
        peer: SocketAddr,
    ) -> PollResponse {
        let socket = &self.shared.mounts[mount.mount].socket;
        let header = |name| head.headers.get(name)?.to_str().ok();
        let version = connect::version(socket, &params, header("origin"), header("host"));
        let Some(version) = version.filter(|_| self.has_room(&mount)) else {
            return answer::status(403);
        };
        let assigns = match &socket.connect {
            None => Assigns::new(),
            Some(hook) => {
                params.extend(mount.variables.clone());
                let token = header("x-phoenix-authtoken").map(str::to_owned);
                let headers = head.headers.clone();
                let request = ConnectRequest::new(socket, params, headers, peer, token);
                let endpoint = &self.shared.endpoint;
                let connections_max = socket.limits.connections_per_token_max;
                let decision = connect::decide(endpoint, connections_max, hook.clone(), request);
                match endpoint.system().spawn_future(decision).await {
                    Ok(Ok(assigns)) => assigns,
                    Ok(Err(_)) => return answer::status(403),
                    Err(_) => return answer::plain(StatusCode::INTERNAL_SERVER_ERROR),
                }
            }
        };
        let token = self.open(mount, version, assigns);
        answer::messages(410, &token, &[])
    }

    fn has_room(&self, mount: &PollMount) -> bool {
        let has_room = self.shared.sessions.len() < mount.config.sessions_max;
        if !has_room {
            let counters = self.shared.endpoint.poll_counters();
            counters.poll_sessions_refused.add_shared(1);
        }
        has_room && !self.shared.is_draining.load(Ordering::Relaxed)
    }

    /// Begins a session; its token.
    fn open(&self, mount: PollMount, version: Version, assigns: Assigns) -> String {
        let place = self.shared.sessions.place();
        let number = place.number();
        let start = Start {
            endpoint: self.shared.endpoint.clone(),
            mounts: self.shared.mounts.clone(),
            mount: mount.mount,
            version,
            assigns,
            config: mount.config,
            place,
        };
        let session = self.shared.endpoint.system().spawn_queued(start);
        self.shared.sessions.insert(number, session);
        self.shared.signer.sign(PURPOSE, &number.to_be_bytes())
    }
}

/// Asks a session; none when it has ended.
async fn ask<T>(
    session: &ActorRef<PollSession>,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    session.cast(request(reply)).ok()?;
    answer.await.ok()
}
