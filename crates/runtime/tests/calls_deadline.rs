//! Deadlines are carried along, and calls nobody waits for can be skipped.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;
use vaxel_runtime::{
    Actor, ActorRef, Call, CallError, Context, ExitReason, Handler, Message, System, Time,
};

const SECOND: Duration = Duration::from_secs(1);

struct Desk<const SKIPS: bool> {
    handled: Vec<u32>,
}

impl<const SKIPS: bool> Actor for Desk<SKIPS> {
    type Args = ();
    const SKIP_EXPIRED: bool = SKIPS;

    async fn init((): (), _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Self {
            handled: Vec::new(),
        })
    }
}

struct Until;
impl Message for Until {
    type Reply = Option<Time>;
}

/// Asks another desk until when it may work, with a limit of its own.
struct Pass(ActorRef<Desk<false>>, Option<Duration>);
impl Message for Pass {
    type Reply = Result<Option<Time>, CallError>;
}

struct Work(u32);
impl Message for Work {
    type Reply = u32;
}

/// Blocks the desk's worker until told.
struct Hold(mpsc::Receiver<()>);
impl Message for Hold {
    type Reply = ();
}

struct Handled;
impl Message for Handled {
    type Reply = Vec<u32>;
}

struct Never;
impl Message for Never {
    type Reply = ();
}

impl<const SKIPS: bool> Handler<Until> for Desk<SKIPS> {
    async fn handle(&mut self, _: Until, cx: &mut Context<Self>) -> Option<Time> {
        cx.deadline()
    }
}

impl Handler<Pass> for Desk<false> {
    async fn handle(
        &mut self,
        Pass(next, limit): Pass,
        _: &mut Context<Self>,
    ) -> Result<Option<Time>, CallError> {
        match limit {
            Some(limit) => next.call(Until).timeout(limit).await,
            None => next.call(Until).await,
        }
    }
}

/// Calls somebody who never answers, without a limit of its own.
struct PassToNobody(ActorRef<Desk<false>>);
impl Message for PassToNobody {
    type Reply = Result<(), CallError>;
}

impl Handler<PassToNobody> for Desk<false> {
    async fn handle(
        &mut self,
        PassToNobody(next): PassToNobody,
        _: &mut Context<Self>,
    ) -> Result<(), CallError> {
        let answer = next.call(Never).no_timeout().await;
        self.handled
            .push(u32::from(answer == Err(CallError::Timeout)));
        answer
    }
}

impl Handler<Never> for Desk<false> {
    async fn handle(&mut self, _: Never, cx: &mut Context<Self>) {
        let _me = cx.me();
        std::future::pending::<()>().await;
    }
}

impl<const SKIPS: bool> Handler<Work> for Desk<SKIPS> {
    async fn handle(&mut self, Work(number): Work, _: &mut Context<Self>) -> u32 {
        self.handled.push(number);
        number
    }
}

impl<const SKIPS: bool> Handler<Hold> for Desk<SKIPS> {
    async fn handle(&mut self, Hold(until): Hold, _: &mut Context<Self>) {
        let _ = until.recv();
    }
}

impl<const SKIPS: bool> Handler<Handled> for Desk<SKIPS> {
    async fn handle(&mut self, _: Handled, _: &mut Context<Self>) -> Vec<u32> {
        self.handled.clone()
    }
}

fn run<T: Send + 'static>(
    system: &System,
    what: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let (done, result) = mpsc::sync_channel(1);
    let join = system.spawn_future(async move { done.send(future.await) });
    let result = result.recv_timeout(Duration::from_secs(20));
    drop(join);
    result.unwrap_or_else(|_| panic!("no result of: {what}"))
}

#[test]
fn a_handler_sees_until_when_its_caller_waits() {
    let system = System::builder().workers(2).manual_clock().build();
    system.advance(SECOND);
    let (desk, next) = (system.spawn::<Desk<false>>(()), system.spawn(()));
    let at = |seconds: u32| Some(Time::ZERO + seconds * SECOND);
    let seen = run(&system, "deadlines", async move {
        let plain = desk.call(Until).await?;
        let short = desk.call(Until).timeout(SECOND).await?;
        let endless = desk.call(Until).no_timeout().await?;
        // Through another desk: the earlier of the two ends counts.
        let inner = desk.call(Pass(next.clone(), Some(2 * SECOND))).await??;
        let pass = Pass(next.clone(), Some(60 * SECOND));
        let outer = desk.call(pass).timeout(3 * SECOND).await??;
        let default = desk
            .call(Pass(next.clone(), None))
            .timeout(SECOND)
            .await??;
        let from_endless = desk.call(Pass(next, None)).no_timeout().await??;
        Ok::<_, CallError>([plain, short, endless, inner, outer, default, from_endless])
    });
    let expected = [at(6), at(2), None, at(3), at(4), at(2), at(6)];
    assert_eq!(seen, Ok(expected));
    system.shutdown();
}

#[test]
fn a_nested_call_ends_with_the_one_it_is_made_for() {
    let system = System::builder().workers(2).build();
    let (desk, next) = (
        system.spawn::<Desk<false>>(()),
        system.spawn::<Desk<false>>(()),
    );
    let handled = run(&system, "a nested call", async move {
        let limit = Duration::from_millis(150);
        let answer = desk.call(PassToNobody(next)).timeout(limit).await;
        // Either side may notice first.
        let over = matches!(
            answer,
            Err(CallError::Timeout) | Ok(Err(CallError::Timeout))
        );
        assert!(over, "ended with {answer:?}");
        desk.call(Handled).await
    });
    assert_eq!(handled, Ok(vec![1]));
    system.shutdown();
}

/// Polls a call once, so that it waits.
async fn begin<M: Message>(call: &mut Call<M>) {
    let pending = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx))).await;
    assert!(pending.is_pending());
}

fn abandoned<const SKIPS: bool>() -> (Vec<u32>, u64) {
    let system = System::builder().workers(2).manual_clock().build();
    let desk = system.spawn::<Desk<SKIPS>>(());
    let (release, hold) = mpsc::sync_channel(1);
    desk.cast(Hold(hold)).unwrap();
    let calling = desk.clone();
    let system_inside = system.clone();
    let (late, handled) = run(&system, "calls nobody waits for", async move {
        let dropped = calling.call(Work(1));
        let kept = calling.call(Work(2));
        let mut late = calling.call(Work(3)).timeout(SECOND);
        begin(&mut late).await;
        drop(dropped);
        system_inside.advance(2 * SECOND);
        release.send(()).unwrap();
        assert_eq!(kept.await, Ok(2));
        let late = late.await;
        let handled = calling.call(Handled).await;
        (late, handled.unwrap())
    });
    // The caller may see its limit or, when nothing is skipped, the answer that came meanwhile.
    assert!(matches!(late, Err(CallError::Timeout) | Ok(3)), "{late:?}");
    let expired = system.counters().calls_expired;
    let types = system.types();
    let of_type = types.iter().find(|of| of.name.contains("Desk")).unwrap();
    assert_eq!(of_type.calls_expired, expired);
    system.shutdown();
    (handled, expired)
}

#[test]
fn calls_nobody_waits_for_are_skipped_where_the_type_asks_for_it() {
    assert_eq!(abandoned::<true>(), (vec![2], 2));
    assert_eq!(abandoned::<false>(), (vec![1, 2, 3], 0));
}
