//! actix: an actor lives on the thread of its arbiter; here there is one arbiter a worker, and
//! actors are spread over them where a row has many.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::on_tokio::until;
use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message, Recipient, System};
use tokio::sync::mpsc;
use vaxel_bench_rows::{
    Delays, NotPossible, OpenLoop, Outcome, Plan, Sample, Side, Tally, open_loop, resident_bytes,
    spin,
};

/// actix.
pub(crate) struct Actix;

static BEGUN: Tally = Tally::new();
static HANDLED: Tally = Tally::new();

/// Runs `future` on the system's own thread.
fn run<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    System::new().block_on(future)
}

struct Arbiters(Vec<Arbiter>);

impl Arbiters {
    fn new(plan: &Plan) -> Self {
        Arbiters((0..plan.workers).map(|_| Arbiter::new()).collect())
    }

    fn start<A: Actor<Context = Context<A>> + Send>(&self, index: usize, actor: A) -> Addr<A> {
        let arbiter = &self.0[index % self.0.len()];
        A::start_in_arbiter(&arbiter.handle(), |_| actor)
    }
}

/// The least actor: a number that grows by one a message.
struct Idle(u64);

impl Actor for Idle {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        BEGUN.add_one();
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Touch;

impl Handler<Touch> for Idle {
    type Result = ();

    fn handle(&mut self, _: Touch, _: &mut Context<Self>) {
        self.0 += 1;
        HANDLED.add_one();
    }
}

async fn grow(actors: &mut Vec<Addr<Idle>>, to: u64) {
    while (actors.len() as u64) < to {
        let actor = Idle(0).start();
        actor.do_send(Touch);
        actors.push(actor);
        if actors.len().is_multiple_of(1_000) {
            until(&HANDLED, actors.len() as u64).await;
        }
    }
    until(&HANDLED, to).await;
}

/// Passes a message on with one hop less.
struct Player {
    next: Option<Recipient<Hops>>,
    done: mpsc::Sender<()>,
}

impl Actor for Player {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hops(u64);

#[derive(Message)]
#[rtype(result = "()")]
struct Meet(Recipient<Hops>);

impl Handler<Meet> for Player {
    type Result = ();

    fn handle(&mut self, Meet(next): Meet, _: &mut Context<Self>) {
        self.next = Some(next);
    }
}

impl Handler<Hops> for Player {
    type Result = ();

