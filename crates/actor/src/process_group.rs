//! Process groups: actors under a name that many share.
//!
//! A scope is a value, [`ProcessGroups`]; its groups come into being with their first member and
//! go with their last. The words and rules are those of OTP's `pg`: an actor may join a group
//! several times and is then there as often, leaves once for each time, and leaves everything when
//! its incarnation ends. A child that joins in `init` is there again after a restart, once.
//!
//! # Consistency
//! Within a process a change is there for everybody when the call returns, and monitors are told
//! of the changes of a group in their order. That is more than `pg` promises. A member leaves when
//! its end is told to its monitors, in no order with them.
//!
//! # Cost and bounds
//! No message and no actor stands behind a scope. [`members`](ProcessGroups::members) takes one
//! lock for reading and shares the list, whatever its length; joining and leaving take constant
//! time, but the first change after a snapshot was taken copies the list while the snapshot is
//! still held. A membership keeps its actor alive. An actor that ever joined costs one watch until
//! it ends.
//!
//! # Monitors
//! A monitor whose mailbox is full misses the event, and the next one says how many were missed;
//! [`members`](ProcessGroups::members) then tells the truth. A monitor keeps its actor alive until
//! it is taken back or its actor ends.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::process_group::ProcessGroups;
//!
//! struct Player;
//!
//! #[actor(crate = vaxel_actor)]
//! impl Player {
//!     fn init(room: &'static str, rooms: ProcessGroups<&'static str, PlayerRef>,
//!         cx: &mut Context<Self>) -> Self
//!     {
//!         rooms.join(room, cx.me());
//!         Player
//!     }
//!
//!     #[call]
//!     fn score(&mut self) -> u32 {
//!         3
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let rooms = ProcessGroups::new();
//! let ada = Player::spawn("lobby", rooms.clone());
//! let grace = Player::spawn("lobby", rooms.clone());
//! # (ada.score().await.unwrap(), grace.score().await.unwrap());
//! let mut total = 0;
//! for player in &rooms.members("lobby") {
//!     total += player.score().await?;
//! }
//! assert_eq!(total, 6);
//!
//! assert!(rooms.leave("lobby", &ada));
//! assert_eq!(rooms.members("lobby").len(), 1);
//! assert_eq!(rooms.which_groups(), ["lobby"]);
//! # drop(grace);
//! # Ok::<(), CallError>(())
//! # }).unwrap();
//! ```

mod monitors;

use std::borrow::Borrow;
use std::hash::Hash;
use std::ops::Index;
use std::sync::Arc;

use vaxel_runtime::{AnyRef, Recipient, Watchable};

use self::monitors::Monitors;
pub use self::monitors::{GroupChange, GroupEvent, GroupMonitorRef};
use crate::holders::{Entries, Entry, Key, Table, Which};
use crate::incarnation::when_over;
use crate::reference::Reference;

/// Locks over which the groups of a scope are spread.
const STRIPES: usize = 64;

/// A scope of process groups. A handle: clones are handles to the same scope.
///
/// `G` names a group, `R` is the kind of reference that its members are. See the [module](self).
pub struct ProcessGroups<G: Key, R: Reference> {
    table: Arc<Table<G, R, (), Monitors<G, R>>>,
}

impl<G: Key, R: Reference> ProcessGroups<G, R> {
    /// A scope without groups.
    pub fn new() -> Self {
        ProcessGroups {
            table: Table::new(STRIPES, Monitors::new()),
        }
    }

    /// Lets an actor join a group, once more if it is a member. One that has ended does not join.
    pub fn join(&self, group: G, actor: impl Into<R>) {
        // Groups are never unique: only an actor that has ended is refused.
        let _ = self.table.add(group, actor.into(), (), false);
    }

