//! Tells the shard how a channel ends, however it ends.
//!
//! The channel's state holds a [`Lifeline`] and the state of an actor is dropped on every way
//! out: after `terminate`, after a panic, after a kill, and when `init` refuses. What the client
//! is told depends on how far the channel got, so no way out is silent and none needs a monitor.

use std::sync::Arc;

use serde_json::value::RawValue;
use smol_str::SmolStr;
use vaxel_pubsub::Broadcast;
use vaxel_websocket::Frame;

use crate::channel::membership::Membership;
use crate::channel::presence::{self, Tracks};
use crate::channel::resume::Asked;
use crate::refusal::Refusal;
use crate::socket::command::{Command, Ending};

/// Reports a join's outcome and a channel's end to the shard.
pub(crate) struct Lifeline {
    membership: Arc<Membership>,
    phase: Phase,
    /// Taken out after the client has been told of the end.
    tracks: Tracks,
}

enum Phase {
    /// `join` has not returned; its reply carries this ref.
    Joining(Option<SmolStr>),
    /// Dropping it now is a crash.
    Joined,
    /// `terminate` has run to its end.
    Terminated,
    /// The shard knows already.
    Refused,
}

impl Lifeline {
    pub(crate) fn new(membership: Arc<Membership>, reference: Option<SmolStr>) -> Self {
        membership.link.endpoint.channel_starts();
        Self {
            membership,
            phase: Phase::Joining(reference),
            tracks: Tracks::default(),
        }
    }

    pub(crate) fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    /// What a channel needs for its context.
    pub(crate) fn parts(&mut self) -> (&Arc<Membership>, &mut Tracks) {
        (&self.membership, &mut self.tracks)
    }

    /// Answers the join with `ok`, then sends what `join` has pushed. One command carries both
    /// the reply and the subscription, so no broadcast comes in front of the reply.
    ///
    /// A client of a topic that keeps a history is told where it is, and sent what it missed,
    /// before anything newer can come. What is returned the channel still has to send.
    #[must_use]
    pub(crate) fn accept(
        &mut self,
        response: Option<Box<RawValue>>,
        held: Vec<Frame>,
        resume: Option<Asked>,
    ) -> Vec<Broadcast> {
        let Phase::Joining(reference) = std::mem::replace(&mut self.phase, Phase::Joined) else {
            unreachable!("a join is answered once");
        };
        let response = response.as_deref().map_or("{}", RawValue::get);
        let reply = self
            .membership
            .reply_json(reference.as_deref(), "ok", response);
        let membership = &self.membership;
        let joined = Command::Joined {
            membership: membership.clone(),
            reply,
        };
        let missed = match resume {
            None => {
                membership.link.command(joined);
                Vec::new()
            }
            Some(asked) => {
                let pubsub = membership.link.endpoint.pubsub();
                let topic = membership.topic.shared();
                pubsub.resume(topic, asked.offset, |now, missed| {
                    membership.link.command(joined);
                    asked.answer(membership, now, missed)
                })
            }
        };
        for frame in held {
            self.membership.link.send(frame);
        }
        if self.tracks.owe_state() {
            presence::push_state(&self.membership);
        }
        missed
    }

    /// Answers the join with `error`.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        let Phase::Joining(reference) = std::mem::replace(&mut self.phase, Phase::Refused) else {
            unreachable!("a join is answered once");
        };
        let response = refusal.into_response();
        self.end(Ending::Refused, reference.as_deref(), response.get());
    }

    /// The channel has ended on purpose.
    pub(crate) fn terminated(&mut self) {
        self.phase = Phase::Terminated;
    }

    fn end(&self, ending: Ending, reference: Option<&str>, response: &str) {
        let reply = self.membership.reply_json(reference, "error", response);
        self.ended(ending, reply);
    }

    fn ended(&self, ending: Ending, frame: Frame) {
        let membership = self.membership.clone();
        self.membership.link.command(Command::Ended {
            membership,
            ending,
            frame,
        });
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        match &self.phase {
            Phase::Joining(reference) => {
                let response = r#"{"reason":"join crashed"}"#;
                self.end(Ending::JoinCrashed, reference.as_deref(), response);
            }
            Phase::Joined => self.ended(Ending::Crashed, self.membership.crash_frame()),
            Phase::Terminated => self.ended(Ending::Closed, self.membership.close_frame()),
            Phase::Refused => {}
        }
        self.membership.link.endpoint.channel_ended();
    }
}
