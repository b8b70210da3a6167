//! A race between two actors is found, and its seed replays it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use vaxel_runtime::{Actor, ActorRef, Context, ExitReason, Handler, Message};
use vaxel_testkit::{Check, Failure, Sim};

struct Balance;
impl Message for Balance {
    type Reply = i64;
}

struct Withdraw(i64);
impl Message for Withdraw {
    type Reply = ();
}

/// An account that trusts whoever withdraws to have looked first.
struct Account(i64);

impl Actor for Account {
    type Args = i64;

    async fn init(balance: i64, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Account(balance))
    }
}

impl Handler<Balance> for Account {
    async fn handle(&mut self, _: Balance, _: &mut Context<Self>) -> i64 {
        self.0
    }
}

impl Handler<Withdraw> for Account {
    async fn handle(&mut self, Withdraw(amount): Withdraw, _: &mut Context<Self>) {
        self.0 -= amount;
    }
}

struct Spend(i64);
impl Message for Spend {
    type Reply = bool;
}

/// Checks, then acts: what it saw may be old by then.
struct Spender(ActorRef<Account>);

impl Actor for Spender {
    type Args = ActorRef<Account>;

    async fn init(account: ActorRef<Account>, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Spender(account))
    }
}

impl Handler<Spend> for Spender {
    async fn handle(&mut self, Spend(amount): Spend, _: &mut Context<Self>) -> bool {
        let is_covered = self.0.call(Balance).await.is_ok_and(|have| have >= amount);
        is_covered && self.0.call(Withdraw(amount)).await.is_ok()
    }
}

async fn two_spenders(sim: Sim) {
    let account = sim.spawn::<Account>(100);
    let (one, two) = (
        sim.spawn::<Spender>(account.clone()),
        sim.spawn::<Spender>(account.clone()),
    );
    let (one, two) = (one.call(Spend(80)), two.call(Spend(80)));
    one.await.expect("it answers");
    two.await.expect("it answers");
    let balance = account.call(Balance).await.expect("it answers");
    assert!(balance >= 0, "overdrawn: {balance}");
}

#[test]
fn a_check_then_act_race_is_found_and_replays_from_its_seed() {
    let check = Check::new();
    let panic = catch_unwind(AssertUnwindSafe(|| check.run(two_spenders)));
    let payload = panic.expect_err("some seed lets both look before either withdraws");
    let report = payload.downcast_ref::<String>().expect("a report");
    assert!(report.contains("overdrawn: -60"), "{report}");
    assert!(report.contains("race.rs:"), "{report}");
    assert!(
        report.contains("cargo test a_check_then_act_race"),
        "{report}"
    );
    assert!(
        report.contains("Account<0."),
        "the trace is shown: {report}"
    );

    let seed = report.split("VAXEL_SEED=0x").nth(1).expect("a seed");
    let seed = seed.split_whitespace().next().expect("a seed");
    let seed = u64::from_str_radix(seed, 16).expect("a seed");
    for _ in 0..3 {
        let run = check.run_seed(seed, two_spenders);
        assert!(
            matches!(&run.failure, Some(Failure::Panic(text)) if text.contains("overdrawn: -60")),
            "{run:?}"
        );
    }
}

#[test]
fn not_every_seed_finds_it() {
    let failed = (0..100)
        .filter(|seed| Check::new().run_seed(*seed, two_spenders).failure.is_some())
        .count();
    assert!((5..95).contains(&failed), "{failed} of 100");
}