    fn handle(&mut self, Hops(left): Hops, _: &mut Context<Self>) {
        match &self.next {
            Some(next) if left > 0 => next.do_send(Hops(left - 1)),
            _ => drop(self.done.try_send(())),
        }
    }
}

/// All on one thread, as its own example of a ring has them: crossing threads costs it more.
async fn ring(members: usize, hops: u64) -> anyhow::Result<Sample> {
    let (done, mut finished) = mpsc::channel(8);
    let player = || Player {
        next: None,
        done: done.clone(),
    };
    let players: Vec<_> = (0..members).map(|_| player().start()).collect();
    for (player, next) in players.iter().zip(players.iter().cycle().skip(1)) {
        player.send(Meet(next.clone().recipient())).await?;
    }
    let begun = Instant::now();
    players[0].do_send(Hops(hops));
    finished.recv().await;
    Ok(Sample::new(hops, begun.elapsed()))
}

/// A node of skynet: grows ten below it, adds up what they say.
struct Node {
    level: u32,
    number: u64,
    sum: u64,
    missing: u32,
    parent: Parent,
}

#[derive(Clone)]
enum Parent {
    Node(Addr<Node>),
    Nobody(mpsc::Sender<u64>),
}

impl Parent {
    fn tell(&self, sum: u64) {
        match self {
            Parent::Node(node) => node.do_send(Sum(sum)),
            Parent::Nobody(root) => root.try_send(sum).expect("the root's sum is awaited"),
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Sum(u64);

impl Node {
    fn new(level: u32, number: u64, parent: Parent) -> Self {
        let (sum, missing) = (0, 10);
        Node {
            level,
            number,
            sum,
            missing,
            parent,
        }
    }
}

impl Actor for Node {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Context<Self>) {
        if self.level == 0 {
            return self.parent.tell(self.number);
        }
        let step = 10u64.pow(self.level - 1);
        for child in 0..10 {
            let number = self.number + child * step;
            Node::new(self.level - 1, number, Parent::Node(cx.address())).start();
        }
    }
}

impl Handler<Sum> for Node {
    type Result = ();

    fn handle(&mut self, Sum(part): Sum, _: &mut Context<Self>) {
        self.sum += part;
        self.missing -= 1;
        if self.missing == 0 {
            self.parent.tell(self.sum);
        }
    }
}

/// Answers or computes.
struct Server(u64);

impl Actor for Server {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Next;

#[derive(Message)]
#[rtype(result = "()")]
struct Spin(Duration);

impl Handler<Next> for Server {
    type Result = u64;

    fn handle(&mut self, _: Next, _: &mut Context<Self>) -> u64 {
        self.0 += 1;
        self.0
    }
}

impl Handler<Spin> for Server {
    type Result = ();

    fn handle(&mut self, Spin(time): Spin, _: &mut Context<Self>) {
        spin(time);
    }
}

impl Side for Actix {
    const NAME: &'static str = "actix";

    fn memory(_: &Plan, few: u64, many: u64) -> anyhow::Result<f64> {
        run(async move {
            let mut actors = Vec::with_capacity(many as usize);
            grow(&mut actors, few).await;
            let before = resident_bytes()?;
            grow(&mut actors, many).await;
            let grown = resident_bytes()?.saturating_sub(before);
            Ok(grown as f64 / (many - few) as f64 - size_of::<Addr<Idle>>() as f64)
        })
    }

    fn spawn(_: &Plan, count: u64, rounds: u64) -> anyhow::Result<Vec<Sample>> {
        run(async move {
            let mut samples = Vec::new();
            for round in 1..=rounds {
                let begun = Instant::now();
                let mut actors = Vec::with_capacity(count as usize);
                actors.extend((0..count).map(|_| Idle(0).start()));
                until(&BEGUN, count * round).await;
                samples.push(Sample::new(count, begun.elapsed()));
                drop(actors);
                // The thread ends those that nobody can reach.
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(samples)
        })
    }

    fn ping_pong(_: &Plan, messages: u64) -> anyhow::Result<Sample> {
        run(ring(2, messages))
    }

    fn many_to_one(plan: &Plan, senders: u64, each: u64) -> anyhow::Result<Sample> {
        let plan = *plan;
        run(async move {
            let arbiters = Arbiters::new(&plan);
            let sink = arbiters.start(0, Idle(0));
            let begun = Instant::now();
            for sender in 0..senders {
                let sink = sink.clone();
                let arbiter = &arbiters.0[sender as usize % arbiters.0.len()];
                arbiter.spawn(async move {
                    for _ in 0..each {
                        // Waits for room in the default mailbox of 16.
                        sink.send(Touch).await.expect("the sink lives");
                    }
                });
            }
            until(&HANDLED, senders * each).await;
            Ok(Sample::new(senders * each, begun.elapsed()))
        })
    }

    fn ring(_: &Plan, members: usize, hops: u64) -> anyhow::Result<Sample> {
        run(ring(members, hops))
    }

    fn skynet(_: &Plan, levels: u32) -> anyhow::Result<Sample> {
        run(async move {
            let leaves = 10u64.pow(levels);
            let (done, mut finished) = mpsc::channel(8);
            let begun = Instant::now();
            let _root = Node::new(levels, 0, Parent::Nobody(done)).start();
            let sum = finished.recv().await;
            let elapsed = begun.elapsed();
            anyhow::ensure!(sum == Some(leaves * (leaves - 1) / 2), "it is {sum:?}");
            Ok(Sample::new(leaves, elapsed))
        })
    }

    fn fan_out(plan: &Plan, receivers: u64, rounds: u64) -> anyhow::Result<Sample> {
        let plan = *plan;
        run(async move {
            let arbiters = Arbiters::new(&plan);
            let members: Vec<_> = (0..receivers)
                .map(|index| arbiters.start(index as usize, Idle(0)))
                .collect();
            until(&BEGUN, receivers).await;
            let begun = Instant::now();
            for round in 1..=rounds {
                for member in &members {
                    member.do_send(Touch);
                }
                until(&HANDLED, receivers * round).await;
            }
            Ok(Sample::new(receivers * rounds, begun.elapsed()))
        })
    }

    fn call(_: &Plan, calls: u64) -> anyhow::Result<Sample> {
        run(async move {
            let server = Server(0).start();
            let mut delays = Delays::new();
            for _ in 0..calls {
                let begun = Instant::now();
                black_box(server.send(Next).await?);
                delays.record(begun.elapsed());
            }
            Ok(delays.finish())
        })
    }

    fn recover(_: &Plan, _: u64) -> anyhow::Result<Sample> {
        Err(NotPossible("a panic ends the thread of the arbiter and all its actors").into())
    }

    fn beside_spinners(plan: &Plan, load: &OpenLoop) -> anyhow::Result<Outcome> {
        let system = System::new();
        let arbiters = Arbiters::new(plan);
        let server = arbiters.start(0, Server(0));
        let (count, each) = load.spins();
        for index in 0..load.spinners {
            let spinner = arbiters.start(index, Server(0));
            for _ in 0..count {
                spinner.do_send(Spin(each));
            }
        }
        let outcome = open_loop(load, || server.send(Next));
        drop(system);
        outcome
    }
}
