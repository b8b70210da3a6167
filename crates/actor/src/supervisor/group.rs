//! The strategies one_for_all and rest_for_one: a child that ends takes its group with it.
//!
//! The group of one_for_all is all children, that of rest_for_one the child and those after it:
//! both are everything from some child on, to the right. The others of the group are stopped from
//! right to left, each by its own terms; then the group is started from left to right, each child
//! when the one before has finished its `init`. Temporary children are stopped and forgotten.
//! Children of the group that were at rest are started as well, as in OTP.
//!
//! Addresses stay, but mail that waits fails with the reason of the end: it was meant for a state
//! that is gone.
//!
//! If a start fails, those started before live on, and the child that failed is tried again, which
//! counts as another restart.

use std::time::Duration;

use vaxel_runtime::Context;

use super::info::{ChildChange, ChildId};
use super::members::Life;
use super::spec::Restart;
use super::stopping::Gone;
use super::{Supervisor, one_for_one};

/// Stops the group of a child that has ended, and starts it, now or when the child's delay is over.
pub(super) async fn restart(
    supervisor: &mut Supervisor,
    ended: ChildId,
    from: ChildId,
    delay: Duration,
    cx: &mut Context<Supervisor>,
) {
    for id in supervisor.members.ids(from..).into_iter().rev() {
        if id != ended {
            stop(supervisor, id, cx).await;
        }
        fail_mail(supervisor, id);
    }
    if delay.is_zero() {
        start(supervisor, from, cx).await;
    } else {
        one_for_one::wait(supervisor, ended, delay, cx);
    }
}

async fn stop(supervisor: &mut Supervisor, id: ChildId, cx: &Context<Supervisor>) {
    let Some(member) = supervisor.members.get_mut(id) else {
        return;
    };
    member.retry = None;
    let is_temporary = member.spec.policy().restart == Restart::Temporary;
    let pid = member.life.pid();
    let gone = supervisor.stop(id, cx).await;
    let reason = match gone {
        Some(Gone::For(reason)) => Some(reason),
        Some(Gone::Before) => Some(vaxel_runtime::ExitReason::NoProcess),
        Some(Gone::Never) => Some(vaxel_runtime::ExitReason::Killed),
        None => None,
    };
    let fault = pid.zip(reason);
    if is_temporary {
        if let Some((pid, reason)) = fault {
            supervisor.publish(id, ChildChange::Ended { pid, reason }, cx);
        }
        supervisor.members.remove(id);
    } else if let Some(member) = supervisor.members.get_mut(id) {
        member.tell_waiting();
        member.fault = fault.or(member.fault.take());
    }
}

fn fail_mail(supervisor: &mut Supervisor, id: ChildId) {
    let member = supervisor.members.get_mut(id);
    if let Some(Life::Vacant { child }) = member.map(|member| &member.life) {
        child.fail_mail();
    }
}

/// Starts those of the group that do not live, from left to right.
pub(super) async fn start(
    supervisor: &mut Supervisor,
    from: ChildId,
    cx: &mut Context<Supervisor>,
) {
    for id in supervisor.members.ids(from..) {
        let lives = |life: &Life| matches!(life, Life::Live { .. } | Life::Stopping { .. });
        if supervisor
            .members
            .get_mut(id)
            .is_none_or(|member| lives(&member.life))
        {
            continue;
        }
        match supervisor.start_and_wait(id, cx).await {
            Ok(_) => one_for_one::started(supervisor, id, cx),
            Err(failed) => {
                let reason = failed.reason;
                supervisor.publish(id, ChildChange::StartFailed { reason }, cx);
                one_for_one::try_again(supervisor, id, cx);
                return;
            }
        }
    }
}
