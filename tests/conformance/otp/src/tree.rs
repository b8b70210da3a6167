//! Supervisors of a scenario: the lines `sup NAME STRATEGY ...` and `child SUP NAME ...`.

use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::supervisor::{
    ChildState, DeleteChildError, RestartChildError, StartChildError, SupervisorBuilder,
    TerminateChildError,
};
use vaxel_actor::{
    AutoShutdown, CallError, ChildSpec, Restart, Shutdown, StartError, Supervisor, SupervisorRef,
};

use crate::entry::Entry;
use crate::process::{Birth, Process, number};
use crate::reason;
use crate::scenario::{Words, attribute};
use crate::world::World;

/// A supervisor as the scenario describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    pub(crate) strategy: Words,
    pub(crate) children: Vec<Words>,
}

/// Starts a supervisor with all that is below it.
pub(crate) async fn start(world: &Arc<World>, name: &str) -> String {
    let Some(builder) = builder(world, name) else {
        return "unsupported".to_owned();
    };
    match builder.start_in(&world.system).await {
        Ok(supervisor) => {
            enter(world, name, supervisor).await;
            "ok".to_owned()
        }
        Err(StartError::Child { child, reason }) => {
            format!("failed:{child}:{}", reason::text(&reason))
        }
        Err(StartError::Supervisor(reason)) => reason::text(&reason),
        Err(other) => other.to_string(),
    }
}

/// Makes a supervisor and the supervisors below it known by their names.
async fn enter(world: &Arc<World>, name: &str, supervisor: SupervisorRef) {
    let children = supervisor.which_children().await.unwrap_or_default();
    world.enter(name, Entry::Supervisor(supervisor));
    for child in children {
        let supervisor = child.supervisor.as_ref().and_then(|child| child.ordered());
        if let (Some(name), Some(supervisor)) = (child.name, supervisor) {
            Box::pin(enter(world, &name, supervisor.clone())).await;
        }
    }
}

fn builder(world: &Arc<World>, name: &str) -> Option<SupervisorBuilder> {
    let tree = world.state().trees.get(name).cloned().unwrap_or_default();
    let [strategy, attributes @ ..] = tree.strategy.as_slice() else {
        return None;
    };
    let mut builder = match strategy.as_str() {
        "one_for_one" => Supervisor::one_for_one(),
        "one_for_all" => Supervisor::one_for_all(),
        "rest_for_one" => Supervisor::rest_for_one(),
        _ => {
            world.unsupported(&tree.strategy);
            return None;
        }
    };
    builder = match attribute("auto", attributes) {
        Some("any") | Some("any_significant") => {
            builder.auto_shutdown(AutoShutdown::AnySignificant)
        }
        Some("all") | Some("all_significant") => {
            builder.auto_shutdown(AutoShutdown::AllSignificant)
        }
        Some("never") | None => builder,
        Some(_) => {
            world.unsupported(&tree.strategy);
            builder
        }
    };
    if let Some(max) = attribute("max", attributes) {
        builder = builder.max_restarts(number(max));
    }
    if let Some(seconds) = attribute("within", attributes) {
        builder = builder.within(Duration::from_secs(number(seconds).into()));
    }
    for child in &tree.children {
        let name = &child[0];
        builder = match attribute("sup", child) {
            Some(_) => {
                let nested = self::builder(world, name)?.into_child();
                builder.child(configured(nested, child))
            }
            None => builder.child(worker(world, child)),
        };
    }
    Some(builder)
}

fn worker(world: &Arc<World>, child: &[String]) -> ChildSpec<Process> {
    let birth = Birth::server(world, &child[0], &child[1..]);
    configured(ChildSpec::new(birth), child)
}

/// What the words of a child say besides its beginning.
fn configured<A: vaxel_actor::Actor>(spec: ChildSpec<A>, child: &[String]) -> ChildSpec<A> {
    let mut spec = spec.name(child[0].as_str());
    for word in &child[1..] {
        spec = match word.as_str() {
            "permanent" => spec.restart(Restart::Permanent),
            "transient" => spec.restart(Restart::Transient),
            "temporary" => spec.restart(Restart::Temporary),
            "significant" => spec.significant(),
            _ => spec,
        };
    }
    match attribute("shutdown", &child[1..]) {
        None => spec,
        Some("kill") => spec.shutdown(Shutdown::Kill),
        Some("infinity") => spec.shutdown(Shutdown::Unlimited),
        Some(ms) => spec.shutdown(Duration::from_millis(number(ms).into())),
    }
}

/// What a supervisor is asked; the answer in OTP's words.
pub(crate) async fn ask(
    world: &Arc<World>,
    op: &str,
    supervisor: &SupervisorRef,
    child: &[String],
) -> String {
    let name = child.first().map_or("", String::as_str);
    match op {
        "which" => return which(supervisor).await,
        "count" => return count(supervisor).await,
        "start_child" => {
            let started = supervisor.start_child(worker(world, child)).await;
            return started.map_or_else(|error| refused(&error), |_| "ok".to_owned());
        }
        _ => {}
    }
    let answer = match op {
        "terminate_child" => supervisor
            .terminate_child(name)
            .await
            .map_err(|error| match error {
                CallError::Handler(TerminateChildError::NotFound) => "error:not_found".to_owned(),
                other => reason::of_call(&other),
            }),
        "restart_child" => supervisor
            .restart_child(name)
            .await
            .map_err(|error| match error {
                CallError::Handler(RestartChildError::NotFound) => "error:not_found".to_owned(),
                CallError::Handler(RestartChildError::Running) => "error:running".to_owned(),
                CallError::Handler(RestartChildError::Restarting) => "error:restarting".to_owned(),
                CallError::Handler(RestartChildError::Init(reason)) => {
                    format!("error:{}", reason::text(&reason))
                }
                other => reason::of_call(&other),
            }),
        "delete_child" => supervisor
            .delete_child(name)
            .await
            .map_err(|error| match error {
                CallError::Handler(DeleteChildError::NotFound) => "error:not_found".to_owned(),
                CallError::Handler(DeleteChildError::Running) => "error:running".to_owned(),
                CallError::Handler(DeleteChildError::Restarting) => "error:restarting".to_owned(),
                other => reason::of_call(&other),
            }),
        _ => {
            world.unsupported(&[op.to_owned()]);
            Err("unsupported".to_owned())
        }
    };
    answer.map_or_else(|error| error, |()| "ok".to_owned())
}

fn refused(error: &CallError<StartChildError>) -> String {
    match error {
        CallError::Handler(StartChildError::Init(reason)) => {
            format!("error:{}", reason::text(reason))
        }
        CallError::Handler(StartChildError::AlreadyPresent) => "error:already_present".to_owned(),
        CallError::Handler(StartChildError::AlreadyStarted(_) | StartChildError::Name(_)) => {
            "error:already_started".to_owned()
        }
        other => format!("error:{other}"),
    }
}

async fn which(supervisor: &SupervisorRef) -> String {
    let children = supervisor.which_children().await.unwrap_or_default();
    let mut words: Vec<String> = children
        .iter()
        .map(|child| {
            let up = child.state != ChildState::Stopped;
            let state = if up { "up" } else { "down" };
            format!(" {}={state}", child.name.as_deref().unwrap_or("nobody"))
        })
        .collect();
    words.sort();
    words.concat()
}

async fn count(supervisor: &SupervisorRef) -> String {
    let counts = supervisor.count_children().await.unwrap_or_default();
    format!(
        " specs={} active={} supervisors={} workers={}",
        counts.total,
        counts.active,
        counts.supervisors,
        counts.total - counts.supervisors
    )
}
