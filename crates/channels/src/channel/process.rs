//! The actor behind a channel.

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use vaxel_actor::{Actor, AnyRef, Context, Down, ExitReason, Handler, Mailbox, time};
use vaxel_pubsub::Broadcast;

use crate::channel::context::ChannelContext;
use crate::channel::inbox::{Inbound, Info};
use crate::channel::lifeline::Lifeline;
use crate::channel::membership::Membership;
use crate::channel::resume::Asked;
use crate::channel::{Channel, HandleInfo};
use crate::payload::Payload;
use crate::rate::Gate;
use crate::refusal::Refusal;
use crate::reply::Reply;

/// How long a channel may take to end when its client joins the same topic anew.
const DUPLICATE_GRACE: Duration = Duration::from_secs(5);

/// The actor that runs a [`Channel`].
///
/// It appears in the types of references; applications neither make nor see one.
pub struct ChannelActor<C> {
    // Dropped first, so that the client hears of the end after the channel's own drop has run.
    channel: C,
    lifeline: Lifeline,
    gate: Gate,
}

/// A join on its way to its actor.
pub struct JoinRequest {
    pub(crate) lifeline: Lifeline,
    pub(crate) params: Payload,
    /// The channel that this client had on the topic before.
    pub(crate) predecessor: Option<AnyRef>,
}

impl JoinRequest {
    pub(crate) fn new(
        membership: Arc<Membership>,
        reference: Option<SmolStr>,
        params: Payload,
        predecessor: Option<AnyRef>,
    ) -> Self {
        Self {
            lifeline: Lifeline::new(membership, reference),
            params,
            predecessor,
        }
    }
}

impl<C: Channel> ChannelActor<C> {
    /// Splits into the channel and the context it is called with.
    fn parts<'a>(&'a mut self, cx: &'a mut Context<Self>) -> (&'a mut C, ChannelContext<'a, C>) {
        let (membership, tracks) = self.lifeline.parts();
        (
            &mut self.channel,
            ChannelContext::new(membership, tracks, cx),
        )
    }

    /// Whether an event comes too early, and by how much.
    fn pass(&mut self, event: &str, cx: &Context<Self>) -> Result<(), Duration> {
        if C::RATES.is_empty() {
            return Ok(());
        }
        let passed = self.gate.pass(C::RATES, event, cx.system().now());
        if passed.is_err() {
            self.lifeline.membership().link.endpoint.rate_limited();
        }
        passed
    }

    /// A broadcast on its way through the channel.
    async fn out(&mut self, broadcast: Broadcast, cx: &mut Context<Self>) {
        if C::INTERCEPT.contains(&broadcast.event()) {
            let (channel, mut channel_cx) = self.parts(cx);
            channel_cx.set_offset(broadcast.offset());
            channel.handle_out(broadcast, &mut channel_cx).await;
        } else {
            self.lifeline.membership().pass_on(&broadcast);
        }
    }

    fn leave(&self, reference: Option<SmolStr>, cx: &mut Context<Self>) {
        if let Some(reference) = reference {
            let membership = self.lifeline.membership();
            let reply = membership.reply_json(Some(&reference), "ok", "{}");
            membership.link.send(reply);
        }
        cx.stop_with(ExitReason::shutdown_with("left"));
    }

    fn reply(&self, reference: Option<SmolStr>, reply: Reply, cx: &mut Context<Self>) {
        if let (Some(answer), Some(reference)) = (reply.answer, reference) {
            let membership = self.lifeline.membership();
            let (status, response) = (&answer.status, &answer.response);
            if let Some(frame) = membership.reply_frame(Some(&reference), status, response) {
                membership.link.send(frame);
            }
        }
        if reply.stops {
            cx.stop();
        }
    }
}

impl<C: Channel> Actor for ChannelActor<C> {
    type Args = JoinRequest;

    const MAILBOX: Mailbox = C::MAILBOX;

    async fn init(request: JoinRequest, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let JoinRequest {
            mut lifeline,
            params,
            predecessor,
        } = request;
        if let Some(predecessor) = predecessor {
            replace(&predecessor).await;
        }
        let mut held = Vec::new();
        let outcome = match params.parse() {
            Ok(params) => {
                let (membership, tracks) = lifeline.parts();
                let mut cx = ChannelContext::joining(membership, tracks, cx, &mut held);
                C::join(&membership.topic, params, &mut cx).await
            }
            Err(error) => Err(Refusal::from(error)),
        };
        let resume = C::RESUME.map(|_| Asked::parse(params.json()));
        drop(params);
        match outcome {
            Ok(joined) => {
                let missed = lifeline.accept(joined.response, held, resume);
                let mut joined = Self {
                    channel: joined.channel,
                    lifeline,
                    gate: Gate::default(),
                };
                for broadcast in missed {
                    joined.out(broadcast, cx).await;
                }
                Ok(joined)
            }
            Err(refusal) => {
                lifeline.refuse(refusal);
                Err(ExitReason::Normal)
            }
        }
    }

    async fn terminate(&mut self, reason: &ExitReason, cx: &mut Context<Self>) {
        let (channel, mut channel_cx) = self.parts(cx);
        channel.terminate(reason, &mut channel_cx).await;
        if !reason.is_abnormal() {
            self.lifeline.terminated();
        }
    }
}

/// Ends the channel that is replaced: it may finish its message and terminate, or is killed.
async fn replace(predecessor: &AnyRef) {
    predecessor.shutdown();
    if time::timeout(DUPLICATE_GRACE, predecessor.exit())
        .await
        .is_err()
    {
        predecessor.kill();
    }
}

impl<C: Channel> Handler<Inbound> for ChannelActor<C> {
    async fn handle(&mut self, message: Inbound, cx: &mut Context<Self>) {
        let (event, reference, payload) = match message {
            Inbound::Event {
                event,
                reference,
                payload,
            } => (event, reference, payload),
            Inbound::Out(broadcast) => return self.out(broadcast, cx).await,
        };
        if event == "phx_leave" {
            self.leave(reference, cx);
        } else if let Err(early) = self.pass(&event, cx) {
            self.reply(reference, Refusal::rate_limited(early).into(), cx);
        } else {
            let (channel, mut channel_cx) = self.parts(cx);
            channel_cx.set_reference(reference.as_ref());
            let outcome = channel.handle_in(&event, payload, &mut channel_cx).await;
            self.reply(reference, outcome.unwrap_or_else(Reply::from), cx);
        }
    }
}

impl<C: HandleInfo<M>, M: Send + 'static> Handler<Info<M>> for ChannelActor<C> {
    async fn handle(&mut self, message: Info<M>, cx: &mut Context<Self>) {
        let (channel, mut channel_cx) = self.parts(cx);
        channel.handle_info(message.0, &mut channel_cx).await;
    }
}

impl<C: HandleInfo<Broadcast>> Handler<Broadcast> for ChannelActor<C> {
    async fn handle(&mut self, message: Broadcast, cx: &mut Context<Self>) {
        self.handle(Info(message), cx).await;
    }
}

impl<C: HandleInfo<Down>> Handler<Down> for ChannelActor<C> {
    async fn handle(&mut self, message: Down, cx: &mut Context<Self>) {
        self.handle(Info(message), cx).await;
    }
}
