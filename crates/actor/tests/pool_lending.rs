//! What a pool promises: one holder at a time, and that every worker comes back.

mod common;

use common::{in_system, in_timeless_system, soon};
use tokio::sync::oneshot;
use vaxel_actor::TimeLimit;
use vaxel_actor::pool::{CheckOutError, CheckedOut, Order, Pool, PoolBuilder};
use vaxel_actor::prelude::*;

/// The scarce thing.
struct Line {
    uses: u32,
}

#[actor(crate = vaxel_actor)]
impl Line {
    fn init() -> Self {
        Line { uses: 0 }
    }

    #[call]
    fn dial(&mut self) -> u32 {
        self.uses += 1;
        self.uses
    }

    #[call]
    fn pid(&mut self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }

    #[call]
    fn crash(&mut self) -> u32 {
        panic!("asked to crash");
    }
}

/// Borrows a line, and ends before it gives it back.
struct Holder {
    held: Option<CheckedOut<LineRef>>,
}

#[actor(crate = vaxel_actor)]
impl Holder {
    fn init() -> Self {
        Holder { held: None }
    }

    #[call]
    async fn borrow(&mut self, lines: Pool<LineRef>) -> Result<u32, CheckOutError> {
        let line = lines.check_out().await?;
        let uses = line.dial().await.unwrap_or(0);
        self.held = Some(line);
        Ok(uses)
    }

    /// Borrows one for the length of a handler that never ends.
    #[call]
    async fn hang(&mut self, lines: Pool<LineRef>, begun: oneshot::Sender<()>) -> Option<u32> {
        let work = async |line: &LineRef| {
            let uses = line.dial().await;
            let _ = begun.send(());
            std::future::pending::<()>().await;
            uses.ok()
        };
        lines.transaction(work).await.ok()?
    }

    #[cast]
    fn crash(&mut self) {
        panic!("asked to crash");
    }
}

async fn started(builder: PoolBuilder<LineRef>) -> (Pool<LineRef>, SupervisorRef) {
    let pool = builder.build();
    let tree = Supervisor::one_for_one().child(pool.supervise(Line::child()));
    let tree = soon("the start", tree.start()).await.expect("it starts");
    (pool, tree)
}

/// Idle, busy, overflow, waiting.
fn figures(pool: &Pool<LineRef>) -> (usize, usize, usize, usize) {
    let status = pool.status();
    (status.idle, status.busy, status.overflow, status.waiting)
}

async fn until_figures(pool: &Pool<LineRef>, expected: (usize, usize, usize, usize)) {
    let reached = async {
        while figures(pool) != expected {
            tokio::task::yield_now().await;
        }
    };
    soon(
        &format!("{expected:?}, and not {:?}", figures(pool)),
        reached,
    )
    .await;
}

async fn check_out(pool: &Pool<LineRef>) -> CheckedOut<LineRef> {
    let line = soon("a line", pool.check_out()).await;
    line.expect("there is one")
}

#[test]
fn a_pool_that_was_not_started_says_so() {
    in_system(|_| async {
        let pool: Pool<LineRef> = Pool::new();
        assert_eq!(pool.check_out().await.err(), Some(CheckOutError::Closed));
        assert_eq!(pool.try_check_out().err(), Some(CheckOutError::Closed));
    });
}

#[test]
fn a_worker_has_one_holder_at_a_time_and_overflow_workers_stop_again() {
    in_system(|_| async {
        let (pool, _tree) = started(Pool::builder().size(2).max_overflow(1)).await;
        let (one, two) = (check_out(&pool).await, check_out(&pool).await);
        assert_ne!(*one, *two);
        assert_eq!(figures(&pool), (0, 2, 0, 0));
        assert_eq!(pool.try_check_out().err(), Some(CheckOutError::Full));
        let three = check_out(&pool).await;
        assert_eq!(figures(&pool), (0, 3, 1, 0));
        assert_eq!(soon("an answer", three.dial()).await, Ok(1));
        let exit = three.exit();
        three.check_in();
        assert_eq!(soon("its end", exit).await, ExitReason::Normal);
        assert_eq!(figures(&pool), (0, 2, 0, 0));
        drop((one, two));
        assert_eq!(figures(&pool), (2, 0, 0, 0));
    });
}

#[test]
fn those_that_wait_are_served_in_their_order_and_no_more_than_may() {
    for (order, expected) in [(Order::Fifo, [0, 1, 2]), (Order::Lifo, [2, 1, 0])] {
        in_system(|_| async move {
            let builder = Pool::builder().size(1).max_overflow(0);
            let (pool, _tree) = started(builder.waiting_order(order).waiting_max(3)).await;
            let held = check_out(&pool).await;
            let (tell, mut told) = tokio::sync::mpsc::channel(3);
            for n in 0..3 {
                let (waiting, tell) = (pool.clone(), tell.clone());
                tokio::spawn(async move {
                    let line = waiting.check_out().await;
                    let _ = tell.try_send((n, line.is_ok()));
                });
                until_figures(&pool, (0, 1, 0, n + 1)).await;
            }
            let crowded = soon("the refusal", pool.check_out()).await;
            assert_eq!(crowded.err(), Some(CheckOutError::Full));
            drop(held);
            for n in expected {
                let served = soon("one that waits", told.recv()).await;
                assert_eq!(served, Some((n, true)));
            }
            until_figures(&pool, (1, 0, 0, 0)).await;
        });
    }
}

