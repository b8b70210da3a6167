//! Knows the supervision tree and sends it to everybody who watches: on every change at once, and
//! every second because workers have worked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::to_raw_value;
use vaxel::prelude::*;
use vaxel::supervisor::{AnySupervisor, ChildEvent, ChildInfo, ChildKind, ChildState};
use vaxel::{Broadcast, CallError};

use super::exchange::{self, Crash};
use super::shared::{Running, Shared};

const SHOW_EVERY: Duration = secs(1);

/// Changes that come together are shown together.
const SETTLE: Duration = millis(20);

pub(crate) struct Board {
    shared: Arc<Shared>,
    is_due: bool,
}

#[derive(Message)]
struct Tick;

/// Changes have settled.
#[derive(Message)]
struct Show;

#[derive(Serialize)]
struct Tree {
    name: &'static str,
    #[serde(flatten)]
    policy: Policy,
    children: Vec<Node>,
}

#[derive(Serialize)]
struct Policy {
    strategy: &'static str,
    max_restarts: u32,
    within_s: u64,
}

#[derive(Serialize)]
struct Node {
    id: String,
    name: String,
    pid: Option<String>,
    state: &'static str,
    restarts: u32,
    handled: u64,
    kind: &'static str,
    #[serde(flatten)]
    policy: Option<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Vec<Node>>,
}

#[actor]
impl Board {
    pub(crate) fn init(shared: Arc<Shared>, cx: &mut Context<Self>) -> Self {
        shared.begin("board");
        cx.send_every(SHOW_EVERY, || Tick);
        Board {
            shared,
            is_due: false,
        }
    }

    /// What a newcomer is shown comes from here.
    #[call]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    #[info]
    async fn tick(&mut self, _: Tick, cx: &mut Context<Self>) {
        self.show(cx).await;
    }

    #[info]
    fn changed(&mut self, _: ChildEvent, cx: &mut Context<Self>) {
        if !self.is_due {
            self.is_due = true;
            cx.send_after(SETTLE, Show);
        }
    }

    #[info]
    async fn settled(&mut self, _: Show, cx: &mut Context<Self>) {
        self.is_due = false;
        self.show(cx).await;
    }

    #[info]
    fn crash(&mut self, _: Crash) {
        panic!("a visitor crashed the board");
    }

    async fn show(&mut self, cx: &mut Context<Self>) {
        self.shared.count("board");
        let Some(running) = self.shared.running() else {
            return;
        };
        // A supervisor that is being restarted shows with the next tick.
        let Ok(tree) = self.tree(running, cx).await else {
            return;
        };
        let json = to_raw_value(&tree).expect("a tree has a JSON form");
        self.shared.state().tree = Some(json.clone());
        running
            .endpoint
            .send(&Broadcast::raw("stats:live", "tree", json));
    }

    async fn tree(&self, running: &Running, cx: &Context<Self>) -> Result<Tree, CallError> {
        let root = running.supervisor.clone().into();
        self.watch(exchange::ROOT, &root, cx).await?;
        let mut children = Vec::new();
        for child in running.supervisor.which_children().await? {
            children.push(self.group(child, cx).await?);
        }
        Ok(Tree {
            name: exchange::ROOT,
            policy: policy(),
            children,
        })
    }

    async fn group(&self, info: ChildInfo, cx: &Context<Self>) -> Result<Node, CallError> {
        let mut node = self.node(&info);
        if let Some(supervisor) = &info.supervisor {
            let name = info.name.as_deref().and_then(exchange::group);
            if let Some(name) = name {
                self.watch(name, supervisor, cx).await?;
            }
            let workers = supervisor.which_children().await?;
            node.children = Some(workers.iter().map(|worker| self.node(worker)).collect());
        }
        Ok(node)
    }

    fn node(&self, info: &ChildInfo) -> Node {
        let name = info.name.as_deref().unwrap_or(info.actor).to_owned();
        let is_supervisor = info.kind == ChildKind::Supervisor;
        Node {
            id: name.clone(),
            pid: info.pid.map(|pid| pid.to_string()),
            state: match info.state {
                ChildState::Running => "running",
                ChildState::Starting => "restarting",
                _ => "crashed",
            },
            restarts: info.restarts,
            handled: self.shared.handled(&name),
            kind: if is_supervisor {
                "supervisor"
            } else {
                "worker"
            },
            policy: is_supervisor.then(policy),
            children: None,
            name,
        }
    }

    /// Has each life of a supervisor report its changes, once. The board's own address survives
    /// its crashes, so what it has asked for lasts.
    async fn watch(
        &self,
        name: &'static str,
        supervisor: &AnySupervisor,
        cx: &Context<Self>,
    ) -> Result<(), CallError> {
        let pid = supervisor.pid();
        if self.shared.state().watched.get(name) != Some(&pid) {
            supervisor.subscribe(cx.me().recipient()).await?;
            self.shared.state().watched.insert(name, pid);
        }
        Ok(())
    }
}

fn policy() -> Policy {
    Policy {
        strategy: "one_for_one",
        max_restarts: exchange::MAX_RESTARTS,
        within_s: exchange::WITHIN.as_secs(),
    }
}
