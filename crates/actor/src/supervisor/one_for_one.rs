//! The strategy one_for_one: a child that ends concerns nobody but itself.
//!
//! Another strategy is another module with the same function; what they share (records, intensity,
//! stopping) lies beside them.

use vaxel_runtime::{ChildExit, Context, ExitReason};

use super::children::Phase;
use super::info::{ChildChange, ChildId};
use super::process::Supervisor;
use super::{Restart, poll};

/// An incarnation of a child has ended: start another, or let it go.
pub(super) fn child_ended(
    supervisor: &mut Supervisor,
    ChildExit {
        tag, pid, reason, ..
    }: ChildExit,
    cx: &mut Context<Supervisor>,
) {
    let id = ChildId(tag);
    // A child that was never taken in, because its name was taken, may still end.
    let Some(record) = supervisor.children.record(id) else {
        return;
    };
    let wanted = *record.phase == Phase::Live && wants_restart(record.policy.restart, &reason);
    let failed_first_start =
        *record.restarts == 0 && matches!(poll::now(record.child.started()), Some(Err(_)));
    if !wanted || failed_first_start {
        supervisor.publish(id, ChildChange::Ended { pid, reason }, cx);
        supervisor.children.let_go(id);
        return;
    }
    if supervisor
        .intensity
        .is_exceeded_at(cx.system().now().since_start())
    {
        supervisor.publish(id, ChildChange::Ended { pid, reason }, cx);
        supervisor.publish(id, ChildChange::IntensityExceeded, cx);
        supervisor.children.let_go(id);
        cx.stop_with(ExitReason::Shutdown);
        return;
    }
    *record.restarts = record.restarts.saturating_add(1);
    let restarts = *record.restarts;
    record.child.restart();
    supervisor.children.count_restart();
    supervisor.publish(
        id,
        ChildChange::Restarted {
            old: pid,
            reason,
            restarts,
        },
        cx,
    );
}

fn wants_restart(restart: Restart, reason: &ExitReason) -> bool {
    match restart {
        Restart::Permanent => true,
        Restart::Transient => reason.is_abnormal(),
        Restart::Temporary => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abnormal_ends_bring_a_transient_child_back() {
        let quiet = [
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::shutdown_with("deploy"),
        ];
        for reason in quiet {
            assert!(wants_restart(Restart::Permanent, &reason));
            assert!(!wants_restart(Restart::Transient, &reason));
            assert!(!wants_restart(Restart::Temporary, &reason));
        }
        for reason in [ExitReason::Killed, ExitReason::error("disk full")] {
            assert!(wants_restart(Restart::Transient, &reason));
            assert!(!wants_restart(Restart::Temporary, &reason));
        }
    }
}
