//! kameo: an actor is a task with a bounded mailbox of 64 unless told otherwise.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox::unbounded;
use kameo::message::{Context, Message};
use kameo::supervision::RestartPolicy;
use tokio::sync::mpsc;
use vaxel_bench_rows::{
    Delays, OpenLoop, Outcome, Plan, Sample, Side, Tally, open_loop, resident_bytes, spin,
};

use crate::on_tokio::{note_panics_silently, on_worker, runtime, until};

/// kameo.
pub(crate) struct Kameo;

static BEGUN: Tally = Tally::new();
static HANDLED: Tally = Tally::new();

/// The least actor: a number that grows by one a message.
struct Idle(u64);

impl Actor for Idle {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        BEGUN.add_one();
        Ok(Idle(0))
    }
}

struct Touch;

impl Message<Touch> for Idle {
    type Reply = ();

    async fn handle(&mut self, _: Touch, _: &mut Context<Self, ()>) {
        self.0 += 1;
        HANDLED.add_one();
    }
}

async fn grow(actors: &mut Vec<ActorRef<Idle>>, to: u64) -> anyhow::Result<()> {
    while (actors.len() as u64) < to {
        let actor = Idle::spawn(());
        actor.tell(Touch).await?;
        actors.push(actor);
    }
    until(&HANDLED, to).await;
    Ok(())
}

/// Passes a message on with one hop less.
#[derive(Actor)]
struct Player {
    next: Option<ActorRef<Player>>,
    done: mpsc::Sender<()>,
}

struct Meet(ActorRef<Player>);
struct Hops(u64);

impl Message<Meet> for Player {
    type Reply = ();

    async fn handle(&mut self, Meet(next): Meet, _: &mut Context<Self, ()>) {
        self.next = Some(next);
    }
}

impl Message<Hops> for Player {
    type Reply = ();

    async fn handle(&mut self, Hops(left): Hops, _: &mut Context<Self, ()>) {
        match &self.next {
            Some(next) if left > 0 => next.tell(Hops(left - 1)).await.expect("it lives"),
            _ => drop(self.done.try_send(())),
        }
    }
}

async fn ring(members: usize, hops: u64) -> anyhow::Result<Sample> {
    let (done, mut finished) = mpsc::channel(8);
    let player = || Player {
        next: None,
        done: done.clone(),
    };
    let players: Vec<_> = (0..members).map(|_| Player::spawn(player())).collect();
    for (player, next) in players.iter().zip(players.iter().cycle().skip(1)) {
        player.tell(Meet(next.clone())).await?;
    }
    let begun = Instant::now();
    players[0].tell(Hops(hops)).await?;
    finished.recv().await;
    Ok(Sample::new(hops, begun.elapsed()))
}

/// A node of skynet: grows ten below it, adds up what they say.
struct Node {
    sum: u64,
    missing: u32,
    parent: Parent,
}

#[derive(Clone)]
enum Parent {
    Node(ActorRef<Node>),
    Nobody(mpsc::Sender<u64>),
}

impl Parent {
    async fn tell(&self, sum: u64) {
        match self {
            Parent::Node(node) => node.tell(Sum(sum)).await.expect("the parent waits"),
            Parent::Nobody(root) => root.try_send(sum).expect("the root's sum is awaited"),
        }
    }
}

struct Sum(u64);

impl Actor for Node {
    type Args = (u32, u64, Parent);
    type Error = Infallible;

    async fn on_start(
        (level, number, parent): Self::Args,
        me: ActorRef<Self>,
    ) -> Result<Self, Infallible> {
        if level == 0 {
            parent.tell(number).await;
        } else {
            let step = 10u64.pow(level - 1);
            for child in 0..10 {
                Node::spawn((level - 1, number + child * step, Parent::Node(me.clone())));
            }
        }
        let (sum, missing) = (0, 10);
        Ok(Node {
            sum,
            missing,
            parent,
        })
    }
}

impl Message<Sum> for Node {
    type Reply = ();

    async fn handle(&mut self, Sum(part): Sum, _: &mut Context<Self, ()>) {
        self.sum += part;
        self.missing -= 1;
        if self.missing == 0 {
            self.parent.tell(self.sum).await;
        }
    }
}

/// Answers, crashes or computes.
#[derive(Clone)]
struct Server(u64);

impl Actor for Server {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(server: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(server)
    }
}

struct Next;
struct Crash;
struct Spin(Duration);

impl Message<Next> for Server {
    type Reply = u64;

    async fn handle(&mut self, _: Next, _: &mut Context<Self, u64>) -> u64 {
        self.0 += 1;
        self.0
    }
}

impl Message<Crash> for Server {
    type Reply = ();

    async fn handle(&mut self, _: Crash, _: &mut Context<Self, ()>) {
        panic!("asked to crash");
    }
}

impl Message<Spin> for Server {
    type Reply = ();

