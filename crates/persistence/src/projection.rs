//! Projections: views that are made of everybody's events.
//!
//! A projection reads events in the order of their commit and remembers how far it has come. What
//! it adds to the [`Write`] that it is given is committed together with its offset, so each event
//! counts **exactly once** in views that live in the same store. What it does elsewhere may be
//! done **again** after a crash, for the events of the last page: there, remember the offset of
//! the last event with what you write, and pass over what is not beyond it.
//!
//! Of two projections of one name that run at once, one is refused and ends.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::{Actor, ChildSpec, Context, ExitReason, Handler, Message};
use vaxel_store::{Offset, SaveOffset, TailedEvent, Write};

use crate::Persistence;

/// What a projection failed with. Its actor ends, and goes on at its offset when it is restarted.
pub type ProjectionError = Box<dyn Error + Send + Sync>;

/// A view of events; see the [module](self).
pub trait Projection: Send + 'static {
    /// Under which name its offset is stored.
    const NAME: &'static str;

    /// Only events with this tag. Default: all.
    fn tag(&self) -> Option<Arc<str>> {
        None
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// Ends the projection. Nothing of the page in which it fails is committed.
    fn project(
        &mut self,
        event: &TailedEvent,
        write: &mut Write,
    ) -> impl Future<Output = Result<(), ProjectionError>> + Send;
}

/// Events that are taken in with one commit, at most.
const PAGE: usize = 500;

/// How often a projection looks for events that another process has committed.
const POLL: Duration = Duration::from_millis(100);

/// What a [`ProjectionActor`] is started from.
pub struct ProjectionArgs<P> {
    persistence: Persistence,
    make: Arc<dyn Fn() -> P + Send + Sync>,
}

impl<P> Clone for ProjectionArgs<P> {
    fn clone(&self) -> Self {
        ProjectionArgs {
            persistence: self.persistence.clone(),
            make: self.make.clone(),
        }
    }
}

/// The actor that runs a projection: a child of a supervisor.
pub struct ProjectionActor<P> {
    projection: P,
    offset: Offset,
    persistence: Persistence,
}

impl<P: Projection> ProjectionActor<P> {
    /// A projection as a child of a supervisor; `make` makes each incarnation.
    pub fn child(
        persistence: &Persistence,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> ChildSpec<Self> {
        ChildSpec::new(ProjectionArgs {
            persistence: persistence.clone(),
            make: Arc::new(make),
        })
    }

    /// Takes in what there is, up to a page. False when there was nothing.
    async fn advance(&mut self) -> Result<bool, ProjectionError> {
        let store = self.persistence.store().clone();
        let tag = self.projection.tag();
        let page = store.tail(self.offset, tag, PAGE).await?;
        let Some(last) = page.last().map(|tailed| tailed.event.offset) else {
            return Ok(false);
        };
        let mut write = Write::new();
        for event in &page {
            self.projection.project(event, &mut write).await?;
        }
        let save = SaveOffset {
            projection: P::NAME.into(),
            expected: self.offset,
            offset: last,
        };
        store.write(write.save_offset(save)).await?;
        self.offset = last;
        Ok(true)
    }
}

/// Tells a projection to go on.
struct Advance;

impl Message for Advance {
    type Reply = ();
}

impl<P: Projection> Actor for ProjectionActor<P> {
    type Args = ProjectionArgs<P>;

    async fn init(args: ProjectionArgs<P>, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        let ProjectionArgs { persistence, make } = args;
        let offset = persistence.store().projection(P::NAME).await;
        let offset = offset.map_err(|error| ExitReason::error(shown(&error)))?;
        cx.continue_with(Advance);
        Ok(ProjectionActor {
            projection: make(),
            offset,
            persistence,
        })
    }

    fn inspect(&self) -> Option<String> {
        Some(format!("{} at {}", P::NAME, self.offset))
    }
}

fn shown(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

impl<P: Projection> Handler<Advance> for ProjectionActor<P> {
    async fn handle(&mut self, _: Advance, cx: &mut Context<Self>) {
        let persistence = self.persistence.clone();
        // Before looking, so that no commit is missed in between.
        let committed = persistence.next_commit().notified();
        match self.advance().await {
            Ok(true) => {}
            Ok(false) => {
                // Whichever comes first; a commit of another process tells nobody.
                let _ = vaxel_actor::time::timeout(POLL, committed).await;
            }
            Err(error) => {
                let failed = format!("projection {}: {}", P::NAME, shown(&*error));
                cx.stop_with(ExitReason::error(failed));
                return;
            }
        }
        // Behind the mail that waits, so that it can be asked and stopped.
        if cx.me().cast(Advance).is_err() {
            cx.send_after(POLL, Advance);
        }
    }
}
