//! A shard's epoll.
//!
//! # Invariants
//! 1. What is registered with tokio is a descriptor of its own, a duplicate that nobody else can
//!    close.

use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io;
use tokio::io::Interest as TokioInterest;
use tokio::io::unix::AsyncFd;

use super::ConnectionId;

/// Events of one pass at most; the kernel hands out the rest, in order, in the next.
const EVENTS_PER_PASS: usize = 1024;

/// What a connection waits for. Its end is reported in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Self = Self {
        read: true,
        write: false,
    };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

/// Who is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Listener,
    Inbox,
    Connection(ConnectionId),
}

/// One entry of the ready list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) source: Source,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Both directions are closed, or the socket has an error.
    pub(crate) hung_up: bool,
}

const LISTENER: u64 = u64::MAX;
const INBOX: u64 = u64::MAX - 1;

/// Level-triggered, so that a connection that was not read to its end is ready again in the next
/// pass, behind the others.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
        })
    }

    /// Nests the epoll in the tokio runtime that the caller is inside of.
    pub(crate) fn nest(&self) -> std::io::Result<AsyncFd<OwnedFd>> {
        let epoll = self.epoll.try_clone()?;
        // SAFETY: the AsyncFd owns the descriptor (invariant 1), and an OwnedFd names the same
        // open descriptor for as long as it lives.
        let nested = unsafe { AsyncFd::register_with_interest(epoll, TokioInterest::READABLE) };
        Ok(nested?)
    }

    pub(crate) fn add(&self, fd: impl AsFd, source: Source) -> io::Result<()> {
        epoll::add(&self.epoll, fd, data(source), EventFlags::IN)
    }

    pub(crate) fn modify(
        &self,
        fd: &OwnedFd,
        id: ConnectionId,
        interest: Interest,
    ) -> io::Result<()> {
        epoll::modify(
            &self.epoll,
            fd,
            data(Source::Connection(id)),
            interest.flags(),
        )
    }

    /// Silences or revives the listener.
    pub(crate) fn listen(&self, listener: &OwnedFd, is_wanted: bool) -> io::Result<()> {
        let flags = if is_wanted {
            EventFlags::IN
        } else {
            EventFlags::empty()
        };
        epoll::modify(&self.epoll, listener, data(Source::Listener), flags)
    }

    pub(crate) fn remove(&self, fd: &OwnedFd) {
        // Fails only for a descriptor that was never added.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// The ready list, without waiting.
    pub(crate) fn ready(&self, into: &mut Vec<Event>) {
        into.clear();
        into.reserve(EVENTS_PER_PASS);
        // An interrupted call is an empty list.
        let _ = epoll::wait(
            &self.epoll,
            spare_capacity(into),
            Some(&Timespec::default()),
        );
    }
}

fn data(source: Source) -> EventData {
    EventData::new_u64(match source {
        Source::Listener => LISTENER,
        Source::Inbox => INBOX,
        Source::Connection(id) => u64::from(id.key) << 32 | u64::from(id.slot),
    })
}

impl From<Event> for Ready {
    fn from(event: Event) -> Self {
        let source = match event.data.u64() {
            LISTENER => Source::Listener,
            INBOX => Source::Inbox,
            id => Source::Connection(ConnectionId {
                slot: id as u32,
                key: (id >> 32) as u32,
            }),
        };
        let flags = event.flags;
        Self {
            source,
            readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
            writable: flags.contains(EventFlags::OUT),
            hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        }
    }
}
