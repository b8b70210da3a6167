//! What the tests of this crate share: a system to live in, and an account to keep.

#![allow(dead_code)]

mod system;

use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
pub(crate) use system::{in_system_of, soon};
use vaxel_actor::System;
use vaxel_persistence::{
    Command, DecodeError, Entities, Entity, EventSourced, Execute, Json, Persistence,
    PersistenceConfig, Snapshots, Upcast,
};
use vaxel_store::{Memory, Store};

/// Runs `body` beside a fresh system of two workers that can use tokio.
pub(crate) fn in_system<F: Future>(body: impl FnOnce(System) -> F) -> F::Output {
    in_system_of(|builder| builder, body)
}

/// A store in memory, and a persistence on it: another one is like another process.
pub(crate) fn in_memory() -> (Arc<Memory>, Persistence) {
    let store = Arc::new(Memory::new());
    (store.clone(), on(store))
}

pub(crate) fn on(store: Arc<dyn Store>) -> Persistence {
    Persistence::with(store, PersistenceConfig::default())
}

/// What is in an account, and how it came there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) balance: i64,
    pub(crate) entries: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Entry {
    Booked { amount: i64, note: String },
}

impl EventSourced for Account {
    const KIND: &'static str = "account";
    const VERSION: u16 = 2;
    const SNAPSHOTS: Snapshots = Snapshots::every(10).keep(2);
    type Event = Entry;
    type Format = Json;

    fn new(_: &str) -> Self {
        Account {
            balance: 0,
            entries: 0,
        }
    }

    fn apply(&mut self, event: &Entry) {
        let Entry::Booked { amount, .. } = event;
        self.balance += amount;
        self.entries += 1;
    }

    /// The first version had no notes.
    fn upcast(stored: Upcast<'_>) -> Result<Entry, DecodeError> {
        if stored.version != 1 {
            return Err(DecodeError::new("there is no such version"));
        }
        let amount = serde_json::from_slice(stored.payload).map_err(DecodeError::new)?;
        let note = "before there were notes".to_owned();
        Ok(Entry::Booked { amount, note })
    }

    fn tags(event: &Entry) -> Vec<Arc<str>> {
        let Entry::Booked { amount, .. } = event;
        if *amount > 0 {
            vec!["in".into()]
        } else {
            vec!["out".into()]
        }
    }
}

pub(crate) fn booked(amount: i64) -> Entry {
    let note = String::new();
    Entry::Booked { amount, note }
}

/// Books all amounts, and answers the balance.
pub(crate) struct Book(pub(crate) Vec<i64>);

impl Command for Book {
    type Reply = i64;
}

impl Execute<Book> for Account {
    async fn execute(Book(amounts): Book, account: &mut Entity<'_, Self>) -> i64 {
        for amount in amounts {
            account.persist(booked(amount));
        }
        account.balance
    }
}

/// What is in the account.
pub(crate) struct Look;

impl Command for Look {
    type Reply = Account;
}

impl Execute<Look> for Account {
    async fn execute(_: Look, account: &mut Entity<'_, Self>) -> Account {
        (**account).clone()
    }
}

pub(crate) async fn book(accounts: &Entities<Account>, key: &str, amount: i64) -> i64 {
    let booked = accounts.execute(key, Book(vec![amount]));
    soon("a booking", booked).await.expect("it is confirmed")
}

pub(crate) async fn look(accounts: &Entities<Account>, key: &str) -> Account {
    soon("a look", accounts.execute(key, Look))
        .await
        .expect("it is there")
}
