//! Event-sourced entities: what they keep, when they answer, and what a failure leaves.

mod common;

use std::sync::Arc;
use std::task::Poll;

use common::{
    Account, Book, Look, book, booked, in_memory, in_system, in_system_of, look, on, soon,
};
use vaxel_actor::{CallError, secs};
use vaxel_persistence::{
    Command, Entities, Entity, EntityActor, Execute, ExecuteError, Persistence, PersistenceConfig,
};
use vaxel_store::{
    Append, Fault, FaultKind, JobState, JobStore, Journal, NewEvent, NewJob, SaveSnapshot,
    Snapshot, Sqlite, Transact, Write, WriteError,
};

/// Books, and then panics or enqueues a job.
struct BookAnd(i64, bool);

impl Command for BookAnd {
    type Reply = i64;
}

impl Execute<BookAnd> for Account {
    async fn execute(BookAnd(amount, panics): BookAnd, account: &mut Entity<'_, Self>) -> i64 {
        account.persist(booked(amount));
        assert!(!panics, "as the test wants it");
        account.also(Write::new().enqueue(NewJob::new("mail", *b"booked")));
        account.balance
    }
}

fn fault() -> Fault {
    Fault::new(FaultKind::DiskFull, "planted")
}

#[test]
fn what_was_confirmed_is_there_in_another_process() {
    in_system(|_| async {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("data.db");
        for round in 1..4 {
            let store = Sqlite::open(&path).expect("it can be opened");
            let accounts = Entities::<Account>::new(&Persistence::new(store));
            assert_eq!(book(&accounts, "ada", 10).await, round * 10);
            assert_eq!(book(&accounts, "bob", 1).await, round);
        }
    });
}

#[test]
fn a_reply_waits_for_the_commit_and_so_does_the_mail_behind_it() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence);
        book(&accounts, "ada", 1).await;
        let held = store.hold();
        let mut booking = std::pin::pin!(accounts.execute("ada", Book(vec![2])));
        let mut looking = std::pin::pin!(accounts.execute("ada", Look));
        // Others go on, and so would these if they did not wait.
        book_elsewhere().await;
        std::future::poll_fn(|cx| {
            assert!(
                booking.as_mut().poll(cx).is_pending(),
                "it is not stored yet"
            );
            assert!(
                looking.as_mut().poll(cx).is_pending(),
                "it would see what may be lost"
            );
            Poll::Ready(())
        })
        .await;
        drop(held);
        assert_eq!(soon("the booking", booking).await.expect("it is stored"), 3);
        assert_eq!(
            soon("the look", looking)
                .await
                .expect("it is stored")
                .balance,
            3
        );
    });
}

async fn book_elsewhere() {
    let (_, persistence) = in_memory();
    let accounts = Entities::<Account>::new(&persistence);
    for _ in 0..100 {
        book(&accounts, "eve", 1).await;
    }
}

#[test]
fn a_commit_that_fails_is_told_and_leaves_the_state_that_is_stored() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence);
        book(&accounts, "ada", 1).await;
        for error in [
            WriteError::NotWritten { source: fault() },
            WriteError::Unknown { source: fault() },
        ] {
            let is_unknown = error.is_outcome_unknown();
            store.fail_next_commit(error);
            let failed = soon("the failure", accounts.execute("ada", Book(vec![5]))).await;
            let failed = failed.expect_err("it was planted");
            assert!(matches!(failed, ExecuteError::Write(_)), "{failed:?}");
            assert_eq!(failed.is_outcome_unknown(), is_unknown);
            assert_eq!(look(&accounts, "ada").await.balance, 1);
        }
        assert_eq!(persistence.counters().commits_failed, 2);
    });
}

#[test]
fn a_panic_stores_nothing_and_the_next_command_finds_what_was_stored() {
    in_system(|_| async {
        let (_, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence);
        book(&accounts, "ada", 1).await;
        let crashed = soon("the crash", accounts.execute("ada", BookAnd(5, true))).await;
        assert!(
            matches!(crashed, Err(ExecuteError::Call(CallError::Crashed(_)))),
            "{crashed:?}"
        );
        assert_eq!(look(&accounts, "ada").await.balance, 1);
    });
}

