//! Supervisors and event managers trap exits, as in OTP: they end with their parent and with nobody
//! else.

mod common;

use std::sync::mpsc::SyncSender;

use common::worker::{Terminate, lines, worker};
use common::{in_system, log, soon};
use vaxel_actor::AnyRef;
use vaxel_actor::event_manager::{EventHandler, EventManager, Next, Removal};
use vaxel_actor::prelude::*;
use vaxel_actor::task::TaskSupervisor;

/// Links itself to another actor.
struct Kin;

impl Actor for Kin {
    type Args = AnyRef;

    async fn init(other: AnyRef, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        cx.link(&other);
        Ok(Kin)
    }
}

/// Spawns others with a link.
struct Parent;

type Birth = Box<dyn FnOnce(&mut Context<Parent>) + Send>;

impl Actor for Parent {
    type Args = Birth;

    async fn init(birth: Birth, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        birth(cx);
        Ok(Parent)
    }
}

/// Who is linked to it ends, and somebody sends it an exit; it lives.
async fn outlives_strangers(system: &System, actor: &AnyRef) {
    let reason = ExitReason::error("boom");
    let kin = system.spawn::<Kin>(actor.clone());
    let exit = kin.exit();
    kin.exit_with(reason.clone());
    assert_eq!(soon("the end of its kin", exit).await, reason);
    let sent = actor.clone();
    let stranger = system.spawn::<Parent>(Box::new(move |cx| {
        cx.exit(&sent, ExitReason::Shutdown);
    }));
    let exit = stranger.exit();
    stranger.stop();
    soon("the end of a stranger", exit).await;
    // Both signals are in its mail, ahead of this question.
    let told = soon("a description", system.inspect().describe(actor)).await;
    let told = told.expect("it lives");
    assert!(told.summary.traps_exits && !told.is_stopping);
    assert!(actor.is_alive());
}

#[test]
fn who_is_linked_to_a_supervisor_or_a_manager_does_not_take_it_along() {
    in_system(|system| async move {
        let tree = soon("the start", Supervisor::one_for_one().start()).await;
        let tree = tree.expect("it starts");
        outlives_strangers(&system, &tree.erase()).await;
        let dynamic = soon("the start", Supervisor::dynamic().start()).await;
        let dynamic = dynamic.expect("it starts");
        outlives_strangers(&system, &dynamic.erase()).await;
        let tasks = TaskSupervisor::builder().spawn();
        outlives_strangers(&system, &tasks.erase()).await;
        let manager = EventManager::<()>::spawn();
        outlives_strangers(&system, &manager.erase()).await;
        // What comes from no actor is obeyed.
        let exit = manager.exit();
        manager.exit_with(ExitReason::shutdown_with("deploy"));
        let reason = soon("the end", exit).await;
        assert_eq!(reason, ExitReason::shutdown_with("deploy"));
    });
}

#[test]
fn a_supervisor_stops_its_children_in_order_when_its_parent_ends() {
    in_system(|system| async move {
        let (pen, log) = log();
        let (born, tree) = std::sync::mpsc::sync_channel(1);
        let children = Supervisor::one_for_one()
            .child(worker("a", &pen))
            .child(worker("b", &pen));
        let parent = system.spawn::<Parent>(Box::new(move |cx| {
            let tree = cx.spawn_link::<Supervisor>(children);
            born.send(tree.erase()).expect("the test reads");
        }));
        let tree: AnyRef = tree.recv_timeout(common::PATIENCE).expect("it is spawned");
        lines(&log, 2);
        let exit = tree.exit();
        parent.exit_with(ExitReason::error("boom"));
        let reason = soon("the end of the tree", exit).await;
        assert_eq!(reason, ExitReason::error("boom"));
        let ended: Vec<_> = log.rest();
        let stops = ended.iter().filter(|line| matches!(line, Terminate(_)));
        assert!(stops.eq(&[Terminate("b"), Terminate("a")]), "{ended:?}");
    });
}

/// Says why it ends.
struct Witness(SyncSender<Removal>);

impl EventHandler<()> for Witness {
    type Output = ();

    fn handle_event(&mut self, (): &()) -> Next<(), Self> {
        Next::keep()
    }

    fn terminate(self, reason: &Removal) {
        self.0.send(reason.clone()).expect("the test reads");
    }
}

#[test]
fn the_handlers_of_a_manager_are_told_when_its_parent_ends() {
    in_system(|system| async move {
        let (pen, log) = log();
        let (born, manager) = std::sync::mpsc::sync_channel(1);
        let parent = system.spawn::<Parent>(Box::new(move |cx| {
            let manager = cx.spawn_link::<EventManager<()>>(());
            born.send(manager).expect("the test reads");
        }));
        let manager = manager.recv_timeout(common::PATIENCE).expect("a manager");
        let manager = vaxel_actor::EventManagerRef::from(manager);
        let added = manager.add_handler("witness", Witness(pen));
        assert_eq!(soon("the handler", added).await, Ok(()));
        let exit = manager.exit();
        parent.stop();
        assert_eq!(soon("the end", exit).await, ExitReason::Normal);
        let told = log.next("the reason");
        assert_eq!(told, Removal::Stopped(ExitReason::Normal));
    });
}
