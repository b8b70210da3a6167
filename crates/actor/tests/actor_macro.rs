//! What `#[actor]` writes does what was written.

mod common;

use std::collections::HashMap;
use std::hash::Hash;

use common::{in_system, log, soon};
use vaxel_actor::prelude::*;
use vaxel_actor::{Mailbox, Message};

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("there are only {0}")]
pub(crate) struct TooFew(i64);

pub(crate) struct Counter {
    n: i64,
    seen: common::Pen<&'static str>,
}

#[derive(Debug, Message)]
#[message(crate = vaxel_actor)]
struct Tick;

#[derive(Debug, Message)]
#[message(reply = i64, crate = vaxel_actor)]
struct Peek;

#[actor(crate = vaxel_actor)]
impl Counter {
    /// A constant stays where it is.
    pub(crate) const STEP: i64 = 1;

    pub(crate) fn init(start: i64, seen: common::Pen<&'static str>) -> Self {
        Counter { n: start, seen }
    }

    /// Adds and returns the sum.
    #[call]
    pub(crate) fn add(&mut self, by: i64) -> i64 {
        self.n += by;
        self.n
    }

    #[call]
    pub(crate) async fn take(&mut self, count: i64) -> Result<i64, TooFew> {
        tokio::task::yield_now().await;
        if count > self.n {
            return Err(TooFew(self.n));
        }
        self.n -= count;
        Ok(self.n)
    }

    #[call]
    fn parse(&self, text: String) -> std::io::Result<i64> {
        text.parse()
            .map_err(|_| std::io::ErrorKind::InvalidInput.into())
    }

    #[call]
    fn describe(&self, r#type: &'static str, (a, b): (u8, u8), _ignored: u8) -> String {
        format!("{type} {} {a} {b}", self.n)
    }

    #[cast]
    fn reset(&mut self) {
        self.n = 0;
    }

    #[cast]
    fn set(&mut self, to: i64, why: &'static str) {
        self.n = to;
        let _ = self.seen.send(why);
    }

    #[cast]
    fn tick_later(&mut self, cx: &mut Context<Self>) {
        cx.send_after(millis(1), Tick);
    }

    #[info]
    fn tick(&mut self, _: Tick) {
        let _ = self.seen.send("tick");
    }

    #[info]
    fn peek(&self, _: Peek) -> i64 {
        self.n
    }

    #[cfg(any())]
    #[call]
    fn never(&self, missing: NoSuchType) -> NoSuchType {
        missing
    }

    fn terminate(&mut self, reason: &ExitReason) {
        let _ = self.seen.send(if *reason == ExitReason::Shutdown {
            "shutdown"
        } else {
            "ended"
        });
    }
}

#[test]
fn calls_casts_and_infos_reach_their_handlers() {
    in_system(|_| async {
        let (pen, seen) = log();
        let counter = Counter::spawn(0, pen);
        assert_eq!(soon("a sum", counter.add(5)).await, Ok(5));
        counter.reset().expect("the mailbox has room");
        assert_eq!(
            soon("a sum after a reset", counter.add(Counter::STEP)).await,
            Ok(1)
        );
        counter.set(7, "set").expect("the mailbox has room");
        assert_eq!(seen.next("the cast"), "set");
        assert_eq!(
            soon("a text", counter.describe("n", (1, 2), 3)).await,
            Ok("n 7 1 2".to_owned())
        );
        counter.tick_later().expect("the mailbox has room");
        assert_eq!(seen.next("a timer's message"), "tick");
        assert_eq!(
            soon("an info with a reply", counter.call(Peek)).await,
            Ok(7)
        );
        counter.shutdown();
        assert_eq!(seen.next("terminate"), "shutdown");
    });
}

#[test]
fn a_handlers_own_result_is_flattened() {
    in_system(|_| async {
        let (pen, _seen) = log();
        let counter = Counter::spawn(3, pen);
        assert_eq!(soon("a result", counter.take(2)).await, Ok(1));
        let refused: Result<i64, CallError<TooFew>> = soon("an error", counter.take(2)).await;
        assert_eq!(refused, Err(CallError::Handler(TooFew(1))));
        let bad = soon("an alias", counter.parse("x".to_owned())).await;
        let Err(CallError::Handler(error)) = bad else {
            panic!("{bad:?}")
        };
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(
            soon("an alias", counter.parse("12".to_owned())).await.ok(),
            Some(12)
        );
    });
}

