//! One message when it is quiet.

use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{Message, Recipient, Time};

use super::pending::{Edges, HeldCounts, Holder, Verdict};

/// A sender that waits until nothing has come for a while, and then sends the newest message.
///
/// With the leading edge the first message goes at once, and the newest of those that follow it
/// when it is quiet. Clones share the wait. It keeps the recipient alive, also while a message is
/// held.
#[derive(Clone)]
pub struct Debounced<M: Message>(Arc<Holder<M, Quiet>>);

/// A debounced sender before it is made. See [`Debounced::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct DebouncedBuilder<M: Message> {
    to: Recipient<M>,
    edges: Quiet,
}

#[derive(Debug)]
struct Quiet {
    wait: Duration,
    max_wait: Option<Duration>,
    leading: bool,
    trailing: bool,
    /// While messages come: when it will have been quiet long enough, and when what is held goes
    /// all the same.
    burst: Option<(Time, Option<Time>)>,
}

impl<M: Message> Debounced<M> {
    /// Sends the newest message when none has come for `wait`.
    pub fn new(to: Recipient<M>, wait: Duration) -> Self {
        Self::builder(to, wait).build()
    }

    /// Begins a debounced sender with the trailing edge only, which may be put off for ever.
    pub fn builder(to: Recipient<M>, wait: Duration) -> DebouncedBuilder<M> {
        DebouncedBuilder {
            to,
            edges: Quiet {
                wait,
                max_wait: None,
                leading: false,
                trailing: true,
                burst: None,
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

impl<M: Message> DebouncedBuilder<M> {
    /// Whether the first message after a quiet time goes at once. Default: no.
    pub fn leading(mut self, leading: bool) -> Self {
        self.edges.leading = leading;
        self
    }

    /// Whether the newest message goes when it is quiet. Default: yes; without the leading edge
    /// always.
    pub fn trailing(mut self, trailing: bool) -> Self {
        self.edges.trailing = trailing;
        self
    }

    /// The longest that messages may put off what is held. Default: no limit.
    pub fn max_wait(mut self, limit: Duration) -> Self {
        self.edges.max_wait = Some(limit);
        self
    }

    /// Makes the sender.
    pub fn build(mut self) -> Debounced<M> {
        self.edges.trailing |= !self.edges.leading;
        Debounced(Holder::new(self.to, self.edges))
    }
}

impl Edges for Quiet {
    fn came(&mut self, now: Time) -> Verdict {
        let quiet_at = now + self.wait;
        if let Some((quiet, _)) = &mut self.burst {
            *quiet = quiet_at;
            return if self.trailing {
                Verdict::Hold
            } else {
                Verdict::Drop
            };
        }
        self.burst = Some((quiet_at, self.max_wait.map(|limit| now + limit)));
        if self.leading {
            Verdict::Send
        } else {
            Verdict::Hold
        }
    }

    fn due(&self, is_held: bool) -> Option<Time> {
        let (quiet, latest) = self.burst?;
        Some(match latest {
            Some(latest) if is_held => quiet.min(latest),
            _ => quiet,
        })
    }

    fn passed(&mut self, now: Time) {
        let Some((quiet, latest)) = &mut self.burst else {
            return;
        };
        if now >= *quiet {
            self.burst = None;
        } else {
            *latest = self.max_wait.map(|limit| now + limit);
        }
    }
}

impl<M: Message> std::fmt::Debug for Debounced<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Debounced")
            .field("to", &self.0.to)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
