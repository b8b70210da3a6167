//! What agents promise: order, crashes that stay theirs, restarts, limits and bounds.

mod common;

use std::sync::mpsc::sync_channel;

use common::{in_timeless_system, log, soon};
use vaxel_actor::agent::{Agent, AgentRef};
use vaxel_actor::prelude::*;

#[test]
fn closures_run_in_the_order_in_which_they_were_sent() {
    in_timeless_system(|_| async {
        let agent = Agent::spawn(Vec::new);
        agent.cast(|list| list.push(1)).expect("room");
        let two = agent.update(|list| list.push(2));
        let three = agent.get_and_update(|list| {
            list.push(3);
            list.len()
        });
        let seen = agent.get(Vec::clone);
        agent.cast(|list| list.push(4)).expect("room");
        // Sent when they were made, whenever they are awaited.
        assert_eq!(soon("the state", seen).await, Ok(vec![1, 2, 3]));
        assert_eq!(soon("an answer", three).await, Ok(3));
        assert_eq!(soon("an answer", two).await, Ok(()));
        assert_eq!(soon("the state", agent.get(Vec::len)).await, Ok(4));
    });
}

#[test]
fn a_closure_that_panics_crashes_the_agent_alone() {
    in_timeless_system(|_| async {
        let (agent, other) = (Agent::spawn(|| 1), Agent::spawn(|| 2));
        let crash = soon("a crash", agent.update(|_| panic!("bad closure"))).await;
        match crash {
            Err(CallError::Crashed(ExitReason::Panic(crash))) => {
                assert_eq!(crash.message, "bad closure");
                assert!(crash.location.contains("agent_state.rs:"), "{crash}");
            }
            other => panic!("{other:?}"),
        }
        assert!(soon("an end", agent.get(|n| *n)).await.is_err());
        assert!(agent.cast(|n| *n += 1).is_err());
        assert_eq!(soon("the state", other.get(|n| *n)).await, Ok(2));
    });
}

#[test]
fn a_supervised_agent_starts_again_with_its_first_state_and_its_name() {
    in_timeless_system(|_| async {
        let child = Agent::child(|| 10).name("agent");
        let supervisor = Supervisor::one_for_one().child(child).start().await;
        let supervisor = supervisor.expect("it starts");
        let agent = AgentRef::<i32>::whereis("agent").expect("a name");
        assert_eq!(AgentRef::<u8>::whereis("agent"), None, "another state");
        soon("an answer", agent.update(|n| *n += 1))
            .await
            .expect("it lives");
        agent.cast(|_| panic!("bad closure")).expect("room");
        // Waits for the restart in the mailbox, at the same address.
        assert_eq!(soon("the state", agent.get(|n| *n)).await, Ok(10));
        assert_eq!(AgentRef::whereis("agent").as_ref(), Some(&agent));
        drop(supervisor);
    });
}

#[test]
fn a_call_has_a_limit_and_its_closure_runs_all_the_same() {
    in_timeless_system(|system| async move {
        let agent = Agent::spawn(|| 0);
        let (inside, begun) = log();
        let (release, wait) = sync_channel::<()>(1);
        agent
            .cast(move |_| {
                inside.send(()).expect("the test reads");
                wait.recv().expect("the test lets go");
            })
            .expect("room");
        begun.next("the closure");
        let mut late = Box::pin(agent.update(|n| *n += 1).timeout(millis(10)));
        assert!(
            std::future::poll_fn(|cx| {
                std::task::Poll::Ready(late.as_mut().poll(cx).is_pending())
            })
            .await
        );
        system.advance(millis(20));
        assert_eq!(soon("the limit", late).await, Err(CallError::Timeout));
        release.send(()).expect("the closure waits");
        assert_eq!(soon("the state", agent.get(|n| *n)).await, Ok(1));
    });
}

#[test]
fn more_closures_than_may_wait_are_given_back() {
    in_timeless_system(|_| async {
        let agent = Agent::spawn(|| 0_u32);
        let (inside, begun) = log();
        let (release, wait) = sync_channel::<()>(1);
        agent
            .cast(move |_| {
                inside.send(()).expect("the test reads");
                wait.recv().expect("the test lets go");
            })
            .expect("room");
        begun.next("the closure");
        let mut sent = 0;
        let refused = loop {
            match agent.cast(|n| *n += 1) {
                Ok(()) => sent += 1,
                Err(refused) => break refused,
            }
            assert!(sent <= 2 * Mailbox::DEFAULT_CAPACITY, "there is a bound");
        };
        assert!(refused.is_full());
        let mut kept = 41;
        refused.into_message()(&mut kept);
        assert_eq!(kept, 42);
        release.send(()).expect("the closure waits");
        // Room again once a worker has taken what waits.
        while agent.mailbox_len() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(soon("the state", agent.get(|n| *n)).await, Ok(sent));
    });
}

/// Has an agent of its own.
struct Owner;

#[actor(crate = vaxel_actor)]
impl Owner {
    fn init() -> Self {
        Owner
    }

    #[call]
    fn agent(&mut self, cx: &mut Context<Self>) -> AgentRef<u32> {
        Agent::linked(cx, || 5)
    }
}

#[test]
fn a_linked_agent_and_its_owner_end_together() {
    in_timeless_system(|_| async {
        let owner = Owner::spawn();
        let agent = soon("an agent", owner.agent()).await.expect("it spawns");
        assert_eq!(soon("the state", agent.get(|n| *n)).await, Ok(5));
        let (ended, owner_ended) = (agent.exit(), owner.exit());
        agent.cast(|_| panic!("bad closure")).expect("room");
        let reason = soon("the agent's end", ended).await;
        assert_eq!(soon("the owner's end", owner_ended).await, reason);

        let owner = Owner::spawn();
        let agent = soon("an agent", owner.agent()).await.expect("it spawns");
        let ended = agent.exit();
        owner.kill();
        assert_eq!(soon("the agent's end", ended).await, ExitReason::Killed);
    });
}
