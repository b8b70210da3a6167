//! Supervisors of a scenario: the lines `sup NAME STRATEGY ...` and `child SUP NAME ...`.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::supervisor::{
    AnySupervisor, AutoShutdown, ChildState, DeleteChildError, RestartChildError, StartChildError,
    SupervisorBuilder, TerminateChildError,
};
use vaxel_actor::{
    Actor, CallError, ChildSpec, ExitReason, Restart, Shutdown, StartError, Supervisor,
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
    let tree = world.state().trees.get(name).cloned().unwrap_or_default();
    let started = match tree.strategy.first().map_or("", String::as_str) {
        "dynamic" => dynamic(world, &tree).await,
        _ => ordered(world, name).await,
    };
    match started {
        Ok(supervisor) => {
            enter(world, name, supervisor).await;
            "ok".to_owned()
        }
        Err(StartError::Child { child, reason }) => {
            format!("failed:{child}:{}", reason::text(&reason))
        }
        Err(StartError::Spec(_)) => "bad_spec".to_owned(),
        Err(StartError::Supervisor(reason)) => reason::text(&reason),
        Err(other) => other.to_string(),
    }
}

async fn ordered(world: &Arc<World>, name: &str) -> Result<AnySupervisor, StartError> {
    let supervisor = builder(world, name).start_in(&world.system).await?;
    Ok(AnySupervisor::Ordered(supervisor))
}

async fn dynamic(world: &Arc<World>, tree: &Tree) -> Result<AnySupervisor, StartError> {
    let mut builder = Supervisor::dynamic();
    if let Some(max) = attribute("max", &tree.strategy) {
        builder = builder.max_restarts(number(max));
    }
    let supervisor = builder.start_in(&world.system).await?;
    Ok(AnySupervisor::Dynamic(supervisor))
}

/// Makes a supervisor and the supervisors below it known by their names.
async fn enter(world: &Arc<World>, name: &str, supervisor: AnySupervisor) {
    let children = supervisor.which_children().await.unwrap_or_default();
    world.enter(name, Entry::Supervisor(supervisor));
    for child in children {
        if let (Some(name), Some(supervisor)) = (child.name, child.supervisor) {
            Box::pin(enter(world, &name, supervisor)).await;
        }
    }
}

fn builder(world: &Arc<World>, name: &str) -> SupervisorBuilder {
    let tree = world.state().trees.get(name).cloned().unwrap_or_default();
    let mut builder = match tree.strategy.first().map_or("", String::as_str) {
        "one_for_all" => Supervisor::one_for_all(),
        "rest_for_one" => Supervisor::rest_for_one(),
        _ => Supervisor::one_for_one(),
    };
    if let Some(max) = attribute("max", &tree.strategy) {
        builder = builder.max_restarts(number(max));
    }
    if let Some(seconds) = attribute("within", &tree.strategy) {
        builder = builder.within(Duration::from_secs(number(seconds).into()));
    }
    match attribute("auto", &tree.strategy) {
        Some("any") => builder = builder.auto_shutdown(AutoShutdown::AnySignificant),
        Some("all") => builder = builder.auto_shutdown(AutoShutdown::AllSignificant),
        _ => {}
    }
    for child in &tree.children {
        builder = match attribute("sup", child) {
            Some(_) => {
                let nested = self::builder(world, &child[0]).into_child();
                builder.child(configured(nested, child))
            }
            None => builder.child(worker(world, child)),
        };
    }
    builder
}

fn worker(world: &Arc<World>, child: &[String]) -> ChildSpec<Process> {
    let birth = Birth::server(world, &child[0], &child[1..]);
    configured(ChildSpec::new(birth), child)
}

/// What the words of a child say besides its beginning.
fn configured<A: Actor>(spec: ChildSpec<A>, child: &[String]) -> ChildSpec<A> {
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
    name: &str,
    supervisor: &AnySupervisor,
    child: &[String],
) -> String {
    match op {
        "which" => which(supervisor).await,
        "count" => count(supervisor).await,
        "start_child" => start_child(world, name, supervisor, child).await,
        _ => change(op, supervisor, child.first().map_or("", String::as_str)).await,
    }
}

