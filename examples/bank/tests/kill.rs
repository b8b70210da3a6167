//! The bank is killed at moments of chance while money moves, and started again on what is left:
//! what it acknowledged is there, and the money is all there.

mod client;

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use client::{Bank, Client};

const ROUNDS: u64 = 10;
const NAMES: [&str; 8] = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"];
const DEPOSIT: u64 = 1_000;
const MONEY: u64 = DEPOSIT * NAMES.len() as u64;
const CUSTOMERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn money_is_neither_lost_nor_made_by_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("bank.db");
    let mut dice = Dice(0x5eed_0ba7);
    // How much had happened to each account when it last answered.
    let mut acknowledged = [0; NAMES.len()];

    let bank = Bank::start(&data);
    let mut client = bank.client().unwrap();
    for name in NAMES {
        let paid_in = client.deposit(name, DEPOSIT).unwrap();
        assert_eq!(paid_in.balance, DEPOSIT);
    }
    bank.kill();

    for round in 0..ROUNDS {
        let transfers = round_of_transfers(&data, &mut dice, &mut acknowledged);
        let bank = Bank::start(&data);
        let found = settled(&bank).unwrap_or_else(|error| panic!("round {round}: {error}"));
        for ((name, known), found) in NAMES.iter().zip(acknowledged).zip(found) {
            assert!(
                found >= known,
                "round {round}, after {transfers} transfers: {name} has forgotten events, \
                 {known} were acknowledged and {found} are there"
            );
        }
        bank.kill();
    }
}

/// Has customers move money until so many transfers are acknowledged as chance wants; then the
/// bank is killed in the midst of the next ones.
fn round_of_transfers(data: &Path, dice: &mut Dice, acknowledged: &mut [u64]) -> u64 {
    let bank = Bank::start(data);
    let (acknowledge, acknowledgements) = sync_channel(0);
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|_| {
            let (client, dice) = (bank.client().unwrap(), Dice(dice.next()));
            let acknowledge = acknowledge.clone();
            std::thread::spawn(move || customer(client, dice, &acknowledge))
        })
        .collect();
    drop(acknowledge);
    let wanted = 1 + dice.next() % 150;
    for _ in 0..wanted {
        note(&acknowledgements, acknowledged);
    }
    bank.kill();
    // Answers that were on their way count as well.
    while let Ok((account, events)) = acknowledgements.recv() {
        acknowledged[account] = acknowledged[account].max(events);
    }
    for customer in customers {
        customer.join().unwrap();
    }
    wanted
}

fn note(acknowledgements: &Receiver<(usize, u64)>, acknowledged: &mut [u64]) {
    let (account, events) = acknowledgements
        .recv_timeout(PATIENCE)
        .expect("the customers go on until the bank is gone");
    acknowledged[account] = acknowledged[account].max(events);
}

/// Moves money until the bank is gone.
fn customer(mut client: Client, mut dice: Dice, acknowledge: &SyncSender<(usize, u64)>) {
    loop {
        let from = dice.below(NAMES.len());
        let to = (from + 1 + dice.below(NAMES.len() - 1)) % NAMES.len();
        let amount = 1 + dice.next() % 300;
        match client.transfer(NAMES[from], NAMES[to], amount) {
            Ok(Some(statement)) => _ = acknowledge.send((from, statement.events)),
            // There was not enough.
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

/// Waits until no money is under way, and returns how much has happened to each account.
fn settled(bank: &Bank) -> io::Result<Vec<u64>> {
    let mut client = bank.client()?;
    let begun = Instant::now();
    let mut before = None;
    loop {
        let accounts = NAMES.map(|name| client.look(name));
        let accounts = accounts.into_iter().collect::<io::Result<Vec<_>>>()?;
        let sum: u64 = accounts.iter().map(|account| account.balance).sum();
        let events: Vec<_> = accounts.iter().map(|account| account.events).collect();
        // Between two looks that see the same nothing has moved.
        if before.as_ref() == Some(&events) && sum == MONEY {
            return Ok(events);
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("of {MONEY} there are {sum}")));
        }
        before = Some(events);
    }
}

/// Numbers that look random, the same for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
