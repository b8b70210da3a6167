//! Stopping many children side by side.

use vaxel_runtime::{Child, Context, Exit, ExitReason, ReportContext, Time, time};

use super::DynamicSupervisor;
use super::children::{Children, Departing};
use crate::supervisor::reporter::report;
use crate::supervisor::spec::{Policy, Shutdown};
use crate::supervisor::stopping::{KILL_LIMIT, declared_dead};

/// A child on its way out.
struct Leaving {
    child: Child,
    exit: Exit,
    policy: u16,
}

/// Stops all children: each is asked at the same time and killed when its own time is up. Those
/// that outlast even that are declared dead.
pub(super) async fn stop_all(children: &mut Children, cx: &Context<DynamicSupervisor>) {
    let begun = cx.system().now();
    let Departing { policies, children } = children.take();
    let mut leaving: Vec<Leaving> = children
        .map(|(child, policy)| ask(child, policy, policies[policy as usize].shutdown))
        .collect();
    // The most impatient first, so that nobody is waited for beyond another's time.
    leaving.sort_by_key(|leaving| patience(policies[leaving.policy as usize].shutdown));
    let mut killed = Vec::new();
    let mut patient = Vec::new();
    for mut leaving in leaving {
        let policy = &policies[leaving.policy as usize];
        let deadline = match policy.shutdown {
            Shutdown::Unlimited => {
                patient.push(leaving);
                continue;
            }
            Shutdown::Limit(limit) => begun + limit,
            Shutdown::Kill => begun + KILL_LIMIT,
        };
        match until(deadline, &mut leaving.exit, cx).await {
            Some(reason) => ended(policy, &reason, cx),
            None => {
                leaving.child.kill();
                killed.push(leaving);
            }
        }
    }
    let deadline = cx.system().now() + KILL_LIMIT;
    for mut leaving in killed {
        let policy = &policies[leaving.policy as usize];
        match until(deadline, &mut leaving.exit, cx).await {
            Some(reason) => ended(policy, &reason, cx),
            None => {
                ended(policy, &declared_dead(), cx);
                leaving.child.abandon();
            }
        }
    }
    for leaving in patient {
        let reason = leaving.exit.await;
        ended(&policies[leaving.policy as usize], &reason, cx);
    }
}

/// Closes a child: it is asked to stop if it lives, and ends for good if it has crashed and nobody
/// has looked at that yet.
fn ask(child: Child, policy: u16, shutdown: Shutdown) -> Leaving {
    let exit = child.exit();
    if shutdown == Shutdown::Kill {
        child.kill();
    }
    child.begin_close();
    Leaving {
        child,
        exit,
        policy,
    }
}

fn patience(shutdown: Shutdown) -> std::time::Duration {
    match shutdown {
        Shutdown::Kill => std::time::Duration::ZERO,
        Shutdown::Limit(limit) => limit,
        Shutdown::Unlimited => std::time::Duration::MAX,
    }
}

async fn until(
    deadline: Time,
    exit: &mut Exit,
    cx: &Context<DynamicSupervisor>,
) -> Option<ExitReason> {
    let left = deadline.since(cx.system().now());
    time::timeout(left, exit).await.ok()
}

fn ended(policy: &Policy, reason: &ExitReason, cx: &Context<DynamicSupervisor>) {
    if !policy.is_orderly(reason) {
        report(
            cx,
            ReportContext::ShutdownError,
            policy.actor.into(),
            None,
            reason,
        );
    }
}
