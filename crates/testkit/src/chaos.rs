//! Faults at random moments.

use std::sync::Arc;

use crate::sim::{Shared, Sim};

/// Lets faults happen until it is dropped; see [`Sim::kill_at_random`].
#[must_use = "it ends when it is dropped"]
pub struct Chaos {
    shared: Arc<Shared>,
    id: u64,
}

/// What one [`Chaos`] does after one turn in `turns`.
#[derive(Clone)]
pub(crate) struct Plan {
    id: u64,
    pub(crate) turns: u64,
    pub(crate) strike: Arc<dyn Fn(&Sim) + Send + Sync>,
}

impl Chaos {
    pub(crate) fn new(sim: &Sim, turns: u64, strike: Box<dyn Fn(&Sim) + Send + Sync>) -> Self {
        let shared = sim.shared().clone();
        let mut state = shared.lock();
        let id = state.id();
        state.plans.push(Plan {
            id,
            turns: turns.max(1),
            strike: strike.into(),
        });
        drop(state);
        Self { shared, id }
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.shared.lock().plans.retain(|plan| plan.id != self.id);
    }
}

impl std::fmt::Debug for Chaos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chaos").finish_non_exhaustive()
    }
}
