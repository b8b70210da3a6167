//! What ties an incarnation to others: those who watch it, its monitors, its links.
//!
//! All of it belongs to one incarnation and is owned by the cell's owner (S2). The end of the
//! incarnation takes it out once and tells everybody once, so whoever is tied to it hears exactly
//! one end.
//!
//! Ids of monitors grow, so what is kept by id is a sorted list that is appended to. Links are few
//! as a rule and searched in order; an actor with more than [`FEW`] keeps them in a tree.

use super::out_of_turn::OutOfTurn;
use super::signal::{self, Signal};
use super::{Counted, Header};
use crate::call::cycle::Waits;
use crate::cell::future::Ran;
use crate::exit_watch::ExitSlot;
use crate::inspect::Trace;
use crate::sync::fault;
use crate::system::core::Core;
use crate::worker::Worker;
use crate::{Down, ExitReason, MonitorRef, Pid, TrappedExit};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Arc;

/// Links that are searched one by one; more are kept in a tree.
const FEW: usize = 16;

/// Futures that watch are looked through for dropped ones when there are this many.
const FUTURES_MIN: usize = 16;

/// Handles a trapped exit; knows the type of the actor that traps.
pub(crate) type Deliver = unsafe fn(NonNull<Header>, TrappedExit, &Worker) -> Ran;

/// Who is tied to whom. Belongs to one incarnation. There may be as many as there are actors, so
/// what one tie costs is this, its entry, and nothing for those that may follow.
#[derive(Default)]
pub(crate) struct Relations {
    /// Who is told when this incarnation ends.
    pub(crate) watchers: Watchers,
    /// The monitors this incarnation has set and that have not fired, and whom they watch.
    pub(crate) monitors: ById<Pid>,
    pub(crate) links: Links,
    /// How a trapped exit is handled, once this incarnation has asked for them.
    pub(crate) deliver: Option<Deliver>,
    /// What is known of calls that the suspended handler has been waiting for.
    pub(crate) waits: Option<Box<Waits>>,
    /// Mail that does not wait its turn.
    pub(crate) out_of_turn: Option<Box<OutOfTurn>>,
    /// Where the messages of this incarnation are noted.
    pub(crate) trace: Option<Arc<Trace>>,
}

const _: () = assert!(size_of::<Relations>() <= 128);

impl Relations {
    /// The incarnation is over: the links first, then the monitors, as in OTP; and those whom it
    /// watched forget it.
    pub(crate) fn end(self, core: &Core, ended: Pid, reason: &ExitReason) {
        for (peer, link) in self.links.into_iter() {
            if matches!(link, Link::Linked { .. }) {
                signal::exit_over_link(core, ended, peer, reason);
            }
        }
        for (id, watcher) in self.watchers.list.into_iter() {
            if let Watcher::Actor { pid, tell } = &watcher
                && fault::planted("an end is told twice")
            {
                let (pid, tell) = (*pid, *tell);
                Watcher::Actor { pid, tell }.tell(core, id, ended, reason);
            }
            watcher.tell(core, id, ended, reason);
        }
        for (id, target) in self.monitors.into_iter() {
            signal::send_to(core, target, Signal::Unwatch(id));
        }
    }
}

/// Who is told that an incarnation ended.
pub(crate) enum Watcher {
    Actor { pid: Pid, tell: fn(&Counted, Down) },
    Future(Arc<ExitSlot>),
}

impl Watcher {
    /// Delivers once; a watcher that is gone itself is not missed.
    pub(crate) fn tell(self, core: &Core, monitor: MonitorRef, ended: Pid, reason: &ExitReason) {
        match self {
            Self::Future(slot) => slot.set(reason.clone()),
            Self::Actor { pid, tell } => {
                if let Some(watcher) = core.pids.find(pid) {
                    let reason = reason.clone();
                    let down = Down {
                        monitor,
                        pid: ended,
                        reason,
                    };
                    tell(&watcher, down);
                }
            }
        }
    }

    /// Who watches, if it is an actor.
    pub(crate) fn pid(&self) -> Option<Pid> {
        match self {
            Self::Actor { pid, .. } => Some(*pid),
            Self::Future(_) => None,
        }
    }

    fn is_wanted(&self) -> bool {
        match self {
            Self::Future(slot) => Arc::strong_count(slot) > 1,
            Self::Actor { .. } => true,
        }
    }
}

