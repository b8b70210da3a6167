//! Tables are shared without messages, bounded, and belong to their owner; a cache loads once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use vaxel_actor::{Actor, ActorRef, Context, ExitReason, Handler, Program, System};
use vaxel_cache::{Bag, Cache, Inherited, OrderedTable, Owned, Table, TableError};

fn in_system<F: Future>(body: F) -> F::Output {
    Program::new().workers(2).run(body)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), held).await;
    outcome.unwrap_or_else(|_| panic!("still waiting for {what}"));
}

/// Owns tables, or inherits them.
struct Keeper {
    inherited: Table<u64, u64>,
}

impl Actor for Keeper {
    type Args = Table<u64, u64>;

    async fn init(inherited: Table<u64, u64>, _: &mut Context<Self>) -> Result<Self, ExitReason> {
        Ok(Keeper { inherited })
    }
}

impl Handler<Inherited<Table<u64, u64>>> for Keeper {
    async fn handle(
        &mut self,
        Inherited { table, .. }: Inherited<Table<u64, u64>>,
        cx: &mut Context<Self>,
    ) {
        table.owned_by(&cx.me().erase());
        table.for_each(|key, value| {
            self.inherited.insert(*key, *value).expect("there is room");
        });
    }
}

fn keeper(inherited: &Table<u64, u64>) -> ActorRef<Keeper> {
    System::current().spawn::<Keeper>(inherited.clone())
}

#[test]
fn a_table_is_deleted_with_its_owner_or_goes_to_its_heir() {
    in_system(async {
        let seen = Table::new();
        let (owner, heir) = (keeper(&Table::new()), keeper(&seen));
        let (deleted, inherited) = (Table::<u64, u64>::new(), Table::<u64, u64>::new());
        deleted.owned_by(&owner.erase());
        inherited.owned_by_with_heir(&owner.erase(), heir.recipient());
        deleted.insert(1, 1).expect("there is room");
        inherited.insert(2, 3).expect("there is room");
        owner.kill();
        until("the deletion", || {
            deleted.insert(1, 1) == Err(TableError::Deleted(1))
        })
        .await;
        assert_eq!((deleted.get(&1), deleted.len()), (None, 0));
        until("the heir", || seen.get(&2) == Some(3)).await;
        assert_eq!(inherited.get(&2), Some(3));
        heir.kill();
        until("the heir's end", || inherited.is_empty()).await;
    });
}

#[test]
fn of_many_who_count_nothing_is_lost() {
    let table = Table::<&str, i64>::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    table.update_counter("hits", 1).expect("there is room");
                }
            });
        }
    });
    assert_eq!(table.get("hits"), Some(4_000));
}

#[test]
fn a_new_key_is_refused_at_the_bound_and_the_value_comes_back() {
    let table = Table::bounded(2);
    assert_eq!(table.insert("a", 1), Ok(None));
    assert_eq!(table.insert_new("b", 2), Ok(true));
    assert_eq!(table.insert("c", 3), Err(TableError::Full(3)));
    assert_eq!(table.insert("a", 4), Ok(Some(1)));
    assert_eq!(table.insert_new("a", 5), Ok(false));
    assert_eq!(table.remove("b"), Some(2));
    assert_eq!(table.insert("c", 3), Ok(None));
    table.retain(|_, value| *value == 4);
    assert_eq!((table.len(), table.contains_key("c")), (1, false));
}

#[test]
fn rows_that_stay_are_seen_once_while_others_write() {
    let table = Table::<u64, u64>::new();
    (0..1_000).for_each(|key| drop(table.insert(key, key)));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for key in 1_000..20_000 {
                table.insert(key, key).expect("there is room");
                table.remove(&key);
            }
        });
        while !writer.is_finished() {
            let mut seen = 0;
            table.for_each(|key, _| seen += u64::from(*key < 1_000));
            assert_eq!(seen, 1_000);
        }
    });
    assert_eq!(table.len(), 1_000);
}

#[test]
fn an_ordered_table_is_walked_in_order_and_goes_on_after_a_key() {
    let table = OrderedTable::bounded(4);
    for key in [30, 10, 40, 20] {
        table.insert(key, key * 2).expect("there is room");
    }
    assert_eq!(table.insert(50, 0), Err(TableError::Full(0)));
    assert_eq!(table.range(15..=30, 10), [(20, 40), (30, 60)]);
    assert_eq!(
        (table.first(), table.last()),
        (Some((10, 20)), Some((40, 80)))
    );
    table.remove(&20);
    assert_eq!(table.next(&10), Some((30, 60)));
    assert_eq!(table.next(&40), None);
    table.delete();
    assert_eq!(table.insert(1, 1), Err(TableError::Deleted(1)));
}

#[test]
fn a_bag_has_each_value_of_a_key_once() {
    let bag = Bag::new();
    assert_eq!(bag.insert("ada", 1), Ok(true));
    assert_eq!(bag.insert("ada", 2), Ok(true));
    assert_eq!(bag.insert("ada", 1), Ok(false));
    assert_eq!(bag.get("ada"), [1, 2]);
    assert!(bag.remove_value("ada", &1) && !bag.remove_value("ada", &1));
    assert_eq!((bag.remove("ada"), bag.len()), (vec![2], 0));
    bag.delete();
    assert_eq!(bag.insert("ada", 1), Err(TableError::Deleted(1)));
}

#[test]
fn a_value_is_loaded_once_for_all_who_wait_and_again_after_a_failure() {
    in_system(async {
        let cache = Cache::<u64, u64>::builder().entries_max(100).build();
        let loads = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let (cache, loads) = (cache.clone(), loads.clone());
            tokio::spawn(async move {
                let load = async {
                    loads.fetch_add(1, SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, &str>(7)
                };
                cache.get_or_load(1, load).await
            })
        };
        let asking: Vec<_> = (0..50).map(|_| ask()).collect();
        for asked in asking {
            assert_eq!(asked.await.expect("it only asks"), Ok(7));
        }
        assert_eq!(loads.load(SeqCst), 1);
        let failed = cache.get_or_load(2, async { Err::<u64, _>("away") }).await;
        assert_eq!(failed, Err(Arc::new("away")));
        assert_eq!(
            cache.get_or_load(2, async { Ok::<_, &str>(9) }).await,
            Ok(9)
        );
        cache.invalidate(&2).await;
        assert_eq!(cache.get(&2).await, None);
    });
}