#[test]
fn what_goes_with_an_event_is_stored_with_it_or_not_at_all() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence);
        let done = accounts.execute("ada", BookAnd(5, false)).await;
        assert_eq!(done.expect("it is confirmed"), 5);
        let jobs = || store.job_counts("mail").wait().expect("it reads");
        assert_eq!(jobs(), [(JobState::Available, 1)]);
        store.fail_next_commit(WriteError::NotWritten { source: fault() });
        assert!(accounts.execute("ada", BookAnd(5, false)).await.is_err());
        assert_eq!(jobs(), [(JobState::Available, 1)]);
    });
}

#[test]
fn a_second_owner_fences_the_first_off() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let here = Entities::<Account>::new(&persistence);
        let there = Entities::<Account>::new(&on(store));
        assert_eq!(book(&here, "ada", 1).await, 1);
        assert_eq!(book(&there, "ada", 1).await, 2);
        let refused = soon("the refusal", here.execute("ada", Book(vec![1]))).await;
        let Err(ExecuteError::Write(WriteError::Fenced { .. })) = refused else {
            panic!("it is not the owner any more: {refused:?}");
        };
        assert_eq!(
            book(&here, "ada", 1).await,
            3,
            "it reads again, and is the owner now"
        );
    });
}

#[test]
fn an_owner_that_was_fenced_off_ends_without_being_an_error() {
    in_system(|system| async move {
        let (_, persistence) = in_memory();
        let spec = EntityActor::<Account>::child(&persistence, "ada");
        let supervisor = vaxel_actor::Supervisor::one_for_one().child(spec.name("ada"));
        let supervisor = supervisor.start().await.expect("it starts");
        let actor = system
            .whereis::<EntityActor<Account>>("ada")
            .expect("it has a name");
        assert_eq!(
            EntityActor::execute(&actor, Book(vec![4]))
                .await
                .expect("it is stored"),
            4
        );
        let elsewhere = Entities::<Account>::new(&persistence);
        book(&elsewhere, "ada", 1).await;
        let exit = actor.exit();
        assert!(EntityActor::execute(&actor, Book(vec![4])).await.is_err());
        let reason = soon("its end", exit).await;
        assert!(!reason.is_abnormal(), "{reason}");
        drop(supervisor);
    });
}

/// A snapshot instead of one that is there, as a bad disk would leave it.
fn damage(store: &dyn vaxel_store::Store, sequence: u64) {
    let entity = "account/ada".into();
    let fence = store
        .claim(&entity)
        .wait()
        .expect("anybody may claim")
        .fence;
    let snapshot = Snapshot {
        sequence,
        version: 1,
        payload: b"\x01\x02\x03\x04{\"balance\":1000000,\"entries\":0}".to_vec(),
    };
    let save = SaveSnapshot {
        entity,
        fence,
        snapshot,
        keep: 2,
    };
    store.save_snapshot(save).wait().expect("it fits");
}

#[test]
fn a_recovery_begins_at_the_newest_snapshot_that_is_whole() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence);
        for _ in 0..35 {
            book(&accounts, "ada", 1).await;
        }
        assert_eq!(persistence.counters().snapshots, 3);
        let replayed = |store| async move {
            let persistence = on(store);
            let accounts = Entities::<Account>::new(&persistence);
            let account = look(&accounts, "ada").await;
            assert_eq!(
                account,
                Account {
                    balance: 35,
                    entries: 35
                }
            );
            let counters = persistence.counters();
            (counters.events_replayed, counters.snapshots_damaged)
        };
        assert_eq!(replayed(store.clone()).await, (5, 0));
        damage(&*store, 30);
        assert_eq!(replayed(store.clone()).await, (15, 1));
        damage(&*store, 20);
        assert_eq!(replayed(store.clone()).await, (35, 2));
    });
}