#[test]
fn a_wait_ends_in_time_and_leaves_no_place_behind() {
    in_timeless_system(|system| async move {
        let (pool, _tree) = started(Pool::builder().size(1).max_overflow(0)).await;
        let held = check_out(&pool).await;
        let waiting = pool.clone();
        let waiting = tokio::spawn(async move { waiting.check_out().await.err() });
        until_figures(&pool, (0, 1, 0, 1)).await;
        system.advance(millis(4_999));
        assert_eq!(figures(&pool), (0, 1, 0, 1));
        system.advance(millis(1));
        let timeout = soon("the limit", waiting).await.expect("no panic");
        assert_eq!(timeout, Some(CheckOutError::Timeout));
        assert_eq!(figures(&pool), (0, 1, 0, 0));
        let past = pool.check_out_within(system.now());
        assert_eq!(
            soon("the limit", past).await.err(),
            Some(CheckOutError::Timeout)
        );
        // Who gives up after the worker was given to it hands it back.
        let waiting = pool.clone();
        let mut given_up =
            Box::pin(async move { waiting.check_out_within(TimeLimit::Unlimited).await });
        let first = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(given_up.as_mut().poll(cx).is_pending())
        });
        assert!(first.await);
        drop(held);
        assert_eq!(
            figures(&pool),
            (0, 1, 0, 0),
            "it has been given to who waits"
        );
        drop(given_up);
        assert_eq!(figures(&pool), (1, 0, 0, 0));
    });
}

#[test]
fn the_worker_of_a_holder_that_crashes_or_is_killed_comes_back() {
    in_system(|_| async {
        let (pool, _tree) = started(Pool::builder().size(1).max_overflow(0)).await;
        for n in 1..=3 {
            let holder = Holder::spawn();
            let uses = soon("a line", holder.borrow(pool.clone())).await;
            assert_eq!(uses, Ok(2 * n - 1));
            assert_eq!(figures(&pool), (0, 1, 0, 0));
            holder.crash().expect("its mailbox has room");
            until_figures(&pool, (1, 0, 0, 0)).await;
            let holder = Holder::spawn();
            let (begun, begins) = oneshot::channel();
            let hanging = holder.hang(pool.clone(), begun);
            soon("the handler", begins).await.expect("it begins");
            holder.kill();
            let killed = soon("its end", hanging).await;
            assert_eq!(killed, Err(CallError::Crashed(ExitReason::Killed)));
            until_figures(&pool, (1, 0, 0, 0)).await;
        }
    });
}

#[test]
fn a_worker_that_crashes_is_there_again_and_one_beyond_the_size_is_replaced() {
    in_system(|_| async {
        let (pool, _tree) = started(Pool::builder().size(1).max_overflow(1)).await;
        let line = check_out(&pool).await;
        let before = soon("its pid", line.pid()).await.expect("it answers");
        let crashed = soon("its crash", line.crash()).await;
        assert!(matches!(crashed, Err(CallError::Crashed(_))));
        let after = soon("its pid", line.pid()).await.expect("it answers");
        assert_ne!(before, after);
        assert_eq!(soon("an answer", line.dial()).await, Ok(1));
        let extra = check_out(&pool).await;
        let waiting = pool.clone();
        let waiting = tokio::spawn(async move { waiting.check_out().await });
        until_figures(&pool, (0, 2, 1, 1)).await;
        let exit = extra.exit();
        assert!(soon("its crash", extra.crash()).await.is_err());
        soon("its end", exit).await;
        drop(extra);
        let other = soon("a line", waiting)
            .await
            .expect("no panic")
            .expect("a line");
        assert_eq!(soon("an answer", other.dial()).await, Ok(1));
        assert_eq!(figures(&pool), (0, 2, 1, 0));
        drop((line, other));
        assert_eq!(figures(&pool), (1, 0, 0, 0));
    });
}

#[test]
fn the_last_to_come_back_goes_first_or_the_first() {
    for (strategy, last) in [(Order::Lifo, true), (Order::Fifo, false)] {
        in_system(|_| async move {
            let (pool, _tree) = started(Pool::builder().size(3).strategy(strategy)).await;
            let lines = [check_out(&pool).await, check_out(&pool).await];
            let names = lines.each_ref().map(|line| LineRef::clone(line));
            let third = (*check_out(&pool).await).clone();
            for line in lines {
                line.check_in();
            }
            let next = check_out(&pool).await;
            assert_eq!(*next, if last { names[1].clone() } else { third });
        });
    }
}

#[test]
fn when_the_workers_give_up_who_waits_is_told_and_the_pool_starts_anew() {
    in_system(|_| async {
        let builder = Pool::builder().size(1).max_overflow(0).max_restarts(0);
        let (pool, tree) = started(builder).await;
        let line = check_out(&pool).await;
        let waiting = pool.clone();
        let waiting = tokio::spawn(async move { waiting.check_out().await.err() });
        until_figures(&pool, (0, 1, 0, 1)).await;
        assert!(soon("its crash", line.crash()).await.is_err());
        let told = soon("the news", waiting).await.expect("no panic");
        assert_eq!(told, Some(CheckOutError::Closed));
        until_figures(&pool, (1, 0, 0, 0)).await;
        let former = LineRef::clone(&line);
        drop(line);
        assert_eq!(
            figures(&pool),
            (1, 0, 0, 0),
            "a worker of before does not come back"
        );
        let line = check_out(&pool).await;
        assert_ne!(*line, former);
        assert_eq!(soon("an answer", line.dial()).await, Ok(1));
        let exit = tree.exit();
        tree.shutdown();
        soon("the end", exit).await;
        assert_eq!(pool.try_check_out().err(), Some(CheckOutError::Closed));
    });
}
