//! Many children from one template, each with arguments of its own.
//!
//! OTP's `simple_one_for_one`: a [dynamic supervisor](super::DynamicSupervisor) that is told once
//! how a child is made, and then only for what.
//!
//! ```
//! use vaxel_actor::prelude::*;
//! use vaxel_actor::supervisor::SimpleOneForOneRef;
//!
//! #[derive(Debug)]
//! struct Session {
//!     user: u64,
//! }
//!
//! #[actor(crate = vaxel_actor)]
//! impl Session {
//!     fn init(user: u64) -> Self {
//!         Session { user }
//!     }
//!
//!     #[call]
//!     fn user(&mut self) -> u64 {
//!         self.user
//!     }
//! }
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let sessions = Supervisor::simple_one_for_one(|user| Session::child(user).temporary());
//! let tree = Supervisor::one_for_one().child(sessions.into_child().name("sessions"));
//! let _tree = tree.start().await?;
//!
//! let sessions = SimpleOneForOneRef::<u64, Session>::whereis("sessions").await?;
//! let session: SessionRef = sessions.start_child(42).await?.into();
//! assert_eq!(session.user().await, Ok(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use vaxel_runtime::{Actor, ActorRef, CallError, System};

use super::dynamic::TemplateOf;
use super::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorBuilder, DynamicSupervisorRef, StartChildError,
    StartError,
};

type Template<K, A> = dyn Fn(K) -> ChildSpec<A> + Send + Sync;

/// What is kept by the supervisor, whose type knows nothing of it.
struct Kept<K, A: Actor>(Arc<Template<K, A>>);

/// A supervisor of like children before it is started. Made by
/// [`Supervisor::simple_one_for_one`](crate::Supervisor::simple_one_for_one).
#[must_use = "a supervisor does nothing before it is started"]
pub struct SimpleOneForOneBuilder<K, A: Actor> {
    template: Arc<Template<K, A>>,
    dynamic: DynamicSupervisorBuilder,
}

impl<K: Send + 'static, A: Actor> SimpleOneForOneBuilder<K, A> {
    pub(super) fn new(template: impl Fn(K) -> ChildSpec<A> + Send + Sync + 'static) -> Self {
        let template: Arc<Template<K, A>> = Arc::new(template);
        let mut dynamic = DynamicSupervisorBuilder::new();
        dynamic.template = Some(Arc::new(Kept(template.clone())));
        SimpleOneForOneBuilder { template, dynamic }
    }

    /// More restarts than this within the window end the supervisor. Three unless told otherwise.
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.dynamic = self.dynamic.max_restarts(restarts);
        self
    }

    /// The window in which restarts are counted. Five seconds unless told otherwise.
    pub fn within(mut self, window: Duration) -> Self {
        self.dynamic = self.dynamic.within(window);
        self
    }

    /// How many children it may have; [`CHILDREN_MAX`](super::CHILDREN_MAX) unless told otherwise.
    pub fn children_max(mut self, children: usize) -> Self {
        self.dynamic = self.dynamic.children_max(children);
        self
    }

    /// Makes it a child of another supervisor. Give it a name: that is how it is found.
    pub fn into_child(self) -> ChildSpec<DynamicSupervisor> {
        self.dynamic.into_child()
    }

    /// Starts it in the current system; see [`DynamicSupervisorBuilder::start_in`].
    ///
    /// # Panics
    /// When called outside of every system.
    pub fn start(
        self,
    ) -> impl Future<Output = Result<SimpleOneForOneRef<K, A>, StartError>> + Send {
        let started = self.dynamic.start_in(&System::current());
        let template = self.template;
        async move {
            Ok(SimpleOneForOneRef {
                supervisor: started.await?,
                template,
            })
        }
    }
}

/// A reference to a supervisor of like children. It dereferences to the
/// [`DynamicSupervisorRef`], whose other methods it shares.
pub struct SimpleOneForOneRef<K, A: Actor> {
    supervisor: DynamicSupervisorRef,
    template: Arc<Template<K, A>>,
}

impl<K: Send + 'static, A: Actor> SimpleOneForOneRef<K, A> {
    /// The supervisor that is registered under `name` in the current system and makes `A`s out of
    /// `K`s.
    ///
    /// # Errors
    /// When nobody has the name or the supervisor has ended ([`CallError::Closed`]), when its
    /// template is another one ([`StartChildError::Template`]), or when it does not answer.
    pub async fn whereis(name: &str) -> Result<Self, CallError<StartChildError>> {
        let supervisor = DynamicSupervisorRef::whereis(name).ok_or(CallError::Closed)?;
        let template = supervisor
            .call(TemplateOf)
            .await
            .map_err(CallError::widen)?;
        let any: Option<&(dyn Any + Send + Sync)> = template.as_deref();
        let kept = any.and_then(|template| template.downcast_ref::<Kept<K, A>>());
        let Kept(template) = kept.ok_or(CallError::Handler(StartChildError::Template))?;
        Ok(SimpleOneForOneRef {
            template: template.clone(),
            supervisor,
        })
    }

    /// Makes a child for these arguments; see [`DynamicSupervisorRef::start_child`]. The template
    /// runs here, not in the supervisor.
    ///
    /// # Errors
    /// As [`DynamicSupervisorRef::start_child`].
    pub async fn start_child(
        &self,
        arguments: K,
    ) -> Result<ActorRef<A>, CallError<StartChildError>> {
        self.supervisor
            .start_child((self.template)(arguments))
            .await
    }
}

impl<K, A: Actor> Deref for SimpleOneForOneRef<K, A> {
    type Target = DynamicSupervisorRef;

    fn deref(&self) -> &Self::Target {
        &self.supervisor
    }
}

impl<K, A: Actor> Clone for SimpleOneForOneRef<K, A> {
    fn clone(&self) -> Self {
        SimpleOneForOneRef {
            supervisor: self.supervisor.clone(),
            template: self.template.clone(),
        }
    }
}

impl<K, A: Actor> fmt::Debug for SimpleOneForOneRef<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.supervisor.fmt(f)
    }
}

impl<K, A: Actor> fmt::Debug for SimpleOneForOneBuilder<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dynamic.fmt(f)
    }
}
