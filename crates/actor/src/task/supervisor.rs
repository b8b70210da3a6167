//! A supervisor of tasks.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::time::Duration;

use vaxel_runtime::inspect::Children;
use vaxel_runtime::{
    Actor, ActorRef, AnyRef, CallError, Context, ExitReason, Handler, Message, Pid, System,
    TrappedExit,
};

use super::runner::Runner;
use super::slot::Promise;
use super::{TIMEOUT, Task};
use crate::call::call;
use crate::parent::Parent;
use crate::supervisor::{ChildSpec, Shutdown};
use crate::time_limit::until;

/// An actor whose children are tasks: Elixir's `Task.Supervisor`.
///
/// The tasks are linked to it and not to who asks for them; they are temporary: one that ends, for
/// whatever reason, is forgotten. When it stops it ends all of them at once, waits for them up to
/// its limit (five seconds unless told otherwise), and is gone then. When it crashes or is killed
/// they end too.
///
/// ```
/// use vaxel_actor::prelude::*;
/// use vaxel_actor::task::{TaskSupervisor, TaskSupervisorRef};
///
/// # vaxel_actor::Program::new().workers(1).run(async {
/// let jobs = TaskSupervisor::builder().children_max(100).child().name("jobs");
/// let supervisor = Supervisor::one_for_one().child(jobs).start().await?;
///
/// let jobs = TaskSupervisorRef::whereis("jobs").expect("it was given its name");
/// let job = jobs.task(async { 6 * 7 }).await?;
/// assert_eq!(job.await, Ok(42));
/// # drop(supervisor);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct TaskSupervisor {
    parent: Parent,
    children: HashMap<Pid, AnyRef>,
    settings: TaskSupervisorBuilder,
}

/// How a [`TaskSupervisor`] is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a builder does nothing until it starts or becomes a child"]
pub struct TaskSupervisorBuilder {
    children_max: usize,
    shutdown: Duration,
}

/// A reference to a [`TaskSupervisor`]. It dereferences to its `ActorRef`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TaskSupervisorRef(ActorRef<TaskSupervisor>);

/// A task was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartTaskError {
    /// There are `children_max` tasks.
    #[error("the task supervisor has as many tasks as it may have")]
    MaxChildren,
}

impl TaskSupervisor {
    /// Begins a supervisor of any number of tasks, which have five seconds to end when it stops.
    pub fn builder() -> TaskSupervisorBuilder {
        TaskSupervisorBuilder {
            children_max: usize::MAX,
            shutdown: TIMEOUT,
        }
    }

    /// As a child of a supervisor, of any number of tasks.
    pub fn child() -> ChildSpec<TaskSupervisor> {
        Self::builder().child()
    }

    /// Starts one in the current system, of any number of tasks.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn spawn() -> TaskSupervisorRef {
        Self::builder().spawn()
    }
}

impl TaskSupervisorBuilder {
    /// At most so many tasks at a time; one more is refused.
    pub fn children_max(mut self, tasks: usize) -> Self {
        self.children_max = tasks;
        self
    }

    /// How long its tasks may take to come to an await when it stops.
    pub fn shutdown(mut self, limit: Duration) -> Self {
        self.shutdown = limit;
        self
    }

    /// As a child of a supervisor, which waits for it as long as it waits for its tasks.
    pub fn child(self) -> ChildSpec<TaskSupervisor> {
        ChildSpec::new(self).shutdown(Shutdown::Unlimited)
    }

    /// Starts it in the current system.
    ///
    /// # Panics
    /// If there is no current system.
    pub fn spawn(self) -> TaskSupervisorRef {
        TaskSupervisorRef(vaxel_runtime::spawn(self))
    }
}

impl TaskSupervisorRef {
    /// The one that is registered under `name` in the current system.
    pub fn whereis(name: &str) -> Option<Self> {
        System::current().whereis(name).map(TaskSupervisorRef)
    }

    /// Runs a future as a task of this supervisor.
    ///
    /// # Errors
    /// If there are as many as may be, or the supervisor does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the handle; the task may run all the same.
    pub async fn task<F>(&self, future: F) -> Result<Task<F::Output>, CallError<StartTaskError>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let promise = Promise::new();
        let slot = promise.slot();
        let start = StartTask(Box::new(move |cx| {
            cx.spawn_link::<Runner<F>>((future, promise)).erase()
        }));
        let actor = call::<AnyRef, StartTaskError, _, _>(&self.0, start).await?;
        Ok(Task::new(slot, actor))
    }

    /// How many tasks have not ended.
    ///
    /// # Errors
    /// If the supervisor does not answer.
    pub async fn count_children(&self) -> Result<usize, CallError> {
        self.0.call(CountTasks).await
    }
}

impl Actor for TaskSupervisor {
    type Args = TaskSupervisorBuilder;

    async fn init(
        settings: TaskSupervisorBuilder,
        cx: &mut Context<Self>,
    ) -> Result<Self, ExitReason> {
        Ok(TaskSupervisor {
            parent: Parent::trap_exits(cx),
            children: HashMap::new(),
            settings,
        })
    }

    fn children(&self) -> Children {
        Children::new(self.children.len(), self.children.keys().copied())
    }

    async fn terminate(&mut self, _: &ExitReason, cx: &mut Context<Self>) {
        let exits = self.children.values().map(|child| {
            let exit = child.exit();
            child.exit_with(ExitReason::Shutdown);
            exit
        });
        let exits: Vec<_> = exits.collect();
        let all_gone = async {
            for exit in exits {
                exit.await;
            }
        };
        let system = cx.system();
        // Who is late ends at its next await: nothing more can be done to it.
        let _ = until(&system, system.now() + self.settings.shutdown, all_gone).await;
    }
}

/// A task has ended, or somebody else who is linked to this.
impl Handler<TrappedExit> for TaskSupervisor {
    async fn handle(&mut self, exit: TrappedExit, cx: &mut Context<Self>) {
        if self.children.remove(&exit.from).is_none() {
            self.parent.obey(exit, cx);
        }
    }
}

/// Starts a task; its future's type is known inside alone.
struct StartTask(Start);

type Start = Box<dyn FnOnce(&mut Context<TaskSupervisor>) -> AnyRef + Send>;

impl Message for StartTask {
    type Reply = Result<AnyRef, StartTaskError>;
}

impl Handler<StartTask> for TaskSupervisor {
    async fn handle(
        &mut self,
        StartTask(start): StartTask,
        cx: &mut Context<Self>,
    ) -> Result<AnyRef, StartTaskError> {
        if self.children.len() >= self.settings.children_max {
            return Err(StartTaskError::MaxChildren);
        }
        let child = start(cx);
        self.children.insert(child.pid(), child.clone());
        Ok(child)
    }
}

struct CountTasks;

impl Message for CountTasks {
    type Reply = usize;
}

impl Handler<CountTasks> for TaskSupervisor {
    async fn handle(&mut self, _: CountTasks, _: &mut Context<Self>) -> usize {
        self.children.len()
    }
}

impl Deref for TaskSupervisorRef {
    type Target = ActorRef<TaskSupervisor>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<ActorRef<TaskSupervisor>> for TaskSupervisorRef {
    fn from(actor: ActorRef<TaskSupervisor>) -> Self {
        TaskSupervisorRef(actor)
    }
}

impl std::fmt::Debug for TaskSupervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskSupervisor")
            .field("children", &self.children.len())
            .field("settings", &self.settings)
            .finish()
    }
}

impl std::fmt::Debug for TaskSupervisorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
