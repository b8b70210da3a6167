//! Joins, as a shard or a long-poll session sees them.

use std::sync::Arc;

use smol_str::SmolStr;

use crate::channel::membership::Membership;
use crate::channel::process::JoinRequest;
use crate::socket::dispatch::{Dispatch, Outcome};
use crate::socket::home::{self, Home};
use crate::socket::session::{ChannelEntry, Phase, Previous};
use crate::topic::Topic;

impl<H: Home> Dispatch<'_, H> {
    /// Starts a channel. Its actor runs the application's `join` and reports the outcome.
    pub(super) fn join(&mut self, position: Option<usize>) -> Outcome {
        let Some((kind, prefix)) = self.socket.route(&self.message.topic) else {
            return self.unmatched();
        };
        if let Some(reason) = self.refusal(position) {
            self.home.add(|counters| &counters.joins_refused, 1);
            return self.answer(self.message.join_ref.as_deref(), "error", reason);
        }
        let present = position.map(|position| &self.session.channels[position]);
        if let Some(wait) = self.wait(present) {
            return Outcome::Pause(wait);
        }
        let predecessor = position.map(|position| self.retire(position));
        let membership = self.new_membership(prefix, !kind.intercepts().is_empty());
        let request = JoinRequest::new(
            membership.clone(),
            self.message.reference.as_deref().map(SmolStr::new),
            membership.link.payload(self.message.payload),
            predecessor.as_ref().map(|old| old.inbox.erase()),
        );
        let inbox = kind.spawn(self.home.endpoint().system(), request);
        let previous = predecessor.map(Previous::of);
        let phase = Phase::Joining;
        self.session.channels.push(ChannelEntry {
            membership,
            inbox,
            phase,
            seat: None,
            previous,
        });
        Outcome::Done
    }

    /// Why a join is refused without asking the application.
    fn refusal(&self, position: Option<usize>) -> Option<&'static str> {
        let limits = &self.socket.limits;
        if self.message.topic.len() > limits.topic_bytes_max as usize {
            return Some(r#"{"reason":"topic too long"}"#);
        }
        if position.is_some() {
            return None;
        }
        let token = self.session.token();
        if self.session.channels.len() >= limits.channels_max as usize {
            Some(r#"{"reason":"too many channels joined"}"#)
        } else if token.is_some_and(|token| token.channels() >= limits.channels_per_token_max) {
            Some(r#"{"reason":"too many channels joined with this token"}"#)
        } else {
            None
        }
    }

    /// Takes out the channel that a second join replaces. It gets no broadcasts from now on.
    fn retire(&mut self, position: usize) -> ChannelEntry {
        let mut old = self.session.channels.swap_remove(position);
        home::vacate(self.home, self.session.version, &mut old);
        old
    }

    fn new_membership(&mut self, prefix: usize, intercepts: bool) -> Arc<Membership> {
        let link = self.session.link(self.home);
        let name = self.home.intern(self.session.version, &self.message.topic);
        let join_ref = self.message.join_ref.as_deref().map(SmolStr::new);
        let number = self.home.next_number();
        self.home.listen(&name, number);
        let topic = Topic::new(name, prefix);
        Membership::new(link, topic, join_ref, number, intercepts)
    }
}

impl Previous {
    fn of(entry: ChannelEntry) -> Box<Self> {
        let was_leaving = entry.phase == Phase::Leaving;
        Box::new(Self {
            membership: entry.membership,
            was_leaving,
        })
    }
}
