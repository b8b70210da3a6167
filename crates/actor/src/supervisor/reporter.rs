//! Whom a supervisor tells what: its subscribers, and the event hook of its system.

use std::sync::Arc;

use vaxel_runtime::{
    Actor, Context, Event, ExitReason, Pid, Recipient, ReportContext, SendError, SupervisorReport,
};

use super::info::{ChildChange, ChildEvent, ChildId};

/// More subscribers than this are refused, so that a change costs a bounded time.
pub(super) const SUBSCRIBERS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Reporter {
    subscribers: Vec<Recipient<ChildEvent>>,
}

impl Reporter {
    /// False: there are too many already.
    pub(super) fn subscribe(&mut self, to: Recipient<ChildEvent>) -> bool {
        let has_room = self.subscribers.len() < SUBSCRIBERS_MAX;
        if has_room {
            self.subscribers.push(to);
        }
        has_room
    }

    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Tells every subscriber who has room; who has ended is forgotten.
    pub(super) fn publish<S: Actor>(
        &mut self,
        cx: &Context<S>,
        child: ChildId,
        name: Option<Arc<str>>,
        change: ChildChange,
    ) {
        if self.subscribers.is_empty() {
            return;
        }
        let event = ChildEvent {
            supervisor: cx.pid(),
            child,
            name,
            change,
        };
        self.subscribers
            .retain(|to| !matches!(to.cast(event.clone()), Err(SendError::Closed(_))));
    }
}

/// One supervisor report, to the event hook.
pub(super) fn report<S: Actor>(
    cx: &Context<S>,
    context: ReportContext,
    child: Arc<str>,
    pid: Option<Pid>,
    reason: &ExitReason,
) {
    let report = SupervisorReport::new(cx.pid(), context, child, pid, reason);
    cx.system().emit(&Event::Supervisor(report));
}
