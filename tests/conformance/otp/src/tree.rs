//! Supervisors of a scenario: the lines `sup NAME STRATEGY ...` and `child SUP NAME ...`.

use std::sync::Arc;
use std::time::Duration;

use vaxel_actor::supervisor::{ChildId, ChildState, StartChildError, SupervisorBuilder};
use vaxel_actor::{CallError, ChildSpec, Restart, Shutdown, StartError, Supervisor, SupervisorRef};

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
        if let (Some(name), Some(supervisor)) = (child.name, child.supervisor) {
            Box::pin(enter(world, &name, supervisor)).await;
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
        _ => {
            world.unsupported(&tree.strategy);
            return None;
        }
    };
    if attribute("auto", attributes).is_some() {
        world.unsupported(&tree.strategy);
    }
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
                builder.child(configured(world, nested, child))
            }
            None => builder.child(worker(world, child)),
        };
    }
    Some(builder)
}

fn worker(world: &Arc<World>, child: &[String]) -> ChildSpec<Process> {
    let birth = Birth::server(world, &child[0], &child[1..]);
    configured(world, ChildSpec::new(birth), child)
}

/// What the words of a child say besides its beginning.
fn configured<A: vaxel_actor::Actor>(
    world: &World,
    spec: ChildSpec<A>,
    child: &[String],
) -> ChildSpec<A> {
    let mut spec = spec.name(child[0].as_str());
    for word in &child[1..] {
        spec = match word.as_str() {
            "permanent" => spec.restart(Restart::Permanent),
            "transient" => spec.restart(Restart::Transient),
            "temporary" => spec.restart(Restart::Temporary),
            "significant" => {
                world.unsupported(child);
                spec
            }
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

async fn child_id(supervisor: &SupervisorRef, name: &str) -> Option<ChildId> {
    let children = supervisor.which_children().await.ok()?;
    let child = children
        .into_iter()
        .find(|child| child.name.as_deref() == Some(name))?;
    Some(child.id)
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
    let Some(id) = child_id(supervisor, name).await else {
        return "error:not_found".to_owned();
    };
    match op {
        "terminate_child" => match supervisor.terminate_child(id).await {
            Ok(true) => "ok".to_owned(),
            Ok(false) => "error:not_found".to_owned(),
            Err(error) => reason::of_call(&error),
        },
        "restart_child" => match supervisor.restart_child(id).await {
            Ok(true) => "ok".to_owned(),
            Ok(false) => "error:running".to_owned(),
            Err(error) => refused(&error),
        },
        _ => {
            world.unsupported(&[op.to_owned()]);
            "unsupported".to_owned()
        }
    }
}

fn refused(error: &CallError<StartChildError>) -> String {
    match error {
        CallError::Handler(StartChildError::Init(reason)) => {
            format!("error:{}", reason::text(reason))
        }
        CallError::Handler(StartChildError::Name(_)) => "error:already_started".to_owned(),
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