    /// Takes one membership of an actor back. False: it is not a member.
    pub fn leave<Q>(&self, group: &Q, actor: &impl Watchable) -> bool
    where
        G: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let pid = AnyRef::from(actor).pid();
        !self.table.remove(group, pid, Which::Newest).is_empty()
    }

    /// The members of a group as they are now, in no order, each as often as it has joined.
    #[inline]
    pub fn members<Q>(&self, group: &Q) -> Members<R>
    where
        G: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Members(self.table.entries(group))
    }

    /// The members that live on this node: all of them, as long as a scope is not spread.
    pub fn local_members<Q>(&self, group: &Q) -> Members<R>
    where
        G: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.members(group)
    }

    /// The groups that have members, in no order.
    pub fn which_groups(&self) -> Vec<G> {
        self.table.keys()
    }

    /// The members of a group, and every change from then on as a [`GroupEvent`] to `to`.
    pub fn monitor(
        &self,
        group: G,
        to: &Recipient<GroupEvent<G, R>>,
    ) -> (GroupMonitorRef, Members<R>) {
        let add = || {
            let group = Some(group.clone());
            self.table.observer.add(group, to.clone())
        };
        let (entries, monitor) = self.table.entries_then(&group, add);
        self.forget_with(monitor, to);
        (monitor, Members(entries))
    }

    /// All groups with their members, and every change from then on as a [`GroupEvent`] to `to`.
    pub fn monitor_scope(
        &self,
        to: &Recipient<GroupEvent<G, R>>,
    ) -> (GroupMonitorRef, Vec<(G, Members<R>)>) {
        let add = || self.table.observer.add(None, to.clone());
        let (groups, monitor) = self.table.all_then(add);
        self.forget_with(monitor, to);
        let groups = groups.into_iter();
        let groups = groups.map(|(group, entries)| (group, Members(entries)));
        (monitor, groups.collect())
    }

    /// Takes a monitor back; events that have been sent arrive all the same. False: it is unknown.
    pub fn demonitor(&self, monitor: GroupMonitorRef) -> bool {
        self.table.observer.remove(monitor)
    }

    fn forget_with(&self, monitor: GroupMonitorRef, to: &Recipient<GroupEvent<G, R>>) {
        let watching = AnyRef::from(to);
        let table = Arc::downgrade(&self.table);
        when_over(&watching, watching.pid(), move || {
            if let Some(table) = table.upgrade() {
                table.observer.remove(monitor);
            }
        });
    }
}

impl<G: Key, R: Reference> Default for ProcessGroups<G, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<G: Key, R: Reference> Clone for ProcessGroups<G, R> {
    fn clone(&self) -> Self {
        ProcessGroups {
            table: self.table.clone(),
        }
    }
}

impl<G: Key, R: Reference> std::fmt::Debug for ProcessGroups<G, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessGroups")
            .field("memberships", &self.table.count())
            .finish_non_exhaustive()
    }
}

/// The members of a group at one moment. Cheap to clone; later changes do not show.
#[derive(Debug, Clone)]
pub struct Members<R>(Entries<R, ()>);

impl<R> Members<R> {
    /// How many there are; one that joined twice counts twice.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> MembersIter<'_, R> {
        MembersIter(self.0.iter())
    }
}

impl<R> Index<usize> for Members<R> {
    type Output = R;

    fn index(&self, at: usize) -> &R {
        &self.0[at].actor
    }
}

impl<'a, R> IntoIterator for &'a Members<R> {
    type Item = &'a R;
    type IntoIter = MembersIter<'a, R>;

    fn into_iter(self) -> MembersIter<'a, R> {
        self.iter()
    }
}

/// See [`Members::iter`].
#[derive(Debug, Clone)]
pub struct MembersIter<'a, R>(std::slice::Iter<'a, Entry<R, ()>>);

impl<'a, R> Iterator for MembersIter<'a, R> {
    type Item = &'a R;

    fn next(&mut self) -> Option<&'a R> {
        self.0.next().map(|entry| &entry.actor)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<R> ExactSizeIterator for MembersIter<'_, R> {}