    async fn handle(&mut self, Spin(time): Spin, _: &mut Context<Self, ()>) {
        spin(time);
    }
}

#[derive(Actor)]
struct Keeper;

impl Side for Kameo {
    const NAME: &'static str = "kameo";

    fn memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        on_worker(plan, async move {
            let mut actors = Vec::with_capacity(many as usize);
            grow(&mut actors, few).await?;
            let before = resident_bytes()?;
            grow(&mut actors, many).await?;
            let grown = resident_bytes()?.saturating_sub(before);
            Ok(grown as f64 / (many - few) as f64 - size_of::<ActorRef<Idle>>() as f64)
        })
    }

    fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>> {
        on_worker(plan, async move {
            let mut samples = Vec::new();
            for round in 1..=rounds {
                let begun = Instant::now();
                let mut actors = Vec::with_capacity(count as usize);
                actors.extend((0..count).map(|_| Idle::spawn(())));
                until(&BEGUN, count * round).await;
                samples.push(Sample::new(count, begun.elapsed()));
                for actor in actors {
                    actor.kill();
                    actor.wait_for_shutdown().await;
                }
            }
            Ok(samples)
        })
    }

    fn ping_pong(plan: &Plan, messages: u64) -> anyhow::Result<Sample> {
        on_worker(plan, ring(2, messages))
    }

    fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample> {
        on_worker(plan, async move {
            let sink = Idle::spawn(());
            let begun = Instant::now();
            for _ in 0..senders {
                let sink = sink.clone();
                tokio::spawn(async move {
                    for _ in 0..each {
                        sink.tell(Touch).await.expect("the sink lives");
                    }
                });
            }
            until(&HANDLED, senders * each).await;
            Ok(Sample::new(senders * each, begun.elapsed()))
        })
    }

    fn ring(plan: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample> {
        on_worker(plan, ring(members, hops))
    }

    fn skynet(plan: &Plan, levels: u32) -> anyhow::Result<Sample> {
        on_worker(plan, async move {
            let leaves = 10u64.pow(levels);
            let (done, mut finished) = mpsc::channel(8);
            let begun = Instant::now();
            let _root = Node::spawn((levels, 0, Parent::Nobody(done)));
            let sum = finished.recv().await;
            let elapsed = begun.elapsed();
            anyhow::ensure!(sum == Some(leaves * (leaves - 1) / 2), "it is {sum:?}");
            Ok(Sample::new(leaves, elapsed))
        })
    }

    fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample> {
        on_worker(plan, async move {
            let members: Vec<_> = (0..receivers).map(|_| Idle::spawn(())).collect();
            let members = Arc::new(members);
            let begun = Instant::now();
            for round in 1..=rounds {
                let members = members.clone();
                tokio::spawn(async move {
                    for member in members.iter() {
                        member.tell(Touch).await.expect("the member lives");
                    }
                });
                until(&HANDLED, receivers * round).await;
            }
            Ok(Sample::new(receivers * rounds, begun.elapsed()))
        })
    }

    fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
        on_worker(plan, async move {
            let server = Server::spawn(Server(0));
            let mut delays = Delays::new();
            for _ in 0..calls {
                let begun = Instant::now();
                black_box(server.ask(Next).await?);
                delays.record(begun.elapsed());
            }
            Ok(delays.finish())
        })
    }

    fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
        note_panics_silently();
        on_worker(plan, async move {
            let keeper = Keeper::spawn(Keeper);
            let server = Server::supervise(&keeper, Server(0))
                .restart_policy(RestartPolicy::Permanent)
                .restart_limit(u32::MAX, Duration::from_secs(1))
                .spawn()
                .await;
            let mut delays = Delays::new();
            for _ in 0..crashes {
                let begun = Instant::now();
                server.tell(Crash).await?;
                // Until the successor is there, it answers that it has stopped.
                while server.ask(Next).await.is_err() {
                    tokio::task::yield_now().await;
                }
                delays.record(begun.elapsed());
            }
            Ok(delays.finish())
        })
    }

    fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome> {
        let runtime = runtime(plan)?;
        let (count, each) = load.spins();
        let spinners = load.spinners;
        let server = runtime.block_on(async move {
            for _ in 0..spinners {
                let spinner = Server::spawn_with_mailbox(Server(0), unbounded());
                for _ in 0..count {
                    spinner.tell(Spin(each)).await?;
                }
                // It lives as long as somebody has a reference.
                tokio::spawn(async move { spinner.wait_for_shutdown().await });
            }
            anyhow::Ok(Server::spawn_with_mailbox(Server(0), unbounded()))
        })?;
        let inside = runtime.enter();
        let outcome = open_loop(load, || {
            let server = server.clone();
            // An ask borrows its reference and sends when it is first polled.
            Box::pin(async move { server.ask(Next).await })
        });
        drop(inside);
        runtime.shutdown_background();
        outcome
    }
}
