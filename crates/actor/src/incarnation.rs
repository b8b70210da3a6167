//! Being told of the end of an incarnation without an actor or a task that waits for it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use vaxel_runtime::{AnyRef, Pid};

/// Runs `then` when the incarnation `pid` of `actor` is over, at once if it is: on the thread that
/// ends it, after its state has been dropped. It may run twice, must be quick, and must not wait.
///
/// A future that is polled once and dropped leaves its waker with the actor, and waking is all that
/// is needed: the reason is not asked for.
pub(crate) fn when_over(actor: &AnyRef, pid: Pid, then: impl Fn() + Send + Sync + 'static) {
    let hook = Arc::new(Hook(then));
    let exit = actor.exit();
    // The wish is about whichever incarnation lived a moment ago. Pids are never used again, so if
    // this one lives now it was the one.
    if actor.pid() != pid {
        (hook.0)();
        return;
    }
    let waker = Waker::from(hook.clone());
    let is_over = pin!(exit).poll(&mut Context::from_waker(&waker)).is_ready();
    if is_over {
        (hook.0)();
    }
}

struct Hook<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Hook<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        (self.0)();
    }
}
