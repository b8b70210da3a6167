//! Agents: a state of any type as an actor, looked at and changed by closures.
//!
//! For state that several actors share and that needs no behaviour of its own. The words and rules
//! are those of Elixir's `Agent`: [`get`](AgentRef::get), [`update`](AgentRef::update),
//! [`get_and_update`](AgentRef::get_and_update) and [`cast`](AgentRef::cast).
//!
//! # Order
//! Closures run one after another, those of one sender in the order in which they were sent. Each
//! has the state to itself: what one `get_and_update` reads and writes nobody sees half done.
//! A closure runs in the agent; a long one keeps the others waiting, and what is long and needs no
//! state belongs outside of it.
//!
//! # Failure
//! A closure that panics crashes the agent alone, and its caller gets the crash. The state is lost:
//! a supervised agent starts again with what its `init` makes, at the same address and with the
//! same name.
//!
//! # Time, cancellation, bounds
//! The three with an answer are calls: sent when they are made, five seconds unless told otherwise
//! ([`Call::timeout`]); after a time-out, or when the call is dropped, the closure runs all the
//! same. At most 1,024 closures wait; one more is refused.
//!
//! # Differences from Elixir
//! A closure changes the state in place rather than giving a new one back. There is no form that
//! names a module and a function.
//!
//! ```
//! use std::collections::HashMap;
//!
//! use vaxel_actor::agent::{Agent, AgentRef};
//! use vaxel_actor::prelude::*;
//!
//! type Scores = HashMap<&'static str, u32>;
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let scores = Agent::child(Scores::new).name("scores");
//! let supervisor = Supervisor::one_for_one().child(scores).start().await?;
//!
//! let scores = AgentRef::<Scores>::whereis("scores").expect("it was given its name");
//! scores.update(|scores| *scores.entry("Ada").or_default() += 3).await?;
//! scores.cast(|scores| *scores.entry("Ada").or_default() += 4)?;
//! assert_eq!(scores.get(|scores| scores["Ada"]).await, Ok(7));
//! assert_eq!(scores.get_and_update(|scores| scores.remove("Ada")).await, Ok(Some(7)));
//!
//! let crash = scores.get(|scores| scores["Bob"]).await;
//! assert!(matches!(crash, Err(CallError::Crashed(_))));
//! # drop(supervisor);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod closures;

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use vaxel_runtime::{Actor, ActorRef, Context, ExitReason, SendError, System};

pub use self::closures::{Get, GetAndUpdate, Update};
use crate::call::{Call, call, cast};
use crate::supervisor::ChildSpec;

/// The actor of an agent whose state is an `S`; see the [module](self).
pub struct Agent<S> {
    state: S,
}

/// What an [`Agent`] is started from: makes the state of each incarnation.
pub struct AgentInit<S>(Arc<dyn Fn() -> S + Send + Sync>);

/// A reference to an [`Agent`]: cheap to clone, valid across restarts.
///
/// It dereferences to the agent's `ActorRef`, for stopping, monitors and links.
pub struct AgentRef<S>(ActorRef<Agent<S>>);

impl<S: Send + 'static> Agent<S> {
    /// Starts an agent in the current system; `init` runs in it.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn spawn(init: impl FnOnce() -> S + Send + 'static) -> AgentRef<S> {
        AgentRef(vaxel_runtime::spawn(AgentInit::once(init)))
    }

    /// As [`spawn`](Self::spawn) in `system`.
    pub fn spawn_in(system: &System, init: impl FnOnce() -> S + Send + 'static) -> AgentRef<S> {
        AgentRef(system.spawn(AgentInit::once(init)))
    }

    /// Starts an agent that is linked to the actor whose context this is.
    pub fn linked<A: Actor>(
        cx: &mut Context<A>,
        init: impl FnOnce() -> S + Send + 'static,
    ) -> AgentRef<S> {
        AgentRef(cx.spawn_link(AgentInit::once(init)))
    }

    /// An agent as a child of a supervisor; `init` makes the state of every incarnation.
    pub fn child(init: impl Fn() -> S + Send + Sync + 'static) -> ChildSpec<Agent<S>> {
        ChildSpec::new(AgentInit(Arc::new(init)))
    }
}

impl<S> AgentInit<S> {
    /// For an agent that nobody restarts.
    fn once(init: impl FnOnce() -> S + Send + 'static) -> Self {
        let init = Mutex::new(Some(init));
        AgentInit(Arc::new(move || {
            let init = init.lock().unwrap_or_else(PoisonError::into_inner).take();
            let init = init.unwrap_or_else(|| unreachable!("only children are started again"));
            init()
        }))
    }
}

impl<S: Send + 'static> Actor for Agent<S> {
    type Args = AgentInit<S>;

    async fn init(
        AgentInit(init): AgentInit<S>,
        _: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        Ok(Agent { state: init() })
    }
}

impl<S: Send + 'static> AgentRef<S> {
    /// The agent with a state of this type that is registered under `name` in the current system.
    pub fn whereis(name: &str) -> Option<Self> {
        System::current().whereis(name).map(AgentRef)
    }

    /// What `look` makes of the state.
    pub fn get<F, R>(&self, look: F) -> Call<R, Infallible, Get<F, R>>
    where
        F: FnOnce(&S) -> R + Send + 'static,
        R: Send + 'static,
    {
        call(&self.0, Get::new(look))
    }

    /// Changes the state, and waits until it is changed.
    pub fn update<F>(&self, change: F) -> Call<(), Infallible, Update<F>>
    where
        F: FnOnce(&mut S) + Send + 'static,
    {
        call(&self.0, Update(change))
    }

    /// Changes the state; what `change` returns is the answer.
    pub fn get_and_update<F, R>(&self, change: F) -> Call<R, Infallible, GetAndUpdate<F, R>>
    where
        F: FnOnce(&mut S) -> R + Send + 'static,
        R: Send + 'static,
    {
        call(&self.0, GetAndUpdate::new(change))
    }

    /// Has the state changed, without waiting.
    ///
    /// # Errors
    /// If too many closures wait, or the agent has ended; the closure comes back.
    pub fn cast<F>(&self, change: F) -> Result<(), SendError<F>>
    where
        F: FnOnce(&mut S) + Send + 'static,
    {
        cast(&self.0, Update(change), |Update(change)| change)
    }
}

impl<S> Clone for AgentInit<S> {
    fn clone(&self) -> Self {
        AgentInit(self.0.clone())
    }
}

impl<S: Send + 'static> Deref for AgentRef<S> {
    type Target = ActorRef<Agent<S>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S> From<ActorRef<Agent<S>>> for AgentRef<S> {
    fn from(actor: ActorRef<Agent<S>>) -> Self {
        AgentRef(actor)
    }
}

impl<S> Clone for AgentRef<S> {
    fn clone(&self) -> Self {
        AgentRef(self.0.clone())
    }
}

impl<S> PartialEq for AgentRef<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<S> Eq for AgentRef<S> {}

impl<S> Hash for AgentRef<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl<S> std::fmt::Debug for Agent<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

impl<S> std::fmt::Debug for AgentInit<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentInit").finish_non_exhaustive()
    }
}

impl<S: Send + 'static> std::fmt::Debug for AgentRef<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
