//! An actor system beside a tokio runtime.
//!
//! Workers enter the runtime for as long as they live, so `tokio::time::sleep`, `tokio::spawn`,
//! sockets and database drivers work inside handlers: the driver runs on tokio's threads and wakes
//! the actor on ours. tokio's cooperative budget does not apply to handlers; the turn budget of
//! the actor's worker does.

use tokio::runtime::Handle;
use vaxel_runtime::{Event, System, SystemBuilder};

/// Begins a system whose workers are inside the runtime of `handle`, and whose events go to
/// `tracing`.
///
/// The runtime must outlive the system: shut the system down first. The builder's own
/// `around_worker` would replace the runtime's context.
pub fn system_beside(handle: &Handle) -> SystemBuilder {
    let handle = handle.clone();
    System::builder()
        .around_worker(move |work| {
            let _inside = handle.enter();
            work();
        })
        .on_event(log)
}

/// As [`system_beside`], with something more around every thread of the system.
pub(crate) fn system_within(
    handle: &Handle,
    around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
) -> SystemBuilder {
    let handle = handle.clone();
    system_beside(&handle.clone()).around_worker(move |work| {
        let _inside = handle.enter();
        around(work);
    })
}

/// Writes a line per event; texts from user code are bounded by the runtime.
fn log(event: &Event) {
    match event {
        Event::ActorCrashed { actor, pid, reason } => {
            tracing::error!(target: "vaxel", actor, ?pid, %reason, "actor crashed");
        }
        Event::HandlerStuck {
            worker,
            actor,
            message,
            replaced,
        } => {
            tracing::warn!(
                target: "vaxel",
                actor,
                message,
                worker,
                replaced,
                "handler does not return, its worker was replaced"
            );
        }
        other => tracing::info!(target: "vaxel", event = ?other, "system event"),
    }
}
