//! The scheduler's choices: where the runtime could go on in more than one way, it asks here.
//!
//! Today that is where a worker begins to look for others' work. One module, so that a test
//! scheduler can answer instead.

use crate::random::Random;
use std::cell::RefCell;

pub(crate) struct Choice(RefCell<Random>);

impl Choice {
    pub(crate) fn new(random: Random) -> Self {
        Self(RefCell::new(random))
    }

    /// One of `0..bound`; zero when there is nothing to choose.
    pub(crate) fn below(&self, bound: usize) -> usize {
        self.0.borrow_mut().below(bound as u64) as usize
    }
}
