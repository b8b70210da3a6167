//! What a supervisor of either kind can be asked about its children.

use vaxel_runtime::{Message, Recipient};

use super::info::{ChildCounts, ChildEvent, ChildInfo, ChildKey};

pub(super) struct CountChildren;

impl Message for CountChildren {
    type Reply = ChildCounts;
}

pub(super) struct WhichChildren {
    pub(super) limit: usize,
}

impl Message for WhichChildren {
    type Reply = Vec<ChildInfo>;
}

pub(super) struct FindChild(pub(super) ChildKey);

impl Message for FindChild {
    type Reply = Option<ChildInfo>;
}

/// False: there are as many subscribers as there may be.
pub(super) struct Subscribe(pub(super) Recipient<ChildEvent>);

impl Message for Subscribe {
    type Reply = bool;
}
