//! Actors that come and go: memory, spawning, skynet.

use std::{
    sync::mpsc::{SyncSender, sync_channel},
    time::{Duration, Instant},
};

use vaxel::{prelude::*, supervisor::DynamicSupervisorRef};

use super::Fresh;
use vaxel_bench_rows::{Plan, Sample, Tally, resident_bytes};

static BEGUN: Tally = Tally::new();
static HANDLED: Tally = Tally::new();

/// The least actor: a number that grows by one a message.
struct Idle {
    n: u64,
}

#[actor]
impl Idle {
    fn init(n: u64) -> Self {
        BEGUN.add_one();
        Idle { n }
    }

    #[cast]
    fn touch(&mut self) {
        self.n += 1;
        HANDLED.add_one();
    }
}

/// Resident bytes per actor that has handled a message and waits for the next; its reference,
/// which every design has, is not counted.
pub(super) fn idle_memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
    let system = Fresh::new(plan);
    let mut actors = Vec::with_capacity(many as usize);
    grow(&system, &mut actors, few)?;
    let before = resident_bytes()?;
    grow(&system, &mut actors, many)?;
    let grown = resident_bytes()?.saturating_sub(before);
    Ok(grown as f64 / (many - few) as f64 - size_of::<IdleRef>() as f64)
}

fn grow(system: &Fresh, actors: &mut Vec<IdleRef>, to: u64) -> anyhow::Result<()> {
    while (actors.len() as u64) < to {
        let actor = Idle::spawn_in(&system.0, 0);
        actor.touch()?;
        actors.push(actor);
        if actors.len().is_multiple_of(10_000) {
            HANDLED.wait_for(actors.len() as u64)?;
        }
    }
    HANDLED.wait_for(to)
}

/// The same of a supervisor's children, of which only the supervisor knows: their entries in it,
/// and what it takes to start them again, are counted.
pub(super) fn supervised(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
    let system = Fresh::new(plan);
    let supervisor = Supervisor::dynamic().children_max(usize::MAX);
    let supervisor = system.on_worker(supervisor.start_in(&system.0))??;
    add(&system, &supervisor, few)?;
    let before = resident_bytes()?;
    add(&system, &supervisor, many - few)?;
    let grown = resident_bytes()?.saturating_sub(before);
    Ok(grown as f64 / (many - few) as f64)
}

fn add(system: &Fresh, supervisor: &DynamicSupervisorRef, count: u64) -> anyhow::Result<()> {
    let goal = HANDLED.sum() + count;
    let supervisor = supervisor.clone();
    system.on_worker(async move {
        for _ in 0..count {
            let child: IdleRef = supervisor.start_child(Idle::child(0)).await?.into();
            child.touch()?;
        }
        anyhow::Ok(())
    })??;
    HANDLED.wait_for(goal)
}

struct Spawner;

#[actor]
impl Spawner {
    fn init() -> Self {
        Spawner
    }

    #[call]
    fn spawn_many(&mut self, count: u64) -> Vec<IdleRef> {
        let mut actors = Vec::with_capacity(count as usize);
        actors.extend((0..count).map(Idle::spawn));
        actors
    }
}

/// One sample per round, the first of them cold: until every actor has begun, from inside.
pub(super) fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>> {
    let system = Fresh::new(plan);
    let spawner = Spawner::spawn_in(&system.0);
    let mut samples = Vec::new();
    for round in 1..=rounds {
        let begun = Instant::now();
        let actors = system.on_worker(spawner.spawn_many(count).no_timeout())??;
        BEGUN.wait_for(count * round)?;
        samples.push(Sample::new(count, begun.elapsed()));
        drop(actors);
        while alive(&system) > 0 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    Ok(samples)
}

fn alive(system: &Fresh) -> u64 {
    let name = std::any::type_name::<Idle>();
    system
        .0
        .types()
        .iter()
        .filter(|stats| stats.name == name)
        .map(|stats| stats.alive)
        .sum()
}

/// Whom a node of skynet tells its sum.
#[derive(Clone)]
enum Parent {
    Node(NodeRef),
    Nobody(SyncSender<u64>),
}

impl Parent {
    fn tell(&self, sum: u64) {
        match self {
            Parent::Node(node) => node.add(sum).expect("ten messages find room"),
            Parent::Nobody(root) => root.send(sum).expect("the root's sum is awaited"),
        }
    }
}

struct Node {
    sum: u64,
    missing: u32,
    parent: Parent,
}

#[actor]
impl Node {
    fn init(parent: Parent) -> Self {
        Node {
            sum: 0,
            missing: 10,
            parent,
        }
    }

    #[cast]
    fn grow(&mut self, level: u32, number: u64, cx: &mut Context<Self>) {
        if level == 0 {
            return self.parent.tell(number);
        }
        let step = 10u64.pow(level - 1);
        for child in 0..10 {
            let node = Node::spawn(Parent::Node(cx.me().into()));
            let grown = node.grow(level - 1, number + child * step);
            grown.expect("one message finds room");
        }
    }

    #[cast]
    fn add(&mut self, part: u64) {
        self.sum += part;
        self.missing -= 1;
        if self.missing == 0 {
            self.parent.tell(self.sum);
        }
    }
}

/// A tree of actors, ten below each, a million leaves, whose numbers are summed on the way up.
pub(super) fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample> {
    let leaves = 10u64.pow(levels);
    let system = Fresh::new(plan);
    let (done, finished) = sync_channel(1);
    let begun = Instant::now();
    let root = Node::spawn_in(&system.0, Parent::Nobody(done));
    root.grow(levels, 0)?;
    let sum = finished.recv()?;
    let elapsed = begun.elapsed();
    drop(root);
    anyhow::ensure!(
        sum == leaves * (leaves - 1) / 2,
        "the tree adds up to {sum}"
    );
    Ok(Sample::new(leaves, elapsed))
}
