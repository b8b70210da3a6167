//! Probes: actors that write down what they get.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use vaxel_runtime::{
    Actor, ActorRef, Context, ExitReason, Handler, Mailbox, Message, Recipient, time,
};

use crate::sim::Sim;
use crate::trace::short;

/// How long a probe waits for a message unless told otherwise, in virtual time.
pub const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Messages of the past that a failed expectation shows.
const HISTORY_MAX: usize = 16;
/// Characters of each of them.
const SHOWN_CHARS_MAX: usize = 200;

type Answer<M> = Box<dyn FnMut(&M) -> <M as Message>::Reply + Send>;

/// An actor that writes down what it gets, and the test's end of it.
///
/// Its mailbox has no bound, so it never refuses. Made by [`Sim::probe`].
///
/// ```
/// # use vaxel_runtime::Message;
/// #[derive(Debug, PartialEq)]
/// struct Note(u32);
/// impl Message for Note {
///     type Reply = ();
/// }
///
/// vaxel_testkit::check(|sim| async move {
///     let probe = sim.probe::<Note>();
///     let to = probe.recipient();
///     to.cast(Note(1)).unwrap();
///     to.cast(Note(2)).unwrap();
///     probe.expect_all([Note(1), Note(2)]).await;
///     probe.expect_none_for(std::time::Duration::from_secs(60)).await;
/// });
/// ```
pub struct Probe<M: Message + Debug> {
    sim: Sim,
    actor: ActorRef<Probing<M>>,
    inbox: Arc<Inbox<M>>,
    limit: Duration,
}

/// The actor of a [`Probe`].
pub struct Probing<M: Message> {
    inbox: Arc<Inbox<M>>,
    answer: Answer<M>,
}

struct Inbox<M>(Mutex<Got<M>>);

struct Got<M> {
    waiting: VecDeque<M>,
    total: u64,
    reader: Option<Waker>,
}

impl<M> Inbox<M> {
    fn lock(&self) -> MutexGuard<'_, Got<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Message + Debug> Actor for Probing<M> {
    type Args = Self;

    const MAILBOX: Mailbox = Mailbox::unbounded();

    async fn init(probing: Self, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(probing)
    }
}

impl<M: Message + Debug> Handler<M> for Probing<M> {
    async fn handle(&mut self, message: M, _: &mut Context<Self>) -> M::Reply {
        let reply = (self.answer)(&message);
        let mut got = self.inbox.lock();
        got.waiting.push_back(message);
        got.total += 1;
        let reader = got.reader.take();
        drop(got);
        if let Some(reader) = reader {
            reader.wake();
        }
        reply
    }
}

impl<M: Message + Debug> Probe<M> {
    pub(crate) fn spawn(sim: &Sim, answer: Answer<M>) -> Self {
        let inbox = Arc::new(Inbox(Mutex::new(Got {
            waiting: VecDeque::new(),
            total: 0,
            reader: None,
        })));
        let probing = Probing {
            inbox: inbox.clone(),
            answer,
        };
        Self {
            sim: sim.clone(),
            actor: sim.spawn::<Probing<M>>(probing),
            inbox,
            limit: PROBE_LIMIT,
        }
    }

    /// How long to wait for a message, in virtual time. Default: [`PROBE_LIMIT`].
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Who sends to the probe.
    pub fn recipient(&self) -> Recipient<M> {
        self.actor.recipient()
    }

    /// The probe as an actor.
    pub fn actor(&self) -> &ActorRef<Probing<M>> {
        &self.actor
    }

    /// The next message.
    ///
    /// # Panics
    /// If none comes within the limit.
    pub async fn next(&self) -> M {
        self.next_as("a message").await
    }

    async fn next_as(&self, what: &str) -> M {
        let what = format!("{what} at {}", self.name());
        let _label = self.sim.awaiting(&*what);
        let next = poll_fn(|cx| {
            let mut got = self.inbox.lock();
            match got.waiting.pop_front() {
                Some(message) => Poll::Ready(message),
                None => {
                    got.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        match time::timeout(self.limit, next).await {
            Ok(message) => {
                self.sim
                    .note(format_args!("the test reads {}", shown(&message)));
                message
            }
            Err(_) => {
                let (limit, total) = (self.limit, self.inbox.lock().total);
                panic!(
                    "still waiting for {what} after {limit:?} of virtual time; {total} have come \
                     before"
                )
            }
        }
    }

    /// The next message must be this one.
    ///
    /// # Panics
    /// If another comes, or none within the limit.
    #[track_caller]
    pub fn expect(&self, message: M) -> impl Future<Output = ()>
    where
        M: PartialEq,
    {
        self.expect_all([message])
    }

    /// The next messages must be these, in this order. Others after them are left for later.
    ///
    /// # Panics
    /// If another comes, or one does not within the limit.
    #[track_caller]
    pub fn expect_all(&self, messages: impl IntoIterator<Item = M>) -> impl Future<Output = ()>
    where
        M: PartialEq,
    {
        let place = std::panic::Location::caller();
        let mut messages = messages.into_iter();
        async move {
            let mut before = VecDeque::new();
            for expected in &mut messages {
                let got = self.next_as(&shown(&expected)).await;
                assert!(
                    got == expected,
                    "{} got {} and not {}, which is expected at {place}; before that: {}",
                    self.name(),
                    shown(&got),
                    shown(&expected),
                    list(&before)
                );
                remember(&mut before, &got);
            }
        }
    }

    /// Reads messages until one is as wanted, and returns that one.
    ///
    /// # Panics
    /// If none such comes within the limit after the last; the message names `what` was awaited
    /// and what came.
    pub async fn until(&self, what: &str, mut wanted: impl FnMut(&M) -> bool) -> M {
        loop {
            let got = self.next_as(what).await;
            if wanted(&got) {
                return got;
            }
        }
    }

    /// No message may wait, and none may come for so much virtual time.
    ///
    /// # Panics
    /// If one does.
    pub async fn expect_none_for(&self, duration: Duration) {
        let begin = self.sim.now();
        let came = poll_fn(|cx| {
            let mut got = self.inbox.lock();
            match got.waiting.front() {
                Some(message) => Poll::Ready(shown(message)),
                None => {
                    got.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        if let Ok(message) = time::timeout(duration, came).await {
            let after = self.sim.now().since(begin);
            panic!(
                "{} got {message} after {after:?}, and nothing is expected for {duration:?}",
                self.name()
            );
        }
    }

    /// What has come and has not been read.
    pub fn take(&self) -> Vec<M> {
        self.inbox.lock().waiting.drain(..).collect()
    }

    fn name(&self) -> String {
        let message = short(std::any::type_name::<M>());
        format!("Probe<{message}>{}", self.actor.pid())
    }

    /// How many messages have come, those read included.
    pub fn total(&self) -> u64 {
        self.inbox.lock().total
    }
}

fn shown(message: &impl Debug) -> String {
    let mut text = String::new();
    let _ = write!(text, "{message:?}");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn remember(before: &mut VecDeque<String>, message: &impl Debug) {
    if before.len() == HISTORY_MAX {
        before.pop_front();
    }
    before.push_back(shown(message));
}

fn list(before: &VecDeque<String>) -> String {
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    if before.is_empty() {
        "nothing".to_owned()
    } else {
        before.join(", ")
    }
}

impl<M: Message + Debug> Debug for Probe<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}
