//! What an application declares about its sockets.

pub(crate) mod command;
pub(crate) mod connect;
pub(crate) mod dispatch;
pub(crate) mod home;
mod join;
pub(crate) mod mount;
mod protocol;
pub(crate) mod session;
pub(crate) mod subprotocol;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::{Recipient, System};
use vaxel_pubsub::Window;

use crate::assigns::Assigns;
use crate::channel::Channel;
use crate::channel::inbox::Inbound;
use crate::channel::process::{ChannelActor, JoinRequest};
use crate::limits::Limits;
use crate::origins::Origins;
use crate::poll::PollConfig;
use crate::refusal::Refusal;
use crate::sessions::Sessions;
use crate::slow::SlowClient;
use crate::topic::Pattern;

pub use connect::ConnectRequest;
pub use protocol::ChannelsProtocol;

/// What clients find behind one path: which topics there are, and who may connect.
///
/// ```
/// # use vaxel_channels::*;
/// # struct Room;
/// # impl Channel for Room {
/// #     type Params = Ignored;
/// #     async fn join(
/// #         _: &Topic,
/// #         _: Ignored,
/// #         _: &mut ChannelContext<'_, Self>,
/// #     ) -> Result<Joined<Self>, Refusal> {
/// #         Ok(Room.into())
/// #     }
/// # }
/// struct UserId(u64);
///
/// let socket = Socket::new()
///     .connect(async |request: ConnectRequest| match request.param("token") {
///         Some("secret") => Ok(Assigns::new().with(UserId(1))),
///         _ => Err(Refusal::new("unauthorized")),
///     })
///     .channel::<Room>("room:*");
/// ```
#[derive(Default)]
#[must_use = "a socket does nothing until a server mounts it"]
pub struct Socket {
    routes: Vec<Route>,
    pub(crate) connect: Option<Arc<dyn Connect>>,
    pub(crate) limits: Limits,
    idle_timeout: Option<Duration>,
    origins: Origins,
    reads_auth_token: bool,
    session: Option<Sessions>,
    pub(crate) long_poll: Option<PollConfig>,
}

struct Route {
    pattern: Pattern,
    kind: Box<dyn Kind>,
}

impl Socket {
    /// A socket without topics that everybody may connect to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Routes topics to a channel: an exact topic, or a prefix followed by one `*`, which matches
    /// the empty remainder too. The first route that matches wins.
    ///
    /// # Panics
    /// When the pattern has a `*` that is not its last character, or can never match because an
    /// earlier one takes all its topics.
    #[track_caller]
    pub fn channel<C: Channel>(mut self, pattern: &str) -> Self {
        let kind = Box::new(Of::<C>(PhantomData));
        let pattern = Pattern::new(pattern);
        let mut earlier = self.routes.iter().map(|route| &route.pattern);
        if let Some(earlier) = earlier.find(|earlier| earlier.covers(&pattern)) {
            panic!(
                "no topic reaches the route {pattern}: {earlier} stands before it and takes them \
                 all; put {pattern} first"
            );
        }
        self.routes.push(Route { pattern, kind });
        self
    }

    /// The topics and what was chosen for their slow clients; none when all have the default.
    pub(crate) fn slow_topics(&self) -> Vec<(Pattern, SlowClient)> {
        let routes = self.routes.iter();
        let all = routes.map(|route| (route.pattern.clone(), route.kind.slow()));
        let all: Vec<_> = all.collect();
        let is_default = all.iter().all(|(_, slow)| *slow == SlowClient::Close);
        if is_default { Vec::new() } else { all }
    }

    /// The topics that keep a history, and how much.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (Pattern, Window)> {
        let routes = self.routes.iter();
        routes.filter_map(|route| Some((route.pattern.clone(), route.kind.window()?)))
    }

    /// Decides who may connect. What the hook assigns is seen by all channels of the connection.
    ///
    /// The hook runs on the actor plane and may await. A refusal is answered with its HTTP
    /// status, a panic with 500, and one that takes longer than the handshake may with the end of
    /// the connection.
    pub fn connect<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(ConnectRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Assigns, Refusal>> + Send + 'static,
    {
        self.connect = Some(Arc::new(hook));
        self
    }

    /// Which pages may connect. Default: those of the same host ([`Origins::same_host`]).
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Reads the token that phoenix.js is given as `authToken`, for the connect hook's
    /// [`auth_token`](ConnectRequest::auth_token). It travels outside of the address, which
    /// proxies write into their logs. Clients that offer other subprotocols than `phoenix` are
    /// refused with 403.
    pub fn auth_token(mut self) -> Self {
        self.reads_auth_token = true;
        self
    }

    /// Reads the session of a browser's cookie, for the connect hook's
    /// [`session`](ConnectRequest::session). A client whose param `_csrf_token` does not fit its
    /// session connects and has none.
    pub fn session(mut self, sessions: Sessions) -> Self {
        self.session = Some(sessions);
        self
    }

    /// Lets clients that cannot open a WebSocket use long poll, at the path's `longpoll`. Off
    /// unless asked for.
    pub fn long_poll(mut self, config: PollConfig) -> Self {
        self.long_poll = Some(config);
        self
    }

    /// Sets the bounds of each connection.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a client may be silent before it is closed with 1001. Default: the connection
    /// plane's limit, 60 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// The channel for a topic and the bytes of the topic that its pattern spells out.
    pub(crate) fn route(&self, topic: &str) -> Option<(&dyn Kind, usize)> {
        self.routes
            .iter()
            .find_map(|route| Some((&*route.kind, route.pattern.matches(topic)?)))
    }
}

/// A type of channel.
pub(crate) trait Kind: Send + Sync + 'static {
    fn spawn(&self, system: &System, request: JoinRequest) -> Recipient<Inbound>;

    /// The events that go through the channel.
    fn intercepts(&self) -> &'static [&'static str];

    /// What happens with their broadcasts for slow clients.
    fn slow(&self) -> SlowClient;

    /// What its topics keep.
    fn window(&self) -> Option<Window>;
}

struct Of<C>(PhantomData<fn() -> C>);

impl<C: Channel> Kind for Of<C> {
    fn spawn(&self, system: &System, request: JoinRequest) -> Recipient<Inbound> {
        system.spawn_queued::<ChannelActor<C>>(request).recipient()
    }

    fn intercepts(&self) -> &'static [&'static str] {
        C::INTERCEPT
    }

    fn slow(&self) -> SlowClient {
        C::SLOW
    }

    fn window(&self) -> Option<Window> {
        C::RESUME
    }
}

/// A connect hook.
pub(crate) trait Connect: Send + Sync + 'static {
    fn connect(&self, request: ConnectRequest) -> ConnectFuture;
}

pub(crate) type ConnectFuture = Pin<Box<dyn Future<Output = Result<Assigns, Refusal>> + Send>>;

impl<F, R> Connect for F
where
    F: Fn(ConnectRequest) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Assigns, Refusal>> + Send + 'static,
{
    fn connect(&self, request: ConnectRequest) -> ConnectFuture {
        Box::pin(self(request))
    }
}
