//! What a client's session lives in: a shard, or the actor of a long-poll session.
//!
//! The rules of the protocol are the same in both and know neither; what differs is where frames
//! go, who keeps the list of subscribers, and who counts.

use std::sync::Arc;

use smallvec::SmallVec;
use vaxel_actor::SendError;
use vaxel_pubsub::{Broadcast, Seat};
use vaxel_websocket::Frame;

use crate::channel::inbox::Inbound;
use crate::channel::membership::{Address, Membership};
use crate::counters::{Counter, ShardCounters};
use crate::endpoint::Endpoint;
use crate::socket::Socket;
use crate::socket::command::Ending;
use crate::socket::session::{Phase, Session};
use crate::vsn::Version;

/// Which figure is meant.
pub(crate) type Figure = fn(&ShardCounters) -> &Counter;

/// What a session lives in.
pub(crate) trait Home {
    fn endpoint(&self) -> &Endpoint;

    /// Where channels send their commands.
    fn address(&self) -> Address;

    /// The name of a topic, shared where that is possible.
    fn intern(&self, version: Version, topic: &str) -> Arc<str>;

    /// Distinguishes the joins of this home.
    fn next_number(&mut self) -> u32;

    /// A join begins. Broadcasts may come from now on, and are passed on once it is accepted.
    fn listen(&mut self, topic: &Arc<str>, number: u32);

    /// The join was accepted: broadcasts are wanted.
    fn seat(&mut self, membership: &Membership) -> Option<Seat>;

    /// Broadcasts are not wanted any more.
    fn vacate(&mut self, version: Version, number: u32, seat: Option<Seat>);

    fn add(&self, figure: Figure, n: u64);

    fn subtract(&self, figure: Figure, n: u64);
}

/// Frames that a change brings; nearly always one.
pub(crate) type Frames = SmallVec<[Frame; 2]>;

/// A join was accepted. What to send: the reply, then the end of a channel that was replaced.
pub(crate) fn joined<H: Home>(
    home: &mut H,
    session: Option<&mut Session>,
    membership: &Membership,
    reply: Frame,
) -> Frames {
    home.add(|counters| &counters.joins_accepted, 1);
    let Some(session) = session else {
        return Frames::new();
    };
    let Some(position) = session.position_of(membership.number) else {
        return Frames::new();
    };
    let entry = &mut session.channels[position];
    entry.seat = home.seat(membership);
    entry.phase = Phase::Joined;
    let previous = entry.previous.take();
    home.add(|counters| &counters.channels, 1);
    let mut frames = Frames::new();
    frames.push(reply);
    frames.extend(previous.map(|previous| previous.membership.close_frame()));
    frames
}

/// A join was refused, or a channel has ended. What to send.
pub(crate) fn ended<H: Home>(
    home: &mut H,
    session: Option<&mut Session>,
    membership: &Membership,
    ending: Ending,
    frame: Frame,
) -> Frames {
    match ending {
        Ending::Refused => home.add(|counters| &counters.joins_refused, 1),
        Ending::JoinCrashed => home.add(|counters| &counters.joins_crashed, 1),
        Ending::Crashed => home.add(|counters| &counters.channels_crashed, 1),
        Ending::Closed => {}
    }
    let mut frames = Frames::new();
    let Some(session) = session else {
        return frames;
    };
    let Some(position) = session.position_of(membership.number) else {
        if session.take_leaving(membership.number) {
            frames.push(frame);
        }
        return frames;
    };
    let mut entry = session.remove(position);
    vacate(home, membership.link.version, &mut entry);
    frames.push(frame);
    let previous = entry.previous;
    frames.extend(previous.map(|previous| previous.membership.close_frame()));
    frames
}

/// Takes a channel out of the topic's subscribers.
pub(crate) fn vacate<H: Home>(
    home: &mut H,
    version: Version,
    entry: &mut crate::socket::session::ChannelEntry,
) {
    home.vacate(version, entry.membership.number, entry.seat.take());
    if entry.phase != Phase::Joining {
        home.subtract(|counters| &counters.channels, 1);
    }
}

/// Hands a broadcast to the channel at `position`, if the channel intercepts it.
///
/// On a topic that keeps a history all broadcasts take the way of those that are intercepted, so
/// that a client gets them in the order of their offsets. One whose channel cannot take another is
/// made to come back: it gets from the history what it would miss otherwise.
pub(crate) fn intercept<H: Home>(
    home: &H,
    socket: &Socket,
    session: &Session,
    position: usize,
    broadcast: &Broadcast,
) -> bool {
    let entry = &session.channels[position];
    if !entry.membership.intercepts {
        return false;
    }
    let is_kept = broadcast.offset().is_some();
    let is_meant = || {
        let route = socket.route(broadcast.topic());
        route.is_some_and(|(kind, _)| kind.intercepts().contains(&broadcast.event()))
    };
    if !is_kept && !is_meant() {
        return false;
    }
    // One that has just ended needs none; its client is about to hear of it.
    if let Err(SendError::Full(_)) = entry.inbox.cast(Inbound::Out(broadcast.clone())) {
        home.add(|counters| &counters.intercepts_missed, 1);
        if is_kept {
            entry.inbox.erase().kill();
        }
    }
    true
}

/// The session is over: its channels are told, and nobody listens any more.
pub(crate) fn closed<H: Home>(home: &mut H, session: &mut Session) {
    let version = session.version;
    if let Some(token) = session.token() {
        token.leave();
    }
    for mut entry in std::mem::take(&mut session.channels) {
        vacate(home, version, &mut entry);
        entry.inbox.erase().shutdown();
    }
}
