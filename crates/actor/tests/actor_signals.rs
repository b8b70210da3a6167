//! Links, trapped exits and shown states of actors that `#[actor]` wrote.

mod common;

use common::{Pen, in_system, log, soon};
use vaxel_actor::inspect::InspectError;
use vaxel_actor::prelude::*;
use vaxel_actor::{Failure, Pid};

#[derive(Debug)]
struct Fragile {
    fuse: u32,
}

#[actor(crate = vaxel_actor, debug = true)]
impl Fragile {
    fn init(fuse: u32) -> Result<Self, String> {
        if fuse == 0 {
            return Err("no fuse".to_owned());
        }
        Ok(Fragile { fuse })
    }

    #[call]
    fn fuse(&mut self) -> u32 {
        self.fuse
    }

    #[cast]
    fn stop_with(&mut self, why: &'static str, cx: &mut Context<Self>) {
        cx.stop_with(ExitReason::error(why));
    }
}

struct Guard {
    seen: Pen<(Pid, ExitReason)>,
}

#[actor(crate = vaxel_actor)]
impl Guard {
    fn init(seen: Pen<(Pid, ExitReason)>, cx: &mut Context<Self>) -> Self {
        cx.trap_exits(true);
        Guard { seen }
    }

    #[call]
    fn guard(&mut self, fuse: u32, cx: &mut Context<Self>) -> FragileRef {
        FragileRef::from(cx.spawn_link::<Fragile>(fuse))
    }

    #[info]
    fn exited(&mut self, exit: TrappedExit) {
        self.seen
            .send((exit.from, exit.reason))
            .expect("the test reads");
    }
}

#[test]
fn an_info_handles_trapped_exits() {
    let (pen, seen) = log();
    in_system(|_| async {
        let guard = Guard::spawn(pen);
        let fragile = soon("an actor", guard.guard(1)).await.expect("it spawns");
        let pid = fragile.pid();
        fragile.stop_with("burnt").expect("room");
        let (from, reason) = seen.next("the exit of a linked actor");
        assert_eq!((from, &reason), (pid, &ExitReason::error("burnt")));

        // An `init` that fails is heard of by the link, with the place at which it was written.
        let _refused = soon("an actor", guard.guard(0)).await;
        let (_, reason) = seen.next("the exit of an actor that did not start");
        let place = |failure: &Failure| failure.location().file().to_owned();
        match reason {
            ExitReason::Error(failure) => {
                assert_eq!(failure.message(), "no fuse");
                assert!(place(&failure).ends_with("actor_signals.rs"), "{failure:#}");
            }
            other => panic!("another reason: {other}"),
        }
    });
}

#[test]
fn a_state_is_shown_where_the_type_says_so() {
    let (pen, _seen) = log();
    in_system(|system| async move {
        let (fragile, guard) = (Fragile::spawn(7), Guard::spawn(pen));
        assert_eq!(soon("an answer", fragile.fuse()).await, Ok(7));
        let state = soon("a state", system.inspect().state(&fragile)).await;
        assert_eq!(state.expect("it is shown"), "Fragile {\n    fuse: 7,\n}");
        let state = soon("a state", system.inspect().state(&guard)).await;
        assert_eq!(state, Err(InspectError::Hidden));
    });
}
