//! A bucket before a recipient.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Mutex;
use vaxel_runtime::{Message, Recipient, SendError};

use super::bucket::{Rate, TokenBucket};
use crate::time_limit::sleep_in;

/// Messages that may wait for a token, unless told otherwise.
pub const WAITING_MAX: usize = 1024;

/// A sender to one recipient that keeps to a [`Rate`]. Clones share the rate.
///
/// It keeps the recipient alive.
pub struct RateLimited<M: Message> {
    to: Recipient<M>,
    bucket: TokenBucket,
    queue: Arc<Queue>,
}

/// Who waits: the holder of the lock for the next token, the others, in the order in which they
/// came, for the lock.
#[derive(Debug)]
struct Queue {
    turn: Mutex<()>,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Why a message was not sent. It comes back.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError<M> {
    /// The rate does not allow it now.
    #[error("the rate limit is reached, retry in {retry_in:?}")]
    Limited {
        /// The message.
        message: M,
        /// When the rate will allow one, if nobody else takes it.
        retry_in: Duration,
    },
    /// As many messages wait as may.
    #[error("too many messages wait for the rate limit")]
    Crowded(M),
    /// The mailbox is full, or the actor has ended; the rate is not charged.
    #[error("{}", text(.0))]
    Refused(SendError<M>),
}

/// The refusal's own words, for messages that cannot be shown.
fn text<M>(refused: &SendError<M>) -> &'static str {
    if refused.is_full() {
        "the mailbox is full"
    } else {
        "the actor has ended"
    }
}

impl<M> RateError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            RateError::Limited { message, .. } | RateError::Crowded(message) => message,
            RateError::Refused(refused) => refused.into_message(),
        }
    }

    /// Whether the rate was the reason.
    pub fn is_limited(&self) -> bool {
        matches!(self, RateError::Limited { .. })
    }
}

impl<M> std::fmt::Debug for RateError<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RateError::Limited { retry_in, .. } => f
                .debug_struct("Limited")
                .field("retry_in", retry_in)
                .finish_non_exhaustive(),
            RateError::Crowded(_) => f.write_str("Crowded(..)"),
            RateError::Refused(refused) => f.debug_tuple("Refused").field(refused).finish(),
        }
    }
}

impl<M: Message> RateLimited<M> {
    /// A sender with a bucket of its own, on the clock of the recipient's system.
    pub fn new(to: Recipient<M>, rate: Rate) -> Self {
        let system = to.erase().system();
        Self::with_bucket(to, &TokenBucket::new_in(&system, rate))
    }

    /// A sender that takes from a bucket which it may share with others.
    pub fn with_bucket(to: Recipient<M>, bucket: &TokenBucket) -> Self {
        RateLimited {
            to,
            bucket: bucket.clone(),
            queue: Arc::new(Queue::new(WAITING_MAX)),
        }
    }

    /// How many messages may wait. Default: [`WAITING_MAX`]. Not shared with clones made before.
    pub fn waiting_max(mut self, messages: usize) -> Self {
        self.queue = Arc::new(Queue::new(messages));
        self
    }

    /// Sends a message if the rate allows it now and none waits.
    ///
    /// # Errors
    /// If not, if the mailbox is full, or if the actor has ended; the message comes back.
    pub fn cast(&self, message: M) -> Result<(), RateError<M>> {
        // Not before those that wait.
        if self.waiting() > 0 {
            let retry_in = self.bucket.wait();
            return Err(RateError::Limited { message, retry_in });
        }
        match self.bucket.try_take() {
            Ok(()) => self.deliver(message),
            Err(retry_in) => Err(RateError::Limited { message, retry_in }),
        }
    }

    /// Sends a message as soon as the rate allows it, behind those that wait.
    ///
    /// # Errors
    /// If too many wait already, if the mailbox is full by then, or if the actor has ended; the
    /// message comes back.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place and the message; no token is lost.
    pub async fn send(&self, message: M) -> Result<(), RateError<M>> {
        let Some(_place) = Place::take(&self.queue) else {
            return Err(RateError::Crowded(message));
        };
        let _turn = self.queue.turn.lock().await;
        while let Err(wait) = self.bucket.try_take() {
            let deadline = self.bucket.now() + wait;
            sleep_in(self.bucket.system(), deadline).await;
        }
        self.deliver(message)
    }

    fn deliver(&self, message: M) -> Result<(), RateError<M>> {
        self.to.cast(message).map_err(|refused| {
            self.bucket.give_back();
            RateError::Refused(refused)
        })
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting.load(Relaxed)
    }
}

impl Queue {
    fn new(waiting_max: usize) -> Self {
        Queue {
            turn: Mutex::new(()),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }
}

/// A place among those that wait.
struct Place<'a>(&'a Queue);

impl<'a> Place<'a> {
    fn take(queue: &'a Queue) -> Option<Self> {
        let before = queue.waiting.fetch_add(1, AcqRel);
        // Counted already, so that dropping it counts back.
        let place = Place(queue);
        (before < queue.waiting_max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, AcqRel);
    }
}

impl<M: Message> Clone for RateLimited<M> {
    fn clone(&self) -> Self {
        RateLimited {
            to: self.to.clone(),
            bucket: self.bucket.clone(),
            queue: self.queue.clone(),
        }
    }
}

impl<M: Message> std::fmt::Debug for RateLimited<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimited")
            .field("to", &self.to)
            .field("available", &self.bucket.available())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
