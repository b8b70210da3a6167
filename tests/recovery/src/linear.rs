//! Whether a history of concurrent calls could have come about one call at a time.
//!
//! A history is linearizable when each call can be given a moment between its begin and its end so
//! that, executed at these moments, every call gives the answer it gave (Herlihy and Wing 1990).
//! The search is Wing's and Gong's: of the calls that may come next each is tried, and what has
//! been tried (which calls are done, and in what state) is not tried again, as Lowe proposes.

use std::collections::HashSet;
use std::hash::Hash;

/// What a thing does when it is asked one at a time.
pub trait Model {
    /// What it is.
    type State: Clone + Eq + Hash;
    /// What it is asked.
    type Ask;
    /// What it answers.
    type Answer: PartialEq;

    /// What it is at first.
    fn begin() -> Self::State;

    /// What it answers, and is from then on.
    fn apply(state: &Self::State, ask: &Self::Ask) -> (Self::State, Self::Answer);
}

/// A call in a history. Calls that certainly had no effect do not belong into one.
#[derive(Debug, Clone)]
pub struct Call<K, A> {
    /// What was asked.
    pub ask: K,
    /// When, on a clock that all callers share and that never answers twice the same.
    pub begun: u64,
    /// When there was an answer, and which. `None` when there was none: it may have had its
    /// effect at any time from its begin on, or never.
    pub ended: Option<(u64, A)>,
}

/// Which calls are done, a bit for each.
type Done = Vec<u64>;

fn is_done(done: &Done, call: usize) -> bool {
    done[call / 64] & (1 << (call % 64)) != 0
}

/// Whether the history is linearizable.
pub fn is_linearizable<M: Model>(history: &[Call<M::Ask, M::Answer>]) -> bool {
    let nothing: Done = vec![0; history.len().div_ceil(64)];
    let mut open = vec![(nothing, M::begin())];
    let mut tried = HashSet::new();
    while let Some((done, state)) = open.pop() {
        if !tried.insert((done.clone(), state.clone())) {
            continue;
        }
        let left = || (0..history.len()).filter(|call| !is_done(&done, *call));
        // Nobody may come after a call that had ended before it began.
        let ends = left().filter_map(|call| Some(history[call].ended.as_ref()?.0));
        let Some(first_end) = ends.min() else {
            return true;
        };
        for call in left().filter(|call| history[*call].begun < first_end) {
            let (state, answer) = M::apply(&state, &history[call].ask);
            let ended = history[call].ended.as_ref();
            if ended.is_none_or(|(_, given)| *given == answer) {
                let mut done = done.clone();
                done[call / 64] |= 1 << (call % 64);
                open.push((done, state));
            }
        }
    }
    false
}
