//! One server through its phases: the loop, Vaxel with everything, Vaxel's costs, Vaxel idle.

use super::{args::Layout, args::ScaleArgs, restart};
use crate::bench::{
    child::Server,
    report::{Better, Figure, Quantiles, Report},
    sockets::{fleet::Measured, script::Script, session::Session, target::Target},
};

/// What is compared with the loop, and in which unit.
pub(super) const COSTS: [(&str, &str); 2] = [
    ("broadcast-cpu", "us/delivery"),
    ("request-cpu", "us/message"),
];
/// Parts of the saturation rate at which requests are due, for all numbers and for large ones.
const RATES: [f64; 3] = [0.25, 0.5, 0.75];
const LARGE: usize = 100_000;
/// Clients that ask at a time. More of them keep the machine at it for so long that heartbeats come
/// too late, and the server takes their senders for dead.
const BUSY_MAX: usize = 100_000;
/// Channels of each lane that crash, and workers of the demo's supervision tree.
const CHANNELS_CRASHED: usize = 10;
const WORKERS_CRASHED: usize = 20;
const MILLISECOND: f64 = 1e6;

/// Who takes a turn, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The bare loop: what messages cost.
    Loop,
    /// Vaxel: what messages cost.
    Costs,
    /// Vaxel: memory, idle time, messages, crashes.
    Whole,
    /// Vaxel: clients that join nothing.
    Connected,
}

impl Turn {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            _ => "vaxel",
        }
    }

    /// The fleet for `server`, not connected yet.
    pub(super) fn session(
        self,
        args: &ScaleArgs,
        layout: &Layout,
        server: &Server,
    ) -> anyhow::Result<Session> {
        let conversation = args.conversation();
        let (target, script) = match self {
            Self::Loop => (Target::bare(server.address()), Script::bare(&conversation)?),
            _ => (
                Target::parse(&format!("ws://{}/socket", server.address()))?,
                Script::phoenix(&conversation)?,
            ),
        };
        Session::new(args.plan(layout), target, &script, Some(server.process()?))
    }

    /// Goes through the phases.
    pub(super) fn take(
        self,
        args: &ScaleArgs,
        layout: &Layout,
        server: &Server,
        session: &mut Session,
        values: &mut Values,
    ) -> anyhow::Result<()> {
        let total = layout.total;
        match self {
            Self::Loop | Self::Costs => {
                session.open_up_after(None, total)?;
                costs(total, session, values)?;
            }
            Self::Whole => {
                open_up(args, total, session, values)?;
                idle(session, values)?;
                let per_second = costs(total, session, values)?;
                open_loops(total, per_second, session, values)?;
                crashes(server, session, values)?;
                heartbeats(session, values);
            }
            Self::Connected => {
                connect(args, total, session, values)?;
                idle(session, values)?;
                heartbeats(session, values);
            }
        }
        Ok(())
    }
}

/// Everybody joins; memory for each, as a slope from the first of them.
fn open_up(
    args: &ScaleArgs,
    total: usize,
    session: &mut Session,
    values: &mut Values,
) -> anyhow::Result<()> {
    let nobody = session.silence()?;
    let first = args.first.min(total / 2).max(1);
    let opening = session.open_up_after(Some(first), total)?;
    let unit = "connections/s";
    values.higher("connect", unit, opening.connected.per_second());
    values.higher("join", "joins/s", opening.joined.per_second());
    if let Some(growth) = opening.growth {
        for (name, bytes) in growth.slopes() {
            values.add(name, "B/connection", bytes);
        }
        let (user, slab) = growth.whole();
        values.add("memory-user", "MB", user as f64 / 1e6);
        values.add("memory-kernel-whole", "MB", slab as f64 / 1e6);
        let whole = user as f64 + slab as f64 / 2.0;
        values.add("memory-server", "MB", whole / 1e6);
    }
    values.add(
        "idle-cpu-nobody",
        "cores",
        nobody.cores().unwrap_or(f64::NAN),
    );
    Ok(())
}

/// Everybody connects, and nobody joins.
fn connect(
    args: &ScaleArgs,
    total: usize,
    session: &mut Session,
    values: &mut Values,
) -> anyhow::Result<()> {
    let nobody = session.silence()?;
    let first = args.first.min(total / 2).max(1);
    session.connect(first)?;
    let few = session.memory()?;
    let connected = session.connect(total)?;
    let all = session.memory()?;
    values.higher("connect", "connections/s", connected.per_second());
    if let Some((few, all)) = few.zip(all) {
        let more = (total - first).max(1) as f64;
        let slope = |few: u64, all: u64| (all as f64 - few as f64) / more;
        let user = slope(few.user_bytes, all.user_bytes);
        values.add("memory-connected", "B/connection", user);
        let kernel = slope(few.slab_bytes, all.slab_bytes);
        values.add("memory-kernel", "B/connection", kernel);
        values.add("memory-user", "MB", all.user_bytes as f64 / 1e6);
    }
    values.add(
        "idle-cpu-nobody",
        "cores",
        nobody.cores().unwrap_or(f64::NAN),
    );
    Ok(())
}

