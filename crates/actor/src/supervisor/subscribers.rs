//! Who hears of changes among a supervisor's children.

use vaxel_runtime::{Recipient, SendError};

use super::info::ChildEvent;

/// More subscribers than this are refused, so that a change costs a bounded time.
pub(super) const SUBSCRIBERS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Subscribers(Vec<Recipient<ChildEvent>>);

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// False: there are too many already.
    pub(super) fn add(&mut self, to: Recipient<ChildEvent>) -> bool {
        let has_room = self.0.len() < SUBSCRIBERS_MAX;
        if has_room {
            self.0.push(to);
        }
        has_room
    }

    /// Tells everyone who has room; who has ended is forgotten.
    pub(super) fn tell(&mut self, event: &ChildEvent) {
        self.0
            .retain(|to| !matches!(to.cast(event.clone()), Err(SendError::Closed(_))));
    }
}
