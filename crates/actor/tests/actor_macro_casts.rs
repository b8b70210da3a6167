//! What `#[cast]` writes beside the method of the same name: the form that waits for room, and the
//! key under which newer messages stand for older ones.

mod common;

use common::{in_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::{Message, inspect::ActorSummary};

/// Writes rows down as fast as it can; who has many waits for it.
struct Table {
    rows: Vec<(u32, String)>,
}

#[actor(crate = vaxel_actor, mailbox = Mailbox::bounded(4).on_full(OnFull::Wait))]
impl Table {
    fn init() -> Self {
        Table { rows: Vec::new() }
    }

    /// Adds a row.
    #[cast]
    fn row(&mut self, number: u32, text: String) {
        self.rows.push((number, text));
    }

    #[cast]
    fn touch(&mut self) {}

    /// Keeps it busy until the other end is dropped.
    #[cast]
    async fn hold(&mut self, until: tokio::sync::oneshot::Receiver<()>) {
        let _ = until.await;
    }

    #[call]
    fn numbers(&mut self) -> Vec<u32> {
        self.rows.iter().map(|(number, _)| *number).collect()
    }

    #[cast]
    fn send_back(&mut self, to: tokio::sync::oneshot::Sender<usize>) {
        let _ = to.send(self.rows.len());
    }

    /// Takes the place of what would be written for a cast named `back`.
    #[cast]
    fn back(&mut self) {}
}

fn waiting(system: &System, table: &TableRef) -> ActorSummary {
    system.inspect().summary(&**table).expect("it lives")
}

#[test]
fn a_cast_that_is_awaited_waits_for_room() {
    in_system(|system| async move {
        let table = Table::spawn();
        let (go, until) = tokio::sync::oneshot::channel();
        table.send_hold(until).await.expect("there is room");
        let writer = table.clone();
        let writes = tokio::spawn(async move {
            for number in 0..100 {
                writer.send_row(number, format!("row {number}")).await?;
            }
            Ok::<(), SendError<(u32, String)>>(())
        });
        let full = async {
            while waiting(&system, &table).senders_waiting == 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("a full mailbox", full).await;
        // Who does not wait is told, and has the arguments back.
        let refused = table.row(7, "x".to_owned()).expect_err("it is full");
        assert!(refused.is_full());
        assert_eq!(refused.into_message(), (7, "x".to_owned()));
        drop(go);
        assert_eq!(soon("the rows", writes).await.expect("no panic"), Ok(()));
        let numbers = soon("the numbers", table.numbers()).await;
        assert_eq!(numbers, Ok((0..100).collect()));

        let (to, back) = tokio::sync::oneshot::channel();
        table.send_back(to).expect("this is the cast of that name");
        assert_eq!(soon("the count", back).await, Ok(100));
        let exit = table.exit();
        table.stop();
        soon("the end", exit).await;
        let refused = table.send_row(1, "late".to_owned()).await;
        assert_eq!(
            refused.expect_err("it has ended"),
            SendError::Closed((1, "late".to_owned()))
        );
        assert_eq!(table.send_touch().await, Err(SendError::Closed(())));
    });
}

#[test]
fn an_awaited_cast_that_is_dropped_was_not_sent() {
    in_system(|_| async {
        let table = Table::spawn();
        drop(table.send_row(1, "never".to_owned()));
        assert_eq!(soon("the numbers", table.numbers()).await, Ok(vec![]));
    });
}

/// Shows prices. Of a symbol on a market only the newest matters.
struct Screen {
    shown: common::Pen<(String, u32)>,
}

/// A message of its own, with a key too.
#[derive(Message)]
#[message(crate = vaxel_actor, key = (self.market, "volume"))]
struct Volume {
    market: u8,
    volume: u32,
}

#[actor(crate = vaxel_actor, mailbox = Mailbox::bounded(3).on_full(OnFull::KeepNewest))]
impl Screen {
    fn init(shown: common::Pen<(String, u32)>) -> Self {
        Screen { shown }
    }

    #[cast(key = (market, symbol.as_str()))]
    fn price(&mut self, market: u8, symbol: String, price: u32) {
        let line = (format!("{market}/{symbol}"), price);
        self.shown.send(line).expect("the test reads");
    }

    #[info]
    fn volume(&mut self, volume: Volume) {
        let line = (format!("{}/volume", volume.market), volume.volume);
        self.shown.send(line).expect("the test reads");
    }

    #[cast]
    async fn hold(&mut self, until: tokio::sync::oneshot::Receiver<()>) {
        let _ = until.await;
    }

    #[call]
    fn flush(&mut self) {}
}

#[test]
fn the_newest_of_each_key_is_kept() {
    in_system(|system| async move {
        let (pen, lines) = log();
        let screen = Screen::spawn(pen);
        let (go, until) = tokio::sync::oneshot::channel();
        screen.hold(until).expect("there is room");
        let begun = async {
            while waiting_for(&system, &screen) > 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("the handler", begun).await;
        for price in 0..50 {
            screen
                .price(1, "EUR".to_owned(), price)
                .expect("older ones give way");
            screen
                .price(2, "EUR".to_owned(), price + 100)
                .expect("older ones give way");
            let volume = price + 200;
            screen
                .cast(Volume { market: 1, volume })
                .expect("older ones give way");
        }
        drop(go);
        let newest = [("1/EUR", 49), ("2/EUR", 149), ("1/volume", 249)];
        for (what, value) in newest {
            assert_eq!(lines.next(what), (what.to_owned(), value));
        }
        assert_eq!(soon("the end", screen.flush()).await, Ok(()));
        assert_eq!(lines.rest(), []);
    });
}

fn waiting_for(system: &System, screen: &ScreenRef) -> usize {
    let summary = system.inspect().summary(&**screen);
    summary.expect("it lives").mailbox_len
}
