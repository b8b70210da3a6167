//! ractor: an actor is a task with four mailboxes; a reference is unbounded.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, RpcReplyPort, SupervisionEvent};
use tokio::sync::{mpsc, oneshot};
use vaxel_bench_rows::{
    Delays, OpenLoop, Outcome, Plan, Sample, Side, Tally, open_loop, resident_bytes, spin,
};

use crate::on_tokio::{note_panics_silently, on_worker, runtime, until};

type Done = Result<(), ActorProcessingErr>;

/// ractor.
pub(crate) struct Ractor;

static BEGUN: Tally = Tally::new();
static HANDLED: Tally = Tally::new();

/// The least actor: a number that grows by one a message.
struct Idle;

impl Actor for Idle {
    type Msg = ();
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<u64, ActorProcessingErr> {
        BEGUN.add_one();
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<()>, (): (), n: &mut u64) -> Done {
        *n += 1;
        HANDLED.add_one();
        Ok(())
    }
}

async fn idle() -> anyhow::Result<ActorRef<()>> {
    Ok(Actor::spawn(None, Idle, ()).await?.0)
}

async fn grow(actors: &mut Vec<ActorRef<()>>, to: u64) -> anyhow::Result<()> {
    while (actors.len() as u64) < to {
        let actor = idle().await?;
        actor.cast(())?;
        actors.push(actor);
    }
    until(&HANDLED, to).await;
    Ok(())
}

/// Passes a message on with one hop less.
struct Player;

enum Hop {
    Meet(ActorRef<Hop>),
    Hops(u64),
}

struct Next {
    next: Option<ActorRef<Hop>>,
    done: mpsc::Sender<()>,
}

impl Actor for Player {
    type Msg = Hop;
    type State = Next;
    type Arguments = mpsc::Sender<()>;

    async fn pre_start(
        &self,
        _: ActorRef<Hop>,
        done: Self::Arguments,
    ) -> Result<Next, ActorProcessingErr> {
        Ok(Next { next: None, done })
    }

    async fn handle(&self, _: ActorRef<Hop>, hop: Hop, state: &mut Next) -> Done {
        match (hop, &state.next) {
            (Hop::Meet(next), _) => state.next = Some(next),
            (Hop::Hops(left), Some(next)) if left > 0 => next.cast(Hop::Hops(left - 1))?,
            (Hop::Hops(_), _) => drop(state.done.try_send(())),
        }
        Ok(())
    }
}

async fn ring(members: usize, hops: u64) -> anyhow::Result<Sample> {
    let (done, mut finished) = mpsc::channel(8);
    let mut players = Vec::new();
    for _ in 0..members {
        players.push(Actor::spawn(None, Player, done.clone()).await?.0);
    }
    for (player, next) in players.iter().zip(players.iter().cycle().skip(1)) {
        player.cast(Hop::Meet(next.clone()))?;
    }
    let begun = Instant::now();
    players[0].cast(Hop::Hops(hops))?;
    finished.recv().await;
    Ok(Sample::new(hops, begun.elapsed()))
}

/// A node of skynet: grows ten below it, adds up what they say.
struct Node;

enum Tree {
    Sum(u64),
}

struct Branch {
    sum: u64,
    missing: u32,
    parent: Parent,
}

#[derive(Clone)]
enum Parent {
    Node(ActorRef<Tree>),
    Nobody(mpsc::Sender<u64>),
}

impl Parent {
    fn tell(&self, sum: u64) -> Done {
        match self {
            Parent::Node(node) => node.cast(Tree::Sum(sum))?,
            Parent::Nobody(root) => root.try_send(sum)?,
        }
        Ok(())
    }
}

impl Actor for Node {
    type Msg = Tree;
    type State = Branch;
    type Arguments = (u32, u64, Parent);

    async fn pre_start(
        &self,
        me: ActorRef<Tree>,
        (level, number, parent): Self::Arguments,
    ) -> Result<Branch, ActorProcessingErr> {
        if level == 0 {
            parent.tell(number)?;
            me.stop(None);
        } else {
            let step = 10u64.pow(level - 1);
            for child in 0..10 {
                let below = (level - 1, number + child * step, Parent::Node(me.clone()));
                // Waiting for each branch in turn would leave one worker idle.
                drop(ActorRuntime::spawn_instant(None, Node, below)?);
            }
        }
        let (sum, missing) = (0, 10);
        Ok(Branch {
            sum,
            missing,
            parent,
        })
    }

    async fn handle(&self, me: ActorRef<Tree>, Tree::Sum(part): Tree, tree: &mut Branch) -> Done {
        tree.sum += part;
        tree.missing -= 1;
        if tree.missing == 0 {
            tree.parent.tell(tree.sum)?;
            me.stop(None);
        }
        Ok(())
    }
}

/// Answers, crashes or computes.
struct Server;

enum Request {
    Next(RpcReplyPort<u64>),
    Crash,
    Spin(Duration),
}