#[test]
fn references_compare_convert_and_are_found_by_name() {
    in_system(|system| async move {
        let (pen, _seen) = log();
        let counter = Counter::spawn_in(&system, 0, pen);
        let plain: ActorRef<Counter> = counter.clone().into();
        assert_eq!(CounterRef::from(plain.clone()), counter);
        system
            .register("the counter", &plain)
            .expect("the name is free");
        assert_eq!(CounterRef::whereis("the counter"), Some(counter.clone()));
        assert_eq!(
            GateRef::whereis("the counter"),
            None,
            "a name of another type"
        );
        let known = HashMap::from([(counter.clone(), 1)]);
        assert_eq!(known.get(&counter), Some(&1));
        assert!(format!("{counter:?}").starts_with("Counter"), "{counter:?}");
    });
}

/// Fails to start, or waits to be let through.
struct Gate;

#[actor(crate = vaxel_actor, mailbox = 2)]
impl Gate {
    async fn init(
        fail: bool,
        open: tokio::sync::oneshot::Receiver<()>,
        _cx: &mut Context<Self>,
    ) -> Result<Self, TooFew> {
        if fail {
            return Err(TooFew(0));
        }
        let _ = open.await;
        Ok(Gate)
    }

    #[cast]
    fn pass(&mut self, a: u8, b: u8) {
        let _ = (a, b);
    }

    #[cast]
    fn knock(&mut self, text: String) {
        drop(text);
    }

    #[call]
    fn through(&mut self) -> bool {
        true
    }
}

#[test]
fn a_full_mailbox_gives_the_arguments_back() {
    in_system(|_| async {
        let (open, opening) = tokio::sync::oneshot::channel();
        let gate = Gate::spawn(false, opening);
        assert_eq!(<Gate as Actor>::MAILBOX, Mailbox::bounded(2));
        // One batch may have been taken out of the mailbox, so the bound is met within twice two.
        let refused = (0..5).find_map(|n| gate.pass(n, 9).err().map(|error| (n, error)));
        let (n, refused) = refused.expect("the fifth message at the latest is refused");
        assert_eq!(refused, SendError::Full((n, 9)));
        assert_eq!(
            gate.knock("hello".to_owned()),
            Err(SendError::Full("hello".to_owned()))
        );
        assert_eq!(
            soon("a call to a full mailbox", gate.through()).await,
            Err(CallError::Full)
        );
        open.send(()).expect("the gate waits");
    });
}

#[test]
fn a_failed_init_ends_the_actor_with_its_error() {
    in_system(|_| async {
        let (_open, opening) = tokio::sync::oneshot::channel();
        let gate = Gate::spawn(true, opening);
        let answer = soon("the reason", gate.through()).await;
        match answer {
            Err(CallError::Crashed(reason)) => {
                assert_eq!(reason.to_string(), "error: there are only 0");
            }
            // The actor may have ended before the call was sent.
            other => assert_eq!(other, Err(CallError::Closed)),
        }
        let mut gone = gate.pass(1, 2);
        while gone.is_ok() {
            tokio::task::yield_now().await;
            gone = gate.pass(1, 2);
        }
        assert_eq!(gone, Err(SendError::Closed((1, 2))));
    });
}

struct Cache<K, V> {
    entries: HashMap<K, V>,
}

#[actor(crate = vaxel_actor)]
impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Clone + 'static,
    V: Clone + Send + 'static,
{
    fn init() -> Self {
        Cache {
            entries: HashMap::new(),
        }
    }

    #[call]
    fn put(&mut self, key: K, value: V) -> Option<V> {
        self.entries.insert(key, value)
    }

    #[call]
    fn find(&self, key: K) -> Option<V> {
        self.entries.get(&key).cloned()
    }

    #[cast]
    fn absorb(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }
}

#[test]
fn an_actor_may_be_generic() {
    in_system(|_| async {
        let cache: CacheRef<String, u8> = Cache::spawn();
        assert_eq!(
            soon("a put", cache.put("one".to_owned(), 1)).await,
            Ok(None)
        );
        let other = Cache {
            entries: HashMap::from([("two".to_owned(), 2)]),
        };
        cache
            .absorb(other)
            .unwrap_or_else(|_| panic!("the mailbox has room"));
        assert_eq!(
            soon("a find", cache.find("two".to_owned())).await,
            Ok(Some(2))
        );
    });
}

/// An actor inside a function, with an argument that cannot be copied and no need to be.
#[test]
fn an_actor_may_live_in_a_function() {
    struct NotClone(u8);
    struct Local(u8);

    #[actor(crate = vaxel_actor)]
    impl Local {
        fn init(of: NotClone) -> Self {
            Local(of.0)
        }

        #[call]
        fn whole(&self) -> u8 {
            self.0
        }
    }

    in_system(|_| async {
        assert_eq!(
            soon("an answer", Local::spawn(NotClone(4)).whole()).await,
            Ok(4)
        );
    });
}