/// The watchers of one incarnation. An actor takes its monitors back; a future that is dropped does
/// not, so those are looked for each time the list has doubled.
#[derive(Default)]
pub(crate) struct Watchers {
    pub(crate) list: ById<Watcher>,
}

impl Watchers {
    pub(crate) fn add(&mut self, id: MonitorRef, watcher: Watcher) {
        if self.list.len() >= (self.list.look_at as usize).max(FUTURES_MIN) {
            self.list.retain(Watcher::is_wanted);
            self.list.look_at = 2 * self.list.live;
        }
        self.list.insert(id, watcher);
    }
}

/// Makes room for the first entry alone; a list that goes on grows as lists do.
fn reserve_first<T>(list: &mut Vec<T>) {
    if list.capacity() == 0 {
        list.reserve_exact(1);
    }
}

/// Values by an id that grows, in the order of the ids. What is removed leaves a gap until half of
/// the list is gaps.
pub(crate) struct ById<V> {
    entries: Vec<(MonitorRef, Option<V>)>,
    live: u32,
    /// When the list is as long as this it is looked through; see [`Watchers`].
    look_at: u32,
}

impl<V> Default for ById<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            live: 0,
            look_at: 0,
        }
    }
}

impl<V> ById<V> {
    pub(crate) fn len(&self) -> usize {
        self.live as usize
    }

    pub(crate) fn insert(&mut self, id: MonitorRef, value: V) {
        self.live += 1;
        reserve_first(&mut self.entries);
        let last = self.entries.last().map(|entry| entry.0);
        if last < Some(id) {
            self.entries.push((id, Some(value)));
            return;
        }
        // Two actors that ask at once may arrive in the other order; then it is close to the end.
        let at = self.entries.partition_point(|entry| entry.0 < id);
        self.entries.insert(at, (id, Some(value)));
    }

    pub(crate) fn remove(&mut self, id: MonitorRef) -> Option<V> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.0);
        let value = self.entries[at.ok()?].1.take()?;
        self.live -= 1;
        if self.len() <= self.entries.len() / 2 {
            self.entries.retain(|entry| entry.1.is_some());
        }
        Some(value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().filter_map(|entry| entry.1.as_ref())
    }

    fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries
            .retain(|entry| entry.1.as_ref().is_some_and(&keep));
        self.live = self.entries.len() as u32;
    }

    fn into_iter(self) -> impl Iterator<Item = (MonitorRef, V)> {
        self.entries
            .into_iter()
            .filter_map(|(id, value)| value.map(|value| (id, value)))
    }
}

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    /// Linked. So many exits may come of it: one, and one more for each time the actor was linked
    /// again when the other had ended.
    Linked { exits: u32 },
    /// Taken back under this id, and the other end has not said that it knows. Exits and links that
    /// it sent before it knew mean nothing.
    Unlinking(u64),
}

/// What is left to do to set up a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linking {
    /// The two are linked.
    Done,
    /// The other end must be told.
    Send,
    /// There is no other end: an exit says so.
    NoProcess,
}

/// The links of one incarnation: at most one per pid.
#[derive(Default)]
pub(crate) struct Links {
    few: Vec<(Pid, Link)>,
    #[expect(
        clippy::box_collection,
        reason = "few have it, all have the room for it"
    )]
    many: Option<Box<BTreeMap<Pid, Link>>>,
}

impl Links {
    pub(crate) fn find(&mut self, pid: Pid) -> Option<&mut Link> {
        if let Some(many) = &mut self.many {
            return many.get_mut(&pid);
        }
        let mut few = self.few.iter_mut();
        few.find(|(known, _)| *known == pid).map(|(_, link)| link)
    }

    /// Sets the link to this pid, in place of what was there.
    pub(crate) fn set(&mut self, pid: Pid, link: Link) {
        if let Some(known) = self.find(pid) {
            *known = link;
        } else if self.many.is_none() && self.few.len() < FEW {
            reserve_first(&mut self.few);
            self.few.push((pid, link));
        } else {
            let many = self.many.get_or_insert_default();
            many.extend(std::mem::take(&mut self.few));
            many.insert(pid, link);
        }
    }

