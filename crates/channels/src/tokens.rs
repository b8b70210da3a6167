//! How much one token may take: connections, and channels joined over them.
//!
//! The token is the auth token of a connect request or, where there is none, its session; both are
//! counted after the connect hook has said yes, so that nobody fills another's account with tokens
//! he has made up. Of a token only a keyed hash is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::refusal::Refusal;
use crate::socket::connect::ConnectRequest;

/// The accounts of all tokens that somebody is connected with.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    hasher: RandomState,
    accounts: Mutex<HashMap<u64, Arc<Account>>>,
}

#[derive(Debug, Default)]
struct Account {
    /// Written under the lock only.
    connections: AtomicU32,
    channels: AtomicU32,
}

/// A token by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenKey(u64);

/// One connection in the account of its token.
#[derive(Debug)]
pub(crate) struct TokenSeat {
    tokens: Arc<Tokens>,
    key: TokenKey,
    account: Arc<Account>,
    has_left: AtomicBool,
}

impl Tokens {
    /// Whom a request counts for; nobody when it has neither token nor session.
    pub(crate) fn key(&self, request: &ConnectRequest) -> Option<TokenKey> {
        let hash = match (&request.auth_token, &request.session) {
            (Some(token), _) => self.hasher.hash_one(token),
            (None, Some(session)) => {
                // Members are in the order of their names, so equal sessions have equal texts.
                let text = serde_json::to_string(session).expect("a session has a JSON form");
                self.hasher.hash_one(text)
            }
            (None, None) => return None,
        };
        Some(TokenKey(hash))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One connection more; refused when there are `connections_max`.
    pub(crate) fn enter(
        self: &Arc<Self>,
        key: TokenKey,
        connections_max: u32,
    ) -> Result<TokenSeat, Refusal> {
        let mut accounts = self.lock();
        let account = accounts.get(&key.0);
        let connections = account.map_or(0, |account| account.connections.load(Relaxed));
        if connections >= connections_max {
            return Err(Refusal::new("too many connections with this token").with_status(429));
        }
        let account = Arc::clone(accounts.entry(key.0).or_default());
        account.connections.store(connections + 1, Relaxed);
        Ok(TokenSeat {
            tokens: Arc::clone(self),
            key,
            account,
            has_left: AtomicBool::new(false),
        })
    }
}

impl TokenSeat {
    /// Channels joined with the token, over all its connections.
    pub(crate) fn channels(&self) -> u32 {
        self.account.channels.load(Relaxed)
    }

    /// A channel is being joined.
    pub(crate) fn join(&self) {
        self.account.channels.fetch_add(1, Relaxed);
    }

    /// A channel is no more.
    pub(crate) fn part(&self) {
        self.account.channels.fetch_sub(1, Relaxed);
    }

    /// The connection has ended, whoever still keeps what was assigned to it. Once is enough.
    pub(crate) fn leave(&self) {
        if self.has_left.swap(true, Relaxed) {
            return;
        }
        let mut accounts = self.tokens.lock();
        let connections = self.account.connections.load(Relaxed) - 1;
        self.account.connections.store(connections, Relaxed);
        if connections == 0 {
            accounts.remove(&self.key.0);
        }
    }
}

impl Drop for TokenSeat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TokenKey = TokenKey(7);

    #[test]
    fn connections_of_a_token_are_bounded_and_it_is_forgotten_with_the_last() {
        let tokens = Arc::new(Tokens::default());
        let first = tokens.enter(KEY, 2).unwrap();
        let second = tokens.enter(KEY, 2).unwrap();
        assert_eq!(tokens.enter(KEY, 2).unwrap_err().status(), 429);
        assert!(tokens.enter(TokenKey(8), 2).is_ok());
        first.leave();
        drop(first);
        let again = tokens.enter(KEY, 2).unwrap();
        assert!(tokens.enter(KEY, 2).is_err(), "one left twice");
        drop((second, again));
        assert!(tokens.lock().is_empty());
    }

    #[test]
    fn connections_of_a_token_share_its_channels() {
        let tokens = Arc::new(Tokens::default());
        let (first, second) = (tokens.enter(KEY, 2).unwrap(), tokens.enter(KEY, 2).unwrap());
        first.join();
        second.join();
        assert_eq!(first.channels(), 2);
        second.part();
        assert_eq!(first.channels(), 1);
    }
}
