//! The tree: supervisors with a thousand children each.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use anyhow::ensure;
use vaxel::{SupervisorRef, System, prelude::*};

use crate::bench::interrupt;

/// Incarnations whose `init` has run, and those whose state has been dropped.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

const CHILDREN_EACH: u64 = 1_000;

/// How long the tree may take to be whole again after the last hit.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Member {
    handled: u64,
    /// Something to leak: a state that owns memory.
    _luggage: Box<[u8; 64]>,
}

impl Drop for Member {
    fn drop(&mut self) {
        ENDED.fetch_add(1, SeqCst);
    }
}

#[actor]
impl Member {
    pub(super) fn init() -> Self {
        BEGUN.fetch_add(1, SeqCst);
        Member {
            handled: 0,
            _luggage: Box::new([1; 64]),
        }
    }

    #[call]
    pub(super) fn work(&mut self) -> u64 {
        self.handled += 1;
        self.handled
    }

    /// Lets others run before it answers, so that a kill finds it in the middle.
    #[call]
    pub(super) async fn work_slowly(&mut self) -> u64 {
        vaxel::time::sleep(millis(1)).await;
        self.handled += 1;
        self.handled
    }

    #[cast]
    pub(super) fn crash(&mut self) {
        panic!("asked to crash");
    }
}

pub(super) struct Tree {
    pub(super) members: Vec<MemberRef>,
    branches: Vec<SupervisorRef>,
}

impl Tree {
    pub(super) async fn grow(system: &System, actors: u64) -> anyhow::Result<Self> {
        let mut tree = Tree {
            members: Vec::with_capacity(actors as usize),
            branches: Vec::new(),
        };
        while (tree.members.len() as u64) < actors {
            let branch = Supervisor::one_for_one()
                .max_restarts(u32::MAX)
                .within(millis(1));
            let branch = branch.start_in(system).await?;
            for _ in 0..CHILDREN_EACH.min(actors - tree.members.len() as u64) {
                let member: MemberRef = branch.start_child(Member::child()).await?.into();
                tree.members.push(member);
            }
            tree.branches.push(branch);
        }
        Ok(tree)
    }

    fn alive() -> u64 {
        BEGUN.load(SeqCst).wrapping_sub(ENDED.load(SeqCst))
    }

    pub(super) fn begun() -> u64 {
        BEGUN.load(SeqCst)
    }

    /// Blocks until as many incarnations live as there are members.
    pub(super) fn wait_until_whole(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let wanted = self.members.len() as u64;
        while Self::alive() != wanted {
            ensure!(
                begun.elapsed() < PATIENCE,
                "{} of {wanted} actors live {PATIENCE:?} after the last hit",
                Self::alive()
            );
            interrupt::pause(millis(10))?;
        }
        Ok(())
    }

    /// What is not as it was: members that do not answer, supervisors that miss children, restarts
    /// that were counted but did not happen.
    pub(super) async fn complaints(&self, system: &System) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut silent = 0u64;
        for member in &self.members {
            silent += u64::from(member.work().await.is_err());
        }
        if silent > 0 {
            complaints.push(format!("{silent} actors do not answer at their address"));
        }
        let mut children = 0;
        for branch in &self.branches {
            children += branch
                .count_children()
                .await
                .map_or(0, |counts| counts.active);
        }
        if children != self.members.len() {
            complaints.push(format!("the supervisors know of {children} children"));
        }
        let restarts = system.counters().restarts;
        let again = Self::begun() - self.members.len() as u64;
        if restarts != again {
            complaints.push(format!(
                "{restarts} restarts were counted, {again} happened"
            ));
        }
        complaints
    }
}