/// Cores the server needs for its connections alone, without heartbeats and with them.
fn idle(session: &mut Session, values: &mut Values) -> anyhow::Result<()> {
    let silence = session.silence()?;
    values.add(
        "idle-cpu-silent",
        "cores",
        silence.cores().unwrap_or(f64::NAN),
    );
    let before = session.heartbeats().len();
    let idle = session.idle()?;
    values.add("idle-cpu", "cores", idle.cores().unwrap_or(f64::NAN));
    let beats = (session.heartbeats().len() - before) as f64;
    values.higher("heartbeats", "heartbeats/s", beats / idle.seconds);
    Ok(())
}

/// What a delivery and a request cost at saturation; requests a second.
fn costs(total: usize, session: &mut Session, values: &mut Values) -> anyhow::Result<f64> {
    let broadcast = session.broadcast_saturated(1)?;
    values.cost("broadcast-cpu", "us/delivery", &broadcast);
    values.higher("broadcast", "deliveries/s", broadcast.per_second());
    let request = session.requests_closed(total.min(BUSY_MAX), 1, || {})?;
    values.cost("request-cpu", "us/message", &request);
    values.higher("request", "messages/s", request.per_second());
    values.latency("request-p99", &request);
    Ok(request.per_second())
}

/// Requests at fixed times, at parts of the rate of a closed loop.
fn open_loops(
    total: usize,
    per_second: f64,
    session: &mut Session,
    values: &mut Values,
) -> anyhow::Result<()> {
    let rates = if total > LARGE { &RATES[..1] } else { &RATES };
    for rate in rates {
        let measured = session.requests_open(total.min(BUSY_MAX), per_second * rate)?;
        let name = format!("request-at-{:.0}%", rate * 100.0);
        values.latency(&name, &measured);
        values.cost(&format!("{name}-cpu"), "us/message", &measured);
    }
    Ok(())
}

/// Channels and supervised workers crash, and are back.
fn crashes(server: &Server, session: &mut Session, values: &mut Values) -> anyhow::Result<()> {
    let crashed = session.crash(CHANNELS_CRASHED)?;
    values.higher("channels-crashed", "channels", crashed.messages as f64);
    values.latency("channel-crash-to-rejoined", &crashed);
    let restarts = restart::crash_workers(server.address(), WORKERS_CRASHED)?;
    values.higher("workers-restarted", "restarts", restarts as f64);
    Ok(())
}

fn heartbeats(session: &Session, values: &mut Values) {
    let heartbeats = session.heartbeats();
    let quantiles = Quantiles::of(&heartbeats, MILLISECOND);
    let p99 = quantiles.map_or(f64::NAN, |quantiles| quantiles.p99);
    values.0.push(Value {
        quantiles,
        ..Value::of("heartbeat-p99", "ms", p99)
    });
}

/// What a turn has measured, in order.
#[derive(Debug, Default)]
pub(super) struct Values(pub(super) Vec<Value>);

/// One of them.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) unit: &'static str,
    pub(super) value: f64,
    pub(super) quantiles: Option<Quantiles>,
    better: Better,
}

impl Value {
    fn of(name: &str, unit: &'static str, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            value,
            quantiles: None,
            better: Better::Lower,
        }
    }

    pub(super) fn figure(&self, subject: &str) -> Figure {
        let figure = Figure::new(&self.name, subject, self.unit, self.better);
        figure.value(self.value).quantiles(self.quantiles)
    }
}

impl Values {
    fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        self.0.push(Value::of(name, unit, value));
    }

    fn higher(&mut self, name: &str, unit: &'static str, value: f64) {
        self.0.push(Value {
            better: Better::Higher,
            ..Value::of(name, unit, value)
        });
    }

    fn cost(&mut self, name: &str, unit: &'static str, measured: &Measured) {
        self.add(name, unit, measured.cpu_micros().unwrap_or(f64::NAN));
    }

    fn latency(&mut self, name: &str, measured: &Measured) {
        let quantiles = Quantiles::of(&measured.latency, MILLISECOND);
        let p99 = quantiles.map_or(f64::NAN, |quantiles| quantiles.p99);
        self.0.push(Value {
            quantiles,
            ..Value::of(name, "ms", p99)
        });
    }

    /// The value called `name`; not a number when there is none.
    pub(super) fn value(&self, name: &str) -> f64 {
        let found = self.0.iter().find(|value| value.name == name);
        found.map_or(f64::NAN, |value| value.value)
    }

    /// Prints what is not compared.
    pub(super) fn print(&self, subject: &str, report: &mut Report) -> anyhow::Result<()> {
        let is_compared = |value: &&Value| COSTS.iter().any(|(name, _)| *name == value.name);
        for value in self.0.iter().filter(|value| !is_compared(value)) {
            report.figure(&value.figure(subject))?;
        }
        Ok(())
    }
}