    pub(crate) fn remove(&mut self, pid: Pid) {
        if let Some(many) = &mut self.many {
            many.remove(&pid);
            if many.is_empty() {
                self.many = None;
            }
        } else if let Some(at) = self.few.iter().position(|(known, _)| *known == pid) {
            self.few.remove(at);
        }
    }

    /// This end links itself to that pid, which may have ended.
    pub(crate) fn link(&mut self, pid: Pid, lives: bool) -> Linking {
        match self.find(pid) {
            Some(Link::Linked { .. }) if lives => return Linking::Done,
            Some(Link::Linked { exits }) => *exits += 1,
            Some(Link::Unlinking(_)) | None => self.set(pid, Link::Linked { exits: 1 }),
        }
        if lives {
            Linking::Send
        } else {
            Linking::NoProcess
        }
    }

    /// This end takes the link back under an id. True: the other end must be told.
    pub(crate) fn unlink(&mut self, pid: Pid, id: u64, lives: bool) -> bool {
        if !matches!(self.find(pid), Some(Link::Linked { .. })) {
            return false;
        }
        if lives {
            self.set(pid, Link::Unlinking(id));
        } else {
            self.remove(pid);
        }
        lives
    }

    /// The other end has linked itself to this one.
    pub(crate) fn linked_by(&mut self, pid: Pid) {
        let ignores = self.find(pid).is_some() && !fault::planted("link during unlink");
        if !ignores {
            self.set(pid, Link::Linked { exits: 1 });
        }
    }

    /// The other end has taken the link back, and is to be told that this end knows.
    pub(crate) fn unlinked_by(&mut self, pid: Pid) {
        if let Some(Link::Linked { .. }) = self.find(pid) {
            self.remove(pid);
        }
    }

    /// The other end knows that the link was taken back under this id.
    pub(crate) fn acknowledged(&mut self, pid: Pid, id: u64) {
        if self.find(pid) == Some(&mut Link::Unlinking(id)) {
            self.remove(pid);
        }
    }

    /// An exit has come over the link to this pid. False: there is no such link any more.
    pub(crate) fn take_exit(&mut self, pid: Pid) -> bool {
        match self.find(pid) {
            Some(Link::Linked { exits }) if *exits > 1 => *exits -= 1,
            Some(Link::Linked { .. }) => self.remove(pid),
            Some(Link::Unlinking(_)) | None => return false,
        }
        true
    }

    /// Who is linked.
    pub(crate) fn linked(&self) -> impl Iterator<Item = Pid> {
        let few = self.few.iter().map(|(pid, link)| (pid, link));
        let all = few.chain(self.many.iter().flat_map(|many| many.iter()));
        all.filter_map(|(pid, link)| matches!(link, Link::Linked { .. }).then_some(*pid))
    }

    fn into_iter(self) -> impl Iterator<Item = (Pid, Link)> {
        let many = self.many.map(|many| many.into_iter());
        self.few.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(all(test, loom))]
#[path = "link_models.rs"]
mod models;

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: ById<u32>) -> Vec<u32> {
        list.into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn ids_stay_in_order_and_gaps_are_closed() {
        let mut list = ById::default();
        for id in [1, 2, 5, 4, 9] {
            list.insert(MonitorRef(u64::from(id)), id);
        }
        assert_eq!(list.remove(MonitorRef(3)), None);
        assert_eq!(list.remove(MonitorRef(2)), Some(2));
        assert_eq!(list.remove(MonitorRef(2)), None);
        assert_eq!(list.remove(MonitorRef(9)), Some(9));
        assert_eq!((list.len(), list.entries.len()), (3, 5));
        assert_eq!(list.remove(MonitorRef(1)), Some(1));
        assert_eq!((list.len(), list.entries.len()), (2, 2));
        assert_eq!(ids(list), [4, 5]);
    }

    #[test]
    fn futures_that_were_dropped_are_forgotten() {
        let mut watchers = Watchers::default();
        let wanted = Arc::<ExitSlot>::default();
        watchers.add(MonitorRef(0), Watcher::Future(wanted.clone()));
        for id in 1..10_000 {
            watchers.add(MonitorRef(id), Watcher::Future(Arc::default()));
        }
        assert!(watchers.list.len() <= 2 * FUTURES_MIN);
        assert!(watchers.list.remove(MonitorRef(0)).is_some());
    }
}
