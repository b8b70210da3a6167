//! One message a period.

use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{Message, Recipient, Time};

use super::pending::{Edges, HeldCounts, Holder, Verdict};

/// A sender that lets one message a period through, and of those that come meanwhile the newest.
///
/// The first message goes at once, and begins a period; at its end the newest of those that came
/// meanwhile goes, if any did, and begins the next one. Clones share the period. It keeps the
/// recipient alive, also while a message is held.
#[derive(Clone)]
pub struct Throttled<M: Message>(Arc<Holder<M, Periods>>);

/// A throttled sender before it is made. See [`Throttled::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ThrottledBuilder<M: Message> {
    to: Recipient<M>,
    edges: Periods,
}

#[derive(Debug)]
struct Periods {
    period: Duration,
    leading: bool,
    trailing: bool,
    /// The end of the current period.
    ends: Option<Time>,
}

impl<M: Message> Throttled<M> {
    /// At most one message per `period`, the first at once.
    pub fn new(to: Recipient<M>, period: Duration) -> Self {
        Self::builder(to, period).build()
    }

    /// Begins a throttled sender with both edges.
    pub fn builder(to: Recipient<M>, period: Duration) -> ThrottledBuilder<M> {
        ThrottledBuilder {
            to,
            edges: Periods {
                period,
                leading: true,
                trailing: true,
                ends: None,
            },
        }
    }

    /// Sends the message now, later, or not at all, if a newer one comes. Never waits.
    pub fn cast(&self, message: M) {
        self.0.cast(message);
    }

    /// Sends what is held now. False: nothing is.
    pub fn flush(&self) -> bool {
        self.0.flush()
    }

    /// Takes back what is held.
    pub fn cancel(&self) -> Option<M> {
        self.0.cancel()
    }

    /// Its numbers so far.
    pub fn counts(&self) -> HeldCounts {
        self.0.counts()
    }
}

impl<M: Message> ThrottledBuilder<M> {
    /// Whether the first message goes at once; else at the end of the period that it begins.
    /// Default: yes.
    pub fn leading(mut self, leading: bool) -> Self {
        self.edges.leading = leading;
        self
    }

    /// Whether the newest of those that come meanwhile goes at the end of the period. Default: yes;
    /// without the leading edge always.
    pub fn trailing(mut self, trailing: bool) -> Self {
        self.edges.trailing = trailing;
        self
    }

    /// Makes the sender.
    pub fn build(mut self) -> Throttled<M> {
        self.edges.trailing |= !self.edges.leading;
        Throttled(Holder::new(self.to, self.edges))
    }
}

impl Edges for Periods {
    fn came(&mut self, now: Time) -> Verdict {
        if self.ends.is_some_and(|ends| now < ends) {
            return if self.trailing {
                Verdict::Hold
            } else {
                Verdict::Drop
            };
        }
        self.ends = Some(now + self.period);
        if self.leading {
            Verdict::Send
        } else {
            Verdict::Hold
        }
    }

    /// The end of a period in which nothing came needs no timer.
    fn due(&self, is_held: bool) -> Option<Time> {
        self.ends.filter(|_| is_held)
    }

    fn passed(&mut self, now: Time) {
        self.ends = Some(now + self.period);
    }
}

impl<M: Message> std::fmt::Debug for Throttled<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttled")
            .field("to", &self.0.to)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
