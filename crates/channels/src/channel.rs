//! What an application writes for a topic.

pub(crate) mod context;
pub(crate) mod flight;
pub(crate) mod inbox;
pub(crate) mod lifeline;
pub(crate) mod membership;
pub(crate) mod presence;
pub(crate) mod process;
pub(crate) mod reference;
pub(crate) mod resume;

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vaxel_actor::{ExitReason, Mailbox};
use vaxel_pubsub::{Broadcast, Window};

use crate::payload::{Payload, to_json};
use crate::rate::EventRate;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::slow::SlowClient;
use crate::topic::Topic;
use context::ChannelContext;

/// One client on one topic.
///
/// Every joined channel is an actor of its own: it handles one message at a time, in the order
/// in which the client sent them, and may await; others go on meanwhile.
///
/// # Life
/// [`join`](Self::join) runs first, in the new actor. What it returns is the channel, and the
/// client is told `ok`; then messages are handled in turn. The channel ends when the client
/// leaves, joins the topic anew or disconnects, or when the channel stops itself;
/// [`terminate`](Self::terminate) runs then.
///
/// # Crashes
/// A channel is a temporary actor: a panic ends it and nothing else, the client sees `phx_error`
/// with the reason `channel_crash`, and only a new join (phoenix.js sends one after a second)
/// makes a new one. A panic in `join` is answered with the reason `join crashed`.
///
/// # Ordering
/// Frames of one channel leave in the order produced: the join's reply first, even where `join`
/// pushes, then pushes and replies. A broadcast that is sent after the join's reply arrives after
/// it.
///
/// # Bounds
/// A mailbox of [`MAILBOX`](Self::MAILBOX) messages. When it is full, the shard stops reading the
/// client's connection until there is room; no message is lost.
pub trait Channel: Sized + Send + 'static {
    /// What a client sends along with its join. `serde_json::Value` takes anything; `()` is
    /// `null`, so use [`Ignored`] to take anything and look at nothing.
    type Params: DeserializeOwned + Send + 'static;

    /// How many messages may wait.
    const MAILBOX: Mailbox = Mailbox::bounded(Mailbox::DEFAULT_CAPACITY);

    /// How often a client may send which event. Events beyond are refused before
    /// [`handle_in`](Self::handle_in) hears of them.
    ///
    /// ```
    /// # use vaxel_channels::EventRate;
    /// const RATES: &[EventRate] = &[
    ///     EventRate::per_second("say", 5),
    ///     EventRate::per_second("*", 50),
    /// ];
    /// ```
    const RATES: &'static [EventRate] = &[];

    /// Broadcasts on the topic that go through [`handle_out`](Self::handle_out) instead of
    /// straight to the client. Each costs a message to every channel of the topic, so few should.
    /// On topics that [keep their broadcasts](Self::RESUME) all of them take this way, to keep
    /// their order, and what a client missed does so when it comes back.
    ///
    /// A channel whose mailbox is full misses one (counter `channels.intercepts_missed`); where
    /// broadcasts are kept it is killed, so that its client comes back for what is missing.
    const INTERCEPT: &'static [&'static str] = &[];

    /// How much of what is broadcast the topics of this channel keep, for clients that come back:
    /// they get what they missed, in order and once, or are told that it is too much.
    ///
    /// A client that joins is pushed `vx_resume` after the reply, with `offset` and `as`, and every
    /// broadcast whose payload is an object has a member `vx_offset`. One that comes back gives
    /// the param `vx_resume`, an object with the last `offset` it saw and its `as`; the client in
    /// `js/` does so by itself. Params that refuse unknown members refuse it.
    const RESUME: Option<Window> = None;

    /// What happens with broadcasts on the topic for a client that reads too slowly.
    const SLOW: SlowClient = SlowClient::Close;

    /// Decides whether a client may join, and makes the channel.
    ///
    /// # Errors
    /// The refusal is the error reply to the join. Params of another shape are refused before
    /// `join` is called.
    fn join(
        topic: &Topic,
        params: Self::Params,
        cx: &mut ChannelContext<'_, Self>,
    ) -> impl Future<Output = Result<Joined<Self>, Refusal>> + Send;

    /// Handles an event of the client.
    ///
    /// # Errors
    /// The refusal becomes an error reply; the channel goes on.
    fn handle_in(
        &mut self,
        event: &str,
        payload: Payload,
        cx: &mut ChannelContext<'_, Self>,
    ) -> impl Future<Output = Result<Reply, Refusal>> + Send {
        let _ = (payload, cx);
        std::future::ready(Err(Refusal::new(format!("unknown event {event:?}"))))
    }

    /// Decides what the client gets of a broadcast that is [intercepted](Self::INTERCEPT): as it
    /// is unless implemented; changed, by [`push`](ChannelContext::push); or nothing. What is
    /// pushed here carries the broadcast's offset, where it has one.
    fn handle_out(
        &mut self,
        broadcast: Broadcast,
        cx: &mut ChannelContext<'_, Self>,
    ) -> impl Future<Output = ()> + Send {
        cx.push_content(broadcast.event(), broadcast.content());
        std::future::ready(())
    }

    /// Runs when the channel ends on purpose, not after a panic or a kill. What it pushes still
    /// reaches the client, if there is one.
    fn terminate(
        &mut self,
        reason: &ExitReason,
        cx: &mut ChannelContext<'_, Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (reason, cx);
        std::future::ready(())
    }
}

/// A message to a channel from elsewhere: a timer, another actor, a broadcast it subscribed to.
///
/// A channel implements it once for each type `M` that it understands.
pub trait HandleInfo<M: Send + 'static>: Channel {
    /// Handles one message.
    fn handle_info(
        &mut self,
        message: M,
        cx: &mut ChannelContext<'_, Self>,
    ) -> impl Future<Output = ()> + Send;
}

/// Join params that are not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored;

impl<'de> serde::Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A yes to a join: the channel, and what the client is told.
#[derive(Debug)]
pub struct Joined<C> {
    pub(crate) channel: C,
    pub(crate) response: Option<Box<RawValue>>,
}

impl<C> Joined<C> {
    /// Accepts the join; the response is `{}`.
    pub fn new(channel: C) -> Self {
        Self {
            channel,
            response: None,
        }
    }

    /// Sets the response. Clients expect an object.
    ///
    /// # Panics
    /// When `response` has no JSON form.
    #[must_use]
    #[track_caller]
    pub fn reply<T: Serialize>(mut self, response: T) -> Self {
        self.response = Some(to_json(&response));
        self
    }
}

impl<C> From<C> for Joined<C> {
    fn from(channel: C) -> Self {
        Self::new(channel)
    }
}
