//! Cron: jobs that are enqueued by the calendar.
//!
//! Which slots have been is stored; firing a slot enqueues its job and moves that mark in one
//! transaction, as a compare-and-set. So a slot fires once, however many processes have the entry
//! and whenever they end. An entry that is new begins with the first slot after it was first seen.
//!
//! # Time zones
//! An expression has five fields and, if it is not meant in UTC, the name of a time zone:
//! `30 3 * * 1-5 Europe/Stockholm`. A slot that the summer's clock leaves out is not fired.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cronexpr::{Crontab, MakeTimestamp};
use vaxel_actor::{Actor, ChildSpec, Context, ExitReason, Handler, Message, secs};
use vaxel_store::{EntityId, Put, Timestamp, Write, WriteError};

use crate::job::Request;
use crate::jobs::Jobs;

/// What becomes of slots that passed while no process was there to fire them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CatchUp {
    /// The last of them is fired. The default.
    #[default]
    Once,
    /// All of them are fired, at most [`Cron::SLOTS_MAX`] at a time.
    All,
    /// Only one that is less than a minute late is fired.
    Skip,
}

/// An expression is wrong.
#[derive(Debug, thiserror::Error)]
#[error("cron entry {name}: {expression:?} is no cron expression: {cause}")]
pub struct CronError {
    name: Arc<str>,
    expression: String,
    cause: String,
}

/// Entries of a calendar, run by one actor; see the [module](self).
#[derive(Clone)]
#[must_use = "entries do nothing before they are started"]
pub struct Cron {
    jobs: Jobs,
    entries: Vec<Arc<Entry>>,
}

struct Entry {
    name: Arc<str>,
    crontab: Crontab,
    catch_up: CatchUp,
    make: Box<dyn Fn(Timestamp) -> Request + Send + Sync>,
}

/// What a [`CronActor`] is started from.
#[derive(Clone)]
pub struct CronArgs(Cron);

impl Cron {
    /// How many slots of an entry are fired at a time.
    pub const SLOTS_MAX: usize = 1_000;

    /// No entries yet.
    pub fn new(jobs: &Jobs) -> Self {
        Cron {
            jobs: jobs.clone(),
            entries: Vec::new(),
        }
    }

    /// Adds an entry: at each slot of the expression, what `make` makes of the slot is enqueued.
    /// The name says which slots have been; it is stored.
    ///
    /// # Errors
    /// If the expression is wrong, or its time zone unknown to this machine.
    pub fn entry(
        mut self,
        name: impl Into<Arc<str>>,
        expression: &str,
        catch_up: CatchUp,
        make: impl Fn(Timestamp) -> Request + Send + Sync + 'static,
    ) -> Result<Self, CronError> {
        let name = name.into();
        let fields = expression.split_whitespace().count();
        let zone = if fields == 5 { " UTC" } else { "" };
        let crontab = cronexpr::parse_crontab(&format!("{expression}{zone}"));
        let crontab = crontab.map_err(|error| CronError {
            name: name.clone(),
            expression: expression.to_owned(),
            cause: error.to_string(),
        })?;
        self.entries.push(Arc::new(Entry {
            name,
            crontab,
            catch_up,
            make: Box::new(make),
        }));
        Ok(self)
    }

    /// The entries as a child of a supervisor.
    pub fn child(self) -> ChildSpec<CronActor> {
        ChildSpec::new(CronArgs(self))
    }
}

impl Entry {
    /// The first slot after a time.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = MakeTimestamp::from_millisecond(after.0).ok()?;
        let next = self.crontab.find_next(after).ok()?;
        Some(Timestamp(next.timestamp().as_millisecond()))
    }

    /// The slots to be fired that have passed, and up to where that looks.
    fn passed(&self, last: Timestamp, now: Timestamp) -> (Vec<Timestamp>, Timestamp) {
        let mut slots = Vec::new();
        let mut seen = last;
        while let Some(slot) = self.next(seen).filter(|slot| *slot <= now) {
            if self.catch_up == CatchUp::All && slots.len() == Cron::SLOTS_MAX {
                break;
            }
            if self.catch_up != CatchUp::All {
                slots.clear();
            }
            slots.push(slot);
            seen = slot;
        }
        if self.catch_up == CatchUp::Skip {
            slots.retain(|slot| now.since(*slot) < secs(60));
        }
        (slots, seen)
    }
}

