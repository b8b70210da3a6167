//! What a channel can do while it handles a message.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smol_str::SmolStr;
use vaxel_actor::{AnyRef, Context, Down, ExitReason, MonitorRef, Pid, System, TimerRef};
use vaxel_pubsub::{Broadcast, Content, Offset, Subscription};
use vaxel_websocket::Frame;

use crate::assigns::Assigns;
use crate::channel::inbox::Info;
use crate::channel::membership::Membership;
use crate::channel::presence::{ChannelPresence, Tracks};
use crate::channel::process::ChannelActor;
use crate::channel::reference::{ChannelRef, ReplyRef};
use crate::channel::{Channel, HandleInfo};
use crate::endpoint::Endpoint;
use crate::payload::to_json;
use crate::topic::Topic;

/// What a channel can do while it handles a message: push, broadcast, set timers, subscribe.
///
/// Nothing here waits. A push or broadcast is on its way when the call returns, also if the
/// handler crashes later.
pub struct ChannelContext<'a, C: Channel> {
    membership: &'a Arc<Membership>,
    cx: &'a mut Context<ChannelActor<C>>,
    /// The ref of the message being handled.
    reference: Option<&'a SmolStr>,
    tracks: &'a mut Tracks,
    /// Of the broadcast being handled, which what is pushed stands for.
    offset: Option<Offset>,
    /// During `join`, what is pushed waits here: the client knows no channel yet.
    held: Option<&'a mut Vec<Frame>>,
}

impl<'a, C: Channel> ChannelContext<'a, C> {
    pub(crate) fn new(
        membership: &'a Arc<Membership>,
        tracks: &'a mut Tracks,
        cx: &'a mut Context<ChannelActor<C>>,
    ) -> Self {
        Self {
            membership,
            cx,
            reference: None,
            tracks,
            offset: None,
            held: None,
        }
    }

    pub(crate) fn joining(
        membership: &'a Arc<Membership>,
        tracks: &'a mut Tracks,
        cx: &'a mut Context<ChannelActor<C>>,
        held: &'a mut Vec<Frame>,
    ) -> Self {
        Self {
            membership,
            cx,
            reference: None,
            tracks,
            offset: None,
            held: Some(held),
        }
    }

    pub(crate) fn set_offset(&mut self, offset: Option<Offset>) {
        self.offset = offset;
    }

    pub(crate) fn set_reference(&mut self, reference: Option<&'a SmolStr>) {
        self.reference = reference;
    }

