//! Actors that store their newest state and no log.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use vaxel_persistence::{Command, Durable, Json, Persistence, States, Stored, Update};
//! use vaxel_store::Memory;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Profile {
//!     visits: u64,
//! }
//!
//! impl Durable for Profile {
//!     const KIND: &'static str = "profile";
//!     type Format = Json;
//!
//!     fn new(_key: &str) -> Self {
//!         Profile { visits: 0 }
//!     }
//! }
//!
//! struct Visit;
//! impl Command for Visit {
//!     type Reply = u64;
//! }
//! impl Update<Visit> for Profile {
//!     async fn update(_: Visit, profile: &mut Stored<'_, Self>) -> u64 {
//!         profile.visits += 1; // to change it is to have it stored
//!         profile.visits
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let profiles = States::<Profile>::new(&Persistence::new(Memory::new()));
//! assert_eq!(profiles.execute("ada", Visit).await?, 1);
//! assert_eq!(profiles.execute("ada", Visit).await?, 2);
//! # Ok::<(), vaxel_persistence::ExecuteError>(())
//! # }).unwrap();
//! ```

mod actor;
mod states;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::actor::{DurableActor, DurableArgs, Stored};
pub use self::states::States;
use crate::codec::{Codec, DecodeError};
use crate::event_sourced::{Command, Upcast};

/// A state that is stored whole after each change; see the [module](self).
///
/// Each write names the version that was read: of two actors for one key the slower one is
/// refused, ends, and reads again when it is started.
pub trait Durable: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The first part of the names of its states, as in `profile/ada`. Stored: never change it.
    const KIND: &'static str;

    /// The version in which states are written; see [`upcast`](Self::upcast). Default: 1.
    const VERSION: u16 = 1;

    /// How states are stored.
    type Format: Codec;

    /// The state before the first change.
    fn new(key: &str) -> Self;

    /// Reads a state of another [`VERSION`](Self::VERSION).
    ///
    /// # Errors
    /// When there is no such version, which is the default: the actor does not start.
    fn upcast(stored: Upcast<'_>) -> Result<Self, DecodeError> {
        let version = stored.version;
        Err(DecodeError::new(format!(
            "a state has the unknown version {version}"
        )))
    }
}

/// How a [`Durable`] actor executes a command.
pub trait Update<C: Command>: Durable {
    /// Changes the state and answers; the answer waits until the change is stored.
    ///
    /// May await; mail waits meanwhile. A panic ends the actor, and nothing is stored.
    fn update(command: C, state: &mut Stored<'_, Self>) -> impl Future<Output = C::Reply> + Send;
}