/// Where an entry is: the last slot that has been, and the version under which that is stored.
#[derive(Clone, Copy)]
struct Mark {
    version: u64,
    last: Timestamp,
}

/// Runs the entries of a [`Cron`].
pub struct CronActor {
    cron: Cron,
    marks: HashMap<Arc<str>, Mark>,
}

/// The time has come to look.
struct Tick;

impl Message for Tick {
    type Reply = ();
}

/// How long the actor sleeps at most: clocks are set, and machines sleep.
const SLEEP_MAX: Duration = secs(30);

/// How long until a store that has failed is asked again.
const AFTER_ERROR: Duration = secs(1);

impl Actor for CronActor {
    type Args = CronArgs;

    async fn init(CronArgs(cron): CronArgs, cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        cx.continue_with(Tick);
        let marks = HashMap::new();
        Ok(CronActor { cron, marks })
    }
}

impl CronActor {
    fn entity(entry: &Entry) -> EntityId {
        EntityId::new(format!("cron/{}", entry.name))
    }

    fn put(entry: &Entry, expected: u64, last: Timestamp) -> Put {
        Put {
            entity: Self::entity(entry),
            expected,
            format: 1,
            payload: Some(last.0.to_le_bytes().to_vec()),
        }
    }

    /// Reads the mark, or makes it: a new entry begins now.
    async fn mark(&self, entry: &Entry) -> Result<Mark, WriteError> {
        let store = self.cron.jobs.store();
        loop {
            let stored = store.load(&Self::entity(entry)).await;
            let stored = stored.map_err(|error| WriteError::NotWritten {
                source: vaxel_store::Fault::new(vaxel_store::FaultKind::Io, error),
            })?;
            let payload = stored.as_ref().and_then(|stored| stored.payload.as_deref());
            if let Some(bytes) = payload.and_then(|payload| payload.try_into().ok()) {
                let version = stored.map_or(0, |stored| stored.version);
                let last = Timestamp(i64::from_le_bytes(bytes));
                return Ok(Mark { version, last });
            }
            let (last, expected) = (self.cron.jobs.now(), stored.map_or(0, |s| s.version));
            match store.put(Self::put(entry, expected, last)).await {
                Ok(version) => return Ok(Mark { version, last }),
                // Another process has made it meanwhile.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Fires the slots of an entry that have passed; answers how long until the next.
    async fn fire(&mut self, entry: &Entry) -> Result<Duration, WriteError> {
        let mark = match self.marks.remove(&entry.name) {
            Some(mark) => mark,
            None => self.mark(entry).await?,
        };
        let jobs = self.cron.jobs.clone();
        let now = jobs.now();
        let (slots, seen) = entry.passed(mark.last, now);
        let mut mark = mark;
        if seen > mark.last {
            let mut write = Write::new().put(Self::put(entry, mark.version, seen));
            let mut queues = Vec::new();
            for slot in slots {
                match (entry.make)(slot).into_new_job(now) {
                    Ok(job) => {
                        queues.push(job.queue.clone());
                        write = write.enqueue(job);
                    }
                    Err(error) => tracing::error!(entry = %entry.name, %error, "a slot is lost"),
                }
            }
            jobs.store().write(write).await?;
            queues.iter().for_each(|queue| jobs.look(queue));
            mark.version += 1;
            mark.last = seen;
        }
        self.marks.insert(entry.name.clone(), mark);
        let next = entry.next(mark.last).map(|next| next.since(jobs.now()));
        Ok(next.unwrap_or(SLEEP_MAX))
    }
}

impl Handler<Tick> for CronActor {
    async fn handle(&mut self, _: Tick, cx: &mut Context<Self>) {
        let mut wait = SLEEP_MAX;
        for entry in self.cron.entries.clone() {
            wait = wait.min(match self.fire(&entry).await {
                Ok(next) => next,
                // Another process was faster: its mark is read at once.
                Err(error) if error.is_conflict() => Duration::ZERO,
                Err(error) => {
                    self.cron.jobs.count().store_errors.fetch_add(1, Relaxed);
                    tracing::warn!(entry = %entry.name, %error, "a slot cannot be fired");
                    AFTER_ERROR
                }
            });
        }
        cx.send_after(wait, Tick);
    }
}
