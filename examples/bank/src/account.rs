//! An account: what it may do, and what has happened to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use vaxel::persistence::{Command, Entity, EventSourced, Execute, Json, Snapshots};
use vaxel::prelude::*;

/// Events with this tag wait to be delivered to another account.
pub(crate) const SENT: &str = "sent";

#[derive(Serialize, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Account {
    balance: u64,
    /// The newest transfer that came in, by its number among the events of its sender. Transfers
    /// of one sender are delivered in order, so whatever is not newer has been received.
    received: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) enum Happened {
    Deposited {
        amount: u64,
    },
    Sent {
        to: String,
        amount: u64,
    },
    Received {
        from: String,
        number: u64,
        amount: u64,
    },
}

impl EventSourced for Account {
    const KIND: &'static str = "account";
    const SNAPSHOTS: Snapshots = Snapshots::every(100);
    type Event = Happened;
    type Format = Json;

    fn new(_name: &str) -> Self {
        Account {
            balance: 0,
            received: BTreeMap::new(),
        }
    }

    fn apply(&mut self, event: &Happened) {
        match event {
            Happened::Deposited { amount } => self.balance += amount,
            Happened::Sent { amount, .. } => self.balance -= amount,
            Happened::Received {
                from,
                number,
                amount,
            } => {
                self.balance += amount;
                self.received.insert(from.clone(), *number);
            }
        }
    }

    fn tags(event: &Happened) -> Vec<Arc<str>> {
        match event {
            Happened::Sent { .. } => vec![SENT.into()],
            _ => Vec::new(),
        }
    }
}

/// What an account answers, when what it answers for is stored.
#[derive(Debug, Serialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Statement {
    pub(crate) balance: u64,
    /// How much has happened to the account.
    pub(crate) events: u64,
}

impl Statement {
    fn of(account: &Entity<'_, Account>) -> Self {
        Statement {
            balance: account.balance,
            events: account.sequence(),
        }
    }
}

/// Why an account does not do what it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refused {
    NotEnough,
    TooMuch,
    ToItself,
}

/// No account holds more than this, in hundredths: sums of many stay far from overflowing.
const BALANCE_MAX: u64 = 1 << 53;

pub(crate) struct Look;

impl Command for Look {
    type Reply = Statement;
}

impl Execute<Look> for Account {
    async fn execute(_: Look, account: &mut Entity<'_, Self>) -> Statement {
        Statement::of(account)
    }
}

pub(crate) struct Deposit {
    pub(crate) amount: u64,
}

impl Command for Deposit {
    type Reply = Result<Statement, Refused>;
}

impl Execute<Deposit> for Account {
    async fn execute(
        Deposit { amount }: Deposit,
        account: &mut Entity<'_, Self>,
    ) -> Result<Statement, Refused> {
        if amount > BALANCE_MAX - account.balance.min(BALANCE_MAX) {
            return Err(Refused::TooMuch);
        }
        account.persist(Happened::Deposited { amount });
        Ok(Statement::of(account))
    }
}

/// Takes money out and has it delivered to another account, sooner or later but once.
pub(crate) struct Send {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: u64,
}

impl Command for Send {
    type Reply = Result<Statement, Refused>;
}

impl Execute<Send> for Account {
    async fn execute(
        Send { from, to, amount }: Send,
        account: &mut Entity<'_, Self>,
    ) -> Result<Statement, Refused> {
        if from == to {
            return Err(Refused::ToItself);
        }
        if amount > account.balance {
            return Err(Refused::NotEnough);
        }
        account.persist(Happened::Sent { to, amount });
        Ok(Statement::of(account))
    }
}

/// Takes in what another account has sent. Told twice, it is received once.
pub(crate) struct Receive {
    pub(crate) from: String,
    pub(crate) number: u64,
    pub(crate) amount: u64,
}

impl Command for Receive {
    type Reply = ();
}

impl Execute<Receive> for Account {
    async fn execute(transfer: Receive, account: &mut Entity<'_, Self>) {
        let Receive {
            from,
            number,
            amount,
        } = transfer;
        let newest = account.received.get(&from).copied().unwrap_or(0);
        if number > newest {
            account.persist(Happened::Received {
                from,
                number,
                amount,
            });
        }
    }
}