impl Actor for Server {
    type Msg = Request;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Request>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Request>, request: Request, n: &mut u64) -> Done {
        match request {
            Request::Next(reply) => {
                *n += 1;
                reply.send(*n)?;
            }
            Request::Crash => panic!("asked to crash"),
            Request::Spin(time) => spin(time),
        }
        Ok(())
    }
}

async fn ask(server: &ActorRef<Request>) -> anyhow::Result<u64> {
    let reply = server.call(Request::Next, None).await?;
    match reply {
        ractor::rpc::CallResult::Success(n) => Ok(n),
        _ => anyhow::bail!("no reply"),
    }
}

/// Starts a successor and tells who waits for it: a restart is a new address.
struct Keeper;

impl Actor for Keeper {
    type Msg = ();
    type State = mpsc::Sender<ActorRef<Request>>;
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        me: ActorRef<()>,
        tell: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (server, _) = Actor::spawn_linked(None, Server, (), me.get_cell()).await?;
        tell.try_send(server)?;
        Ok(tell)
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        tell: &mut Self::State,
    ) -> Done {
        if let SupervisionEvent::ActorFailed(..) = event {
            let (server, _) = Actor::spawn_linked(None, Server, (), me.get_cell()).await?;
            tell.try_send(server)?;
        }
        Ok(())
    }
}

impl Side for Ractor {
    const NAME: &'static str = "ractor";

    fn memory(plan: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        on_worker(plan, async move {
            let mut actors = Vec::with_capacity(many as usize);
            grow(&mut actors, few).await?;
            let before = resident_bytes()?;
            grow(&mut actors, many).await?;
            let grown = resident_bytes()?.saturating_sub(before);
            Ok(grown as f64 / (many - few) as f64 - size_of::<ActorRef<()>>() as f64)
        })
    }

    fn spawn(plan: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>> {
        on_worker(plan, async move {
            let mut samples = Vec::new();
            for round in 1..=rounds {
                let begun = Instant::now();
                let mut actors = Vec::with_capacity(count as usize);
                for _ in 0..count {
                    actors.push(Actor::spawn(None, Idle, ()).await?);
                }
                until(&BEGUN, count * round).await;
                samples.push(Sample::new(count, begun.elapsed()));
                for (actor, ended) in actors {
                    actor.stop(None);
                    ended.await?;
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
            let sink = idle().await?;
            let begun = Instant::now();
            for _ in 0..senders {
                let sink = sink.clone();
                tokio::spawn(async move {
                    for sent in 1..=each {
                        sink.cast(()).expect("the sink lives");
                        if sent % 128 == 0 {
                            tokio::task::yield_now().await;
                        }
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
            Actor::spawn(None, Node, (levels, 0, Parent::Nobody(done))).await?;
            let sum = finished.recv().await;
            let elapsed = begun.elapsed();
            anyhow::ensure!(sum == Some(leaves * (leaves - 1) / 2), "it is {sum:?}");
            Ok(Sample::new(leaves, elapsed))
        })
    }

    fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample> {
        on_worker(plan, async move {
            let mut members = Vec::new();
            for _ in 0..receivers {
                members.push(idle().await?);
            }
            let members = Arc::new(members);
            let begun = Instant::now();
            for round in 1..=rounds {
                let members = members.clone();
                tokio::spawn(async move {
                    for member in members.iter() {
                        member.cast(()).expect("the member lives");
                    }
                });
                until(&HANDLED, receivers * round).await;
            }
            Ok(Sample::new(receivers * rounds, begun.elapsed()))
        })
    }

    fn call(plan: &Plan, calls: u64) -> anyhow::Result<Sample> {
        on_worker(plan, async move {
            let (server, _) = Actor::spawn(None, Server, ()).await?;
            let mut delays = Delays::new();
            for _ in 0..calls {
                let begun = Instant::now();
                black_box(ask(&server).await?);
                delays.record(begun.elapsed());
            }
            Ok(delays.finish())
        })
    }

    fn recover(plan: &Plan, crashes: u64) -> anyhow::Result<Sample> {
        note_panics_silently();
        on_worker(plan, async move {
            let (tell, mut successors) = mpsc::channel(8);
            Actor::spawn(None, Keeper, tell).await?;
            let mut server = successors.recv().await.expect("it has begun");
            let mut delays = Delays::new();
            for _ in 0..crashes {
                let begun = Instant::now();
                server.cast(Request::Crash)?;
                server = successors.recv().await.expect("there is a successor");
                black_box(ask(&server).await?);
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
            let (server, _) = Actor::spawn(None, Server, ()).await?;
            let mut others = Vec::new();
            for _ in 0..spinners {
                others.push(Actor::spawn(None, Server, ()).await?.0);
            }
            for spinner in others {
                for _ in 0..count {
                    spinner.cast(Request::Spin(each))?;
                }
            }
            anyhow::Ok(server)
        })?;
        let outcome = open_loop(load, || {
            let (reply, answer) = oneshot::channel();
            // What `call` does, without borrowing the reference.
            let _ = server.cast(Request::Next(reply.into()));
            answer
        });
        runtime.shutdown_background();
        outcome
    }
}
