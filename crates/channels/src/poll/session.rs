//! The actor of one long-poll client.
//!
//! It is what a shard's entry is to a WebSocket: it keeps the client's session, hands its messages
//! to the channels by the same rules, and keeps what they send until the client polls. No code of
//! the application runs in it, so it answers at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use vaxel_actor::{Actor, Context, ExitReason, Handler, Mailbox, Message, Time, TimerRef};
use vaxel_net::OutboxPolicy;
use vaxel_pubsub::{Broadcast, Subscription};
use vaxel_websocket::Frame;

use super::POLL_SHARD;
use super::config::PollConfig;
use super::home::PollHome;
use super::outbox::{Outbox, Pushed};
use super::request::Line;
use super::sessions::Place;
use crate::assigns::Assigns;
use crate::endpoint::{DISCONNECT, Endpoint};
use crate::socket::command::{self, Command};
use crate::socket::dispatch::{self, Outcome};
use crate::socket::home::{self, Frames, Home};
use crate::socket::mount::Mount;
use crate::socket::session::{Phase, Session};
use crate::vsn::Version;

/// How long a message that could not be taken waits until it is tried again.
const RETRY: Duration = Duration::from_millis(2);

/// Requests with messages that may wait behind one whose messages cannot be taken yet. The npm
/// client sends one at a time.
const FEEDS_MAX: usize = 4;

/// What a session is made of.
pub(super) struct Start {
    pub(super) endpoint: Endpoint,
    pub(super) mounts: Arc<[Mount]>,
    pub(super) mount: usize,
    pub(super) version: Version,
    pub(super) assigns: Assigns,
    pub(super) config: PollConfig,
    pub(super) place: Place,
}

/// What a client asks of its session.
pub(super) enum Request {
    /// Wait for messages. No frames come when the window is over.
    Poll(oneshot::Sender<Vec<Frame>>),
    /// Take messages. The answer is a status of the protocol.
    Feed(Vec<Line>, oneshot::Sender<u16>),
}

impl Message for Request {
    type Reply = ();
}

impl Message for Command {
    type Reply = ();
}

/// Time has passed.
pub(super) enum Clock {
    /// A poll has waited for the window.
    Window,
    /// Try the message that could not be taken.
    Retry,
    /// Look whether the client is still there.
    Alive,
}

impl Message for Clock {
    type Reply = ();
}

/// The actor of one long-poll client.
pub(super) struct PollSession {
    mounts: Arc<[Mount]>,
    session: Box<Session>,
    home: PollHome,
    config: PollConfig,
    outbox: Outbox,
    waiting: Option<(oneshot::Sender<Vec<Frame>>, TimerRef)>,
    feeds: VecDeque<Feed>,
    retry: Option<TimerRef>,
    polled: Time,
    _by_id: Option<Subscription>,
    _place: Place,
}

/// Messages that are being taken.
struct Feed {
    lines: VecDeque<Line>,
    reply: oneshot::Sender<u16>,
    since: Time,
}

impl Actor for PollSession {
    type Args = Start;

    /// A burst of broadcasts has to fit; a session that cannot keep up ends.
    const MAILBOX: Mailbox = Mailbox::bounded(4096);

    async fn init(start: Start, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let me = cx.me();
        let home = PollHome {
            endpoint: start.endpoint,
            commands: me.recipient(),
            broadcasts: me.recipient(),
            subscriptions: Vec::new(),
        };
        let by_id = start.assigns.socket_id();
        let by_id = by_id.map(|id| {
            home.endpoint
                .pubsub()
                .subscribe_or_kill(id, home.broadcasts.clone())
        });
        let mount = u16::try_from(start.mount).expect("checked when made");
        let mut session = Session::new(mount, start.version);
        session.assign(&home.endpoint, start.assigns, || home.address());
        home.add(|counters| &counters.poll_sessions, 1);
        cx.send_every(start.config.window / 4, || Clock::Alive);
        Ok(Self {
            mounts: start.mounts,
            session,
            home,
            config: start.config,
            outbox: Outbox::new(start.config.outbox_bytes_max),
            waiting: None,
            feeds: VecDeque::new(),
            retry: None,
            polled: cx.system().now(),
            _by_id: by_id,
            _place: start.place,
        })
    }
}

impl Handler<Request> for PollSession {
    async fn handle(&mut self, request: Request, cx: &mut Context<Self>) {
        let now = cx.system().now();
        match request {
            Request::Poll(reply) => {
                self.polled = now;
                self.answer(Vec::new(), cx);
                let timer = cx.send_after(self.config.window, Clock::Window);
                self.waiting = Some((reply, timer));
                self.flush(cx);
            }
            Request::Feed(_, reply) if self.feeds.len() >= FEEDS_MAX => self.late(reply),
            Request::Feed(lines, reply) => {
                self.feeds.push_back(Feed {
                    lines: lines.into(),
                    reply,
                    since: now,
                });
                self.feed(cx);
                self.flush(cx);
            }
        }
    }
}

impl Handler<Command> for PollSession {
    async fn handle(&mut self, command: Command, cx: &mut Context<Self>) {
        let frames = match command {
            Command::Push(frame) => Frames::from_iter([frame]),
            Command::Joined { membership, reply } => {
                home::joined(&mut self.home, Some(&mut self.session), &membership, reply)
            }
            Command::Ended {
                membership,
                ending,
                frame,
            } => {
                let session = Some(&mut *self.session);
                home::ended(&mut self.home, session, &membership, ending, frame)
            }
            // A shard's own business.
            _ => return,
        };
        for frame in frames {
            self.push(frame, OutboxPolicy::Close, cx);
        }
        self.feed(cx);
        self.flush(cx);
    }
}