    /// The topic the client joined.
    pub fn topic(&self) -> &'a Topic {
        &self.membership.topic
    }

    /// What the socket's connect hook has assigned to this connection.
    pub fn assigns(&self) -> &'a Assigns {
        &self.membership.link.assigns
    }

    /// The endpoint, for broadcasts on other topics.
    pub fn endpoint(&self) -> &'a Endpoint {
        &self.membership.link.endpoint
    }

    /// Sends an event to this client alone. Pushes of `join` leave right after its reply, or
    /// never if it refuses.
    ///
    /// # Panics
    /// When `payload` has no JSON form, such as a map whose keys are not strings.
    #[track_caller]
    pub fn push<T: Serialize + ?Sized>(&mut self, event: &str, payload: &T) {
        self.push_content(event, &to_json(payload).into());
    }

    /// Sends bytes to this client alone, in a binary message. Clients of version 1 and of long
    /// poll cannot take one: to them nothing is sent (counter `binary_undeliverable`), nor where
    /// the event or the topic is longer than 255 bytes.
    pub fn push_bytes(&mut self, event: &str, bytes: impl Into<Box<[u8]>>) {
        self.push_content(event, &Content::Bytes(bytes.into()));
    }

    /// Sends JSON that has been serialised already, or bytes, to this client alone.
    pub fn push_content(&mut self, event: &str, content: &Content) {
        let Some(frame) = self.membership.push_frame(event, content, self.offset) else {
            return;
        };
        match &mut self.held {
            Some(held) => held.push(frame),
            None => self.membership.link.send(frame),
        }
    }

    /// Sends an event to everybody on the topic, this client included once it has joined.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn broadcast<T: Serialize + ?Sized>(&self, event: &str, payload: &T) {
        let topic = self.topic().shared().clone();
        self.endpoint()
            .send(&Broadcast::raw(topic, event, to_json(payload)));
    }

    /// Sends bytes to everybody on the topic, in binary messages. Clients that cannot take one
    /// get nothing; see [`push_bytes`](Self::push_bytes).
    pub fn broadcast_bytes(&self, event: &str, bytes: impl Into<Box<[u8]>>) {
        self.broadcast_content(event, Content::Bytes(bytes.into()));
    }

    /// Sends JSON that has been serialised already, or bytes, to everybody on the topic.
    pub fn broadcast_content(&self, event: &str, content: Content) {
        let topic = self.topic().shared().clone();
        self.endpoint()
            .send(&Broadcast::with(topic, event, content, None));
    }

    /// Sends an event to everybody on the topic except this client.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    #[track_caller]
    pub fn broadcast_from<T: Serialize + ?Sized>(&self, event: &str, payload: &T) {
        let (topic, origin) = (self.topic().shared().clone(), self.membership.origin());
        self.endpoint()
            .send(&Broadcast::raw_from(topic, event, to_json(payload), origin));
    }

    /// Who is on the topic, and what this channel shows of its client.
    pub fn presence(&mut self) -> ChannelPresence<'_> {
        ChannelPresence::new(self.membership, self.tracks, self.held.is_some())
    }

    /// A handle to answer the message being handled later, from anywhere; return
    /// [`Reply::none`](crate::Reply::none) then. None when the client wants no answer.
    pub fn reply_ref(&self) -> Option<ReplyRef> {
        let reference = self.reference?.clone();
        Some(ReplyRef::new(self.membership.clone(), reference))
    }

    /// A reference to this channel, for other actors and tasks.
    pub fn me(&self) -> ChannelRef<C> {
        ChannelRef::new(self.cx.me())
    }

    /// Which incarnation of which actor this is.
    pub fn pid(&self) -> Pid {
        self.cx.pid()
    }

    /// The system the channel runs in.
    pub fn system(&self) -> System {
        self.cx.system()
    }

    /// Ends the channel when the handler returns: the client sees `phx_close`.
    pub fn stop(&mut self) {
        self.cx.stop();
    }

    /// The same with a reason. An abnormal one shows as `phx_error`, so the client joins anew.
    pub fn stop_with(&mut self, reason: ExitReason) {
        self.cx.stop_with(reason);
    }

    /// Sends the channel a message after a while. The timer ends with the channel.
    pub fn send_after<M: Send + 'static>(&mut self, after: Duration, message: M) -> TimerRef
    where
        C: HandleInfo<M>,
    {
        self.cx.send_after(after, Info(message))
    }

    /// Sends the channel a message every `period`, the first after one period. The timer ends
    /// with the channel.
    pub fn send_every<M: Send + 'static>(
        &mut self,
        period: Duration,
        message: impl Fn() -> M + Send + 'static,
    ) -> TimerRef
    where
        C: HandleInfo<M>,
    {
        self.cx.send_every(period, move || Info(message()))
    }

    /// Ends a timer; false when it has fired or ended already. A message that has been sent
    /// still arrives.
    pub fn cancel(&mut self, timer: &TimerRef) -> bool {
        self.cx.cancel(timer)
    }

    /// Sends the channel a [`Down`] when `actor` ends.
    pub fn monitor(&mut self, actor: &AnyRef) -> MonitorRef
    where
        C: HandleInfo<Down>,
    {
        self.cx.monitor(actor)
    }

    /// Sends the channel every broadcast on another topic, until the subscription is dropped.
    pub fn subscribe(&self, topic: &str) -> Subscription
    where
        C: HandleInfo<Broadcast>,
    {
        self.endpoint()
            .pubsub()
            .subscribe(topic, self.cx.me().recipient())
    }
}
