//! Going through the table of pids without stopping it.

use super::{Pid, Pids, STRIPES};
use crate::cell::Header;

/// Entries looked at under one hold of a lock.
const HOLD: u32 = 256;

impl Pids {
    /// Looks at every incarnation from there on, at no more than `entries_max` entries, until
    /// `look` says no. Where to go on; `None` at the end.
    pub(crate) fn look_through(
        &self,
        from: u64,
        entries_max: usize,
        mut look: impl FnMut(&Header, Pid) -> bool,
    ) -> Option<u64> {
        let (mut home, mut index) = ((from >> 32) as usize, from as u32);
        let mut entries = 0;
        while home < STRIPES {
            let stripe = self.stripe(home);
            let until = stripe.end().min(index.saturating_add(HOLD));
            while index < until {
                let entry = stripe.entry(index);
                let slot = index * STRIPES as u32 + home as u32 + 1;
                (index, entries) = (index + 1, entries + 1);
                if let Some((cell, generation)) = entry {
                    let pid = Pid {
                        node: 0,
                        slot,
                        generation,
                    };
                    // SAFETY: an entry is released under this lock before its cell can be freed.
                    if !look(unsafe { cell.as_ref() }, pid) {
                        return Some((home as u64) << 32 | u64::from(index));
                    }
                }
            }
            if index >= stripe.end() {
                (home, index) = (home + 1, 0);
            }
            if entries >= entries_max {
                break;
            }
        }
        (home < STRIPES).then_some((home as u64) << 32 | u64::from(index))
    }
}
