//! The strategy one_for_one: a child that ends concerns nobody but itself.

use std::time::Duration;

use vaxel_runtime::Context;

use super::Supervisor;
use super::info::{ChildChange, ChildId};
use super::process::{Resume, TryAgain};

/// Starts a child again in place, with the mail that waits, now or when its delay is over. Its
/// supervisor does not wait for its `init`; should that fail, that is another end.
pub(super) fn restart(
    supervisor: &mut Supervisor,
    id: ChildId,
    delay: Duration,
    cx: &mut Context<Supervisor>,
) {
    if delay.is_zero() {
        start(supervisor, id, cx);
    } else {
        wait(supervisor, id, delay, cx);
    }
}

/// Leaves a child down for a while.
pub(super) fn wait(
    supervisor: &mut Supervisor,
    id: ChildId,
    delay: Duration,
    cx: &mut Context<Supervisor>,
) {
    let token = supervisor.token();
    let Some(member) = supervisor.members.get_mut(id) else {
        return;
    };
    member.retry = Some(token);
    let fault = member.fault.clone();
    cx.send_after(delay, Resume { id, token });
    if let Some((pid, reason)) = fault {
        let change = ChildChange::Delayed { pid, reason, delay };
        supervisor.publish(id, change, cx);
    }
}

pub(super) fn start(supervisor: &mut Supervisor, id: ChildId, cx: &mut Context<Supervisor>) {
    match supervisor.begin(id, cx) {
        Ok(_) => started(supervisor, id, cx),
        Err(_) => try_again(supervisor, id, cx),
    }
}

/// Counts and tells a restart.
pub(super) fn started(supervisor: &mut Supervisor, id: ChildId, cx: &Context<Supervisor>) {
    let restarts = supervisor.members.count_restart(id);
    let fault = supervisor
        .members
        .get_mut(id)
        .and_then(|member| member.fault.take());
    if let Some((old, reason)) = fault {
        let change = ChildChange::Restarted {
            old,
            reason,
            restarts,
        };
        supervisor.publish(id, change, cx);
    }
}

/// A child could not be started: it is tried again, after whatever else waits for its supervisor,
/// so that a stop gets through.
pub(super) fn try_again(supervisor: &mut Supervisor, id: ChildId, cx: &mut Context<Supervisor>) {
    let token = supervisor.token();
    let Some(member) = supervisor.members.get_mut(id) else {
        return;
    };
    member.retry = Some(token);
    if cx.me().cast(TryAgain { id, token }).is_err() {
        // Its own mailbox is full; a timer's message is exempt from the bound.
        cx.send_after(Duration::from_millis(1), TryAgain { id, token });
    }
}