async fn start_child(
    world: &Arc<World>,
    name: &str,
    supervisor: &AnySupervisor,
    child: &[String],
) -> String {
    let started = match supervisor {
        AnySupervisor::Ordered(supervisor) => supervisor.start_child(worker(world, child)).await,
        AnySupervisor::Dynamic(supervisor) => {
            // Its one line `child` is the template.
            let trees = world.state().trees.get(name).cloned().unwrap_or_default();
            let template = trees.children.first().cloned().unwrap_or_default();
            let words = [&child[..1], template.get(1..).unwrap_or_default()].concat();
            supervisor.start_child(worker(world, &words)).await
        }
        _ => return "unknown kind of supervisor".to_owned(),
    };
    if let Err(CallError::Handler(StartChildError::Init(ExitReason::Normal))) = &started {
        return "ignore".to_owned();
    }
    answer(started.map(drop), |error| match error {
        StartChildError::Init(reason) => reason::text(reason),
        StartChildError::AlreadyStarted(_) => "already_started".to_owned(),
        StartChildError::AlreadyPresent => "already_present".to_owned(),
        other => other.to_string(),
    })
}

async fn change(op: &str, supervisor: &AnySupervisor, child: &str) -> String {
    let terminated = |error: &TerminateChildError| match error {
        TerminateChildError::NotFound => "not_found".to_owned(),
        other => other.to_string(),
    };
    match (op, supervisor) {
        ("terminate_child", AnySupervisor::Ordered(supervisor)) => {
            answer(supervisor.terminate_child(child).await, terminated)
        }
        ("terminate_child", AnySupervisor::Dynamic(supervisor)) => {
            answer(supervisor.terminate_child(child).await, terminated)
        }
        ("restart_child", AnySupervisor::Ordered(supervisor)) => {
            let restarted = supervisor.restart_child(child).await;
            answer(restarted.map(drop), |error| match error {
                RestartChildError::NotFound => "not_found".to_owned(),
                RestartChildError::Running => "running".to_owned(),
                RestartChildError::Restarting => "restarting".to_owned(),
                RestartChildError::Init(reason) => reason::text(reason),
                other => other.to_string(),
            })
        }
        ("delete_child", AnySupervisor::Ordered(supervisor)) => {
            answer(supervisor.delete_child(child).await, |error| match error {
                DeleteChildError::NotFound => "not_found".to_owned(),
                DeleteChildError::Running => "running".to_owned(),
                DeleteChildError::Restarting => "restarting".to_owned(),
                other => other.to_string(),
            })
        }
        _ => "unknown".to_owned(),
    }
}

fn answer<E: Display>(result: Result<(), CallError<E>>, text: impl FnOnce(&E) -> String) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(CallError::Handler(error)) => format!("error:{}", text(&error)),
        Err(other) => format!("error:{other}"),
    }
}

async fn which(supervisor: &AnySupervisor) -> String {
    let children = supervisor.which_children().await.unwrap_or_default();
    let mut words: Vec<String> = children
        .iter()
        .map(|child| {
            let state = match child.state {
                ChildState::Stopped => "down",
                ChildState::Restarting => "restarting",
                _ => "up",
            };
            format!(" {}={state}", child.name.as_deref().unwrap_or("nobody"))
        })
        .collect();
    words.sort();
    words.concat()
}

async fn count(supervisor: &AnySupervisor) -> String {
    let counts = supervisor.count_children().await.unwrap_or_default();
    // OTP counts one spec for all children of a dynamic supervisor: a spec is no child there.
    let specs = match supervisor {
        AnySupervisor::Ordered(_) => format!(" specs={}", counts.total),
        _ => String::new(),
    };
    format!(
        "{specs} active={} supervisors={} workers={}",
        counts.active, counts.supervisors, counts.workers
    )
}