impl Handler<Broadcast> for PollSession {
    async fn handle(&mut self, broadcast: Broadcast, cx: &mut Context<Self>) {
        let topic = broadcast.topic();
        let is_own = |by_id: &Subscription| by_id.topic() == topic;
        if broadcast.event() == DISCONNECT && self._by_id.as_ref().is_some_and(is_own) {
            self.home.add(|counters| &counters.disconnects, 1);
            return cx.stop();
        }
        let Some(position) = self.session.position(topic) else {
            return;
        };
        let entry = &self.session.channels[position];
        let origin = broadcast.origin();
        let is_excluded = origin.is_some_and(|origin| {
            origin.shard == POLL_SHARD && origin.subscriber == entry.membership.number
        });
        if entry.phase == Phase::Joining || is_excluded {
            return;
        }
        let socket = &self.mounts[usize::from(self.session.mount)].socket;
        if home::intercept(&self.home, socket, &self.session, position, &broadcast) {
            return;
        }
        if broadcast.bytes().is_some() {
            return self.home.endpoint.binary_undeliverable();
        }
        if let Some(frame) = command::encode(&broadcast, self.session.version) {
            self.home.add(|counters| &counters.deliveries, 1);
            let policy = self.home.endpoint.slow_policy(&broadcast);
            self.push(frame, policy, cx);
            self.flush(cx);
        }
    }
}

impl Handler<Clock> for PollSession {
    async fn handle(&mut self, clock: Clock, cx: &mut Context<Self>) {
        match clock {
            Clock::Window => self.answer(Vec::new(), cx),
            Clock::Retry => {
                self.retry = None;
                self.feed(cx);
                self.flush(cx);
            }
            Clock::Alive => {
                let is_waiting = matches!(&self.waiting, Some((reply, _)) if !reply.is_closed());
                let silence = cx.system().now() - self.polled;
                if !is_waiting && silence > self.config.window * 3 / 2 {
                    self.home.add(|counters| &counters.poll_sessions_expired, 1);
                    cx.stop();
                }
            }
        }
    }
}

impl PollSession {
    /// Keeps a frame until the client polls; a client that does not keep up with what it must not
    /// miss loses its session.
    fn push(&mut self, frame: Frame, policy: OutboxPolicy, cx: &mut Context<Self>) {
        match self.outbox.push(frame, policy) {
            Pushed::Waits => {}
            Pushed::Conflated => self.home.add(|counters| &counters.poll_frames_conflated, 1),
            Pushed::Dropped => self.home.add(|counters| &counters.poll_frames_dropped, 1),
            Pushed::Full => {
                self.home.add(|counters| &counters.poll_sessions_behind, 1);
                cx.stop();
            }
        }
    }

    /// Answers that messages were not taken in time.
    fn late(&self, reply: oneshot::Sender<u16>) {
        self.home.add(|counters| &counters.poll_requests_late, 1);
        // A client that has gone needs no answer.
        _ = reply.send(408);
    }

    /// Gives what waits to the poll that waits.
    fn flush(&mut self, cx: &mut Context<Self>) {
        if self.waiting.is_some() && !self.outbox.is_empty() {
            let frames = self.outbox.take();
            self.answer(frames, cx);
        }
    }

    /// Answers the poll that waits, if there is one. Frames stay when its client has gone.
    fn answer(&mut self, frames: Vec<Frame>, cx: &mut Context<Self>) {
        let Some((reply, timer)) = self.waiting.take() else {
            return;
        };
        cx.cancel(&timer);
        if let Err(frames) = reply.send(frames) {
            self.outbox.put_back(frames);
        } else {
            self.polled = cx.system().now();
        }
    }

    /// Hands messages to their channels, as far as these can take them.
    fn feed(&mut self, cx: &mut Context<Self>) {
        while let Some(mut feed) = self.feeds.pop_front() {
            match self.take(&mut feed, cx) {
                Taken::All => _ = feed.reply.send(200),
                Taken::Malformed => {
                    _ = feed.reply.send(410);
                    return cx.stop();
                }
                Taken::Some if cx.system().now() - feed.since > self.config.window => {
                    self.late(feed.reply);
                }
                Taken::Some => {
                    self.feeds.push_front(feed);
                    if self.retry.is_none() {
                        self.retry = Some(cx.send_after(RETRY, Clock::Retry));
                    }
                    return;
                }
            }
        }
    }

    fn take(&mut self, feed: &mut Feed, cx: &mut Context<Self>) -> Taken {
        while let Some(line) = feed.lines.front() {
            let socket = &self.mounts[usize::from(self.session.mount)].socket;
            let outcome = dispatch::take(socket, &mut self.home, &mut self.session, line.raw());
            match outcome {
                Outcome::Done => {}
                Outcome::Answer(frame) => self.push(frame, OutboxPolicy::Close, cx),
                Outcome::Pause(_) => return Taken::Some,
                Outcome::Malformed => return Taken::Malformed,
            }
            feed.lines.pop_front();
        }
        Taken::All
    }
}

/// How far the messages of a request have been taken.
enum Taken {
    All,
    Some,
    Malformed,
}

impl Drop for PollSession {
    fn drop(&mut self) {
        self.home.subtract(|counters| &counters.poll_sessions, 1);
        home::closed(&mut self.home, &mut self.session);
    }
}
