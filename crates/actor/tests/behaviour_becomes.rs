//! Actors that become others.

mod common;

use common::{in_system, soon};
use vaxel_actor::behaviour::{self, *};
use vaxel_actor::prelude::*;
use vaxel_actor::{Message, ReplyTo};

#[derive(Message)]
#[message(crate = vaxel_actor)]
enum Job {
    Do(u32, ReplyTo<u32>),
    Connected,
    Lost(Down),
    /// Watches another and has it crash.
    Outlive(ActorRef<Behaving<Job>>),
    Crash,
    Stop,
}

impl From<Down> for Job {
    fn from(down: Down) -> Self {
        Job::Lost(down)
    }
}

/// Keeps jobs until there is a connection.
fn connecting() -> Behaviour<Job> {
    Behaviour::new(|job, cx| match job {
        Job::Connected => {
            cx.unstash_all();
            becomes(working(0))
        }
        Job::Outlive(other) => {
            cx.monitor(&other);
            other.cast(Job::Crash).expect("there is room");
            same()
        }
        Job::Lost(down) => stop_with(down.reason),
        Job::Crash => panic!("not connected"),
        other => match cx.stash(other) {
            Ok(()) => same(),
            Err(_full) => stop(),
        },
    })
}

fn working(mut done: u32) -> Behaviour<Job> {
    Behaviour::new(move |job, _| match job {
        Job::Do(n, reply) => {
            done += 1;
            reply.send(n * 10 + done);
            same()
        }
        Job::Crash => panic!("overworked"),
        Job::Stop => stop(),
        _ => same(),
    })
}

#[test]
fn a_behaviour_becomes_another_that_handles_what_was_put_aside() {
    in_system(|_| async {
        let worker = behaviour::spawn(connecting);
        let first = worker.call_with(|reply| Job::Do(1, reply));
        let second = worker.call_with(|reply| Job::Do(2, reply));
        worker.cast(Job::Connected).expect("there is room");
        let third = worker.call_with(|reply| Job::Do(3, reply));
        assert_eq!(soon("the first", first).await, Ok(11));
        assert_eq!(soon("the second", second).await, Ok(22));
        assert_eq!(soon("the third", third).await, Ok(33));
        let exit = worker.exit();
        worker.cast(Job::Stop).expect("there is room");
        assert_eq!(soon("the end", exit).await, ExitReason::Normal);
    });
}

#[test]
fn a_behaviour_hears_downs() {
    in_system(|_| async {
        let (watcher, watched) = (behaviour::spawn(connecting), behaviour::spawn(connecting));
        let exit = watcher.exit();
        watcher.cast(Job::Outlive(watched)).expect("there is room");
        let reason = soon("the end", exit).await;
        assert!(reason.to_string().contains("not connected"), "{reason}");
    });
}

#[test]
fn a_supervised_behaviour_begins_again_with_its_first() {
    in_system(|_| async {
        let spec = behaviour::child(connecting).name("worker");
        let supervisor = soon("the start", Supervisor::one_for_one().child(spec).start()).await;
        let _supervisor = supervisor.expect("it starts");
        let worker: BehavingRef<Job> = System::current().whereis("worker").expect("it is named");
        worker.cast(Job::Connected).expect("there is room");
        worker.cast(Job::Crash).expect("there is room");
        let job = worker.call_with(|reply| Job::Do(1, reply));
        worker.cast(Job::Connected).expect("there is room");
        assert_eq!(soon("the job", job).await, Ok(11));
    });
}