#[test]
fn events_of_an_older_version_are_read_and_of_an_unknown_one_refused() {
    in_system(|_| async {
        let (store, persistence) = in_memory();
        let append = |version, payload: &str| {
            let entity = "account/ada".into();
            let owner = store.claim(&entity).wait().expect("anybody may claim");
            let append = Append {
                entity,
                fence: owner.fence,
                expected: owner.sequence,
                events: vec![NewEvent::new(version, payload)],
            };
            store.append(append).wait().expect("it fits");
        };
        append(1, "70");
        let accounts = Entities::<Account>::new(&persistence);
        assert_eq!(look(&accounts, "ada").await.balance, 70);
        append(9, "{}");
        let accounts = Entities::<Account>::new(&persistence);
        let refused = soon("the refusal", accounts.execute("ada", Look)).await;
        let error = refused.expect_err("nobody knows version 9").to_string();
        assert!(
            error.contains("event 2 (version 9)") && error.contains("upcast"),
            "{error}"
        );
    });
}

#[test]
fn many_recover_a_few_at_a_time_and_share_commits() {
    in_system(|_| async {
        let (store, _) = in_memory();
        let config = PersistenceConfig::default().recoveries_max(3);
        let persistence = Persistence::with(store.clone(), config);
        let accounts = Entities::<Account>::new(&persistence);
        let keys: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        for key in &keys {
            look(&accounts, key).await;
        }
        let before = store.counters().commits;
        let held = store.hold();
        let bookings: Vec<_> = keys
            .iter()
            .map(|key| accounts.execute(key, Book(vec![1])))
            .collect();
        drop(held);
        for booking in bookings {
            assert_eq!(soon("a booking", booking).await.expect("it is stored"), 1);
        }
        let commits = store.counters().commits - before;
        assert!(commits < 100, "200 bookings took {commits} commits");
        assert_eq!(persistence.counters().recoveries, 200);
    });
}

#[test]
fn an_idle_entity_is_put_to_sleep_and_wakes_with_its_state() {
    in_system_of(
        vaxel_actor::SystemBuilder::manual_clock,
        |system| async move {
            let (_, persistence) = in_memory();
            let accounts = Entities::<Account>::new(&persistence).idle_after(secs(60));
            book(&accounts, "ada", 1).await;
            book(&accounts, "bob", 1).await;
            system.advance(secs(40));
            book(&accounts, "ada", 1).await;
            system.advance(secs(30));
            soon("bob's sleep", until(|| accounts.awake() == 1)).await;
            assert_eq!(book(&accounts, "bob", 1).await, 2);
            assert_eq!(persistence.counters().recoveries, 3, "ada was not idle");
        },
    );
}

/// Yields until it holds.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn nothing_is_lost_to_entities_that_are_just_going_to_sleep() {
    in_system(|_| async {
        let (_, persistence) = in_memory();
        let idle = std::time::Duration::from_millis(1);
        let accounts = Entities::<Account>::new(&persistence).idle_after(idle);
        let booking = |accounts: Entities<Account>| async move {
            for _ in 0..300 {
                book(&accounts, "ada", 1).await;
            }
        };
        let tasks: Vec<_> = (0..3)
            .map(|_| tokio::spawn(booking(accounts.clone())))
            .collect();
        for task in tasks {
            soon("the bookings", task).await.expect("none was refused");
        }
        assert_eq!(look(&accounts, "ada").await.balance, 900);
    });
}

#[test]
fn no_more_are_awake_than_the_bound() {
    in_system(|_| async {
        let (_, persistence) = in_memory();
        let accounts = Entities::<Account>::new(&persistence).awake_max(2);
        book(&accounts, "ada", 1).await;
        book(&accounts, "bob", 1).await;
        let full = accounts.execute("eve", Look).await;
        assert!(
            matches!(full, Err(ExecuteError::Call(CallError::Full))),
            "{full:?}"
        );
        assert_eq!(book(&accounts, "ada", 1).await, 2);
        let _: Arc<dyn vaxel_store::Store> = persistence.store().clone();
    });
}
