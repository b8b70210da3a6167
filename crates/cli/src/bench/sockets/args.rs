//! The command line of `vaxel bench sockets`.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use super::{fleet::Crew, script::Conversation, session::Plan};
use crate::bench::{outsider::Outsider, process};

/// Files of a process that are no connections, with what chance may deal out to one shard beyond
/// its share.
const SPARE_FILES: usize = 2_000;

/// Measure a server's sockets with clients that speak Phoenix Channels.
///
/// Any server will do that lets a client join a topic, broadcasts one event unchanged to all
/// members and answers another. Clients connect from this machine, from 127.0.0.2 onwards when the
/// server is on it too. They join, send heartbeats all the time, and check that every broadcast
/// reaches every member exactly once and every request is answered: anything less is a failure
/// and the command ends with an error.
///
/// With the server's process id, its CPU time and its memory are measured too. CPU time for each
/// message is the figure to compare: messages a second say as much about the clients, which share
/// the machine.
///
/// With `--compare loop` nothing has to be running: Vaxel's demo and the bare epoll loop are
/// started in turn on the first core, the clients run on the second, and each figure of Vaxel's is
/// divided by that of the loop before it. The same number of bytes goes over the wire. How far the
/// loop differs from itself in the same way is printed beside each ratio, and where that is more
/// than the margin claimed, or the ratio's own interval reaches across the goal, the result is
/// called inconclusive.
///
/// More connections than a process may open files are dealt out to as many shards and threads of
/// clients as they need, each with a table of open files of its own: `--connections 50000 --case
/// broadcast-rate` has 50,000 watchers of one topic.
#[derive(Debug, Clone, Args)]
pub(crate) struct SocketsArgs {
    /// The server's socket, such as ws://127.0.0.1:4000/socket.
    #[arg(long, value_name = "URL", required_unless_present = "compare")]
    pub(super) url: Option<String>,
    /// The server's process id, for its CPU time and memory; it must run on this machine.
    #[arg(long, value_name = "PID")]
    pub(super) pid: Option<u32>,
    /// What the server is called in the output.
    #[arg(long, value_name = "NAME", default_value = "server")]
    pub(super) subject: String,
    /// Measure Vaxel's demo in pairs with this denominator, started here.
    #[arg(long, value_enum, conflicts_with_all = ["url", "pid", "subject"])]
    pub(super) compare: Option<Denominator>,
    /// With --compare: measure this server instead of Vaxel's demo. It is started with `--listen
    /// ADDR` and answers raw frames as `vaxel bench loop` does; `cargo xtask socket-peers` has
    /// some.
    #[arg(long, value_name = "NAME=COMMAND", requires = "compare")]
    #[arg(conflicts_with = "workers")]
    pub(super) peer: Option<Outsider>,
    /// What to measure; connecting and joining happen in any case.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CASE")]
    pub(super) case: Vec<Case>,
    /// Clients; 1000 when nothing is said, 18000 with --compare.
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Threads of clients.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// The topic everybody joins.
    #[arg(long, default_value = "room:bench")]
    topic: String,
    /// The payload of the join.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    join_payload: String,
    /// The event that the server broadcasts, payload unchanged, to all members.
    #[arg(long, value_name = "NAME", default_value = "shout")]
    event: String,
    /// The event that the server answers with `ok`.
    #[arg(long, value_name = "NAME", default_value = "ping")]
    request: String,
    /// Bytes of JSON payload in a broadcast.
    #[arg(long, value_name = "N", default_value_t = 200)]
    bytes: usize,
    /// Bytes of JSON payload in a request.
    #[arg(long, value_name = "N", default_value_t = 64)]
    request_bytes: usize,
    /// Broadcasts at a rate: how many, such as 1/s.
    #[arg(long, value_name = "RATE", default_value = "1/s")]
    pub(super) rate: Rate,
    /// Broadcasts at saturation: how many are on their way at any time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) broadcasts_in_flight: u64,
    /// Clients that take part in requests, in a closed loop one count after the other.
    #[arg(
        long,
        value_name = "N|all",
        value_delimiter = ',',
        default_value = "1000,all"
    )]
    pub(super) busy: Vec<Busy>,
    /// Requests in an open loop: how many, by the first count of busy clients together.
    #[arg(long, value_name = "N", default_value_t = 5_000.0)]
    pub(super) requests_per_second: f64,
    /// Storm: requests of each client under way at any time.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(super) storm_depth: usize,
    /// Connections, and then joins, that wait for their answer at any time.
    #[arg(long, value_name = "N", default_value_t = 256)]
    in_flight: usize,
    /// Connections a second, at most; as many as go when nothing is said.
    #[arg(long, value_name = "N")]
    connect_rate: Option<f64>,
    /// Seconds between two heartbeats of a client; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    heartbeat: f64,
    /// How long a measurement takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// How long the load runs before a measurement begins.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    warm_up: f64,
    /// How long to wait for answers and deliveries that do not come.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    patience: f64,
    /// Repetitions of each measurement on the same connections; the median is printed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) runs: u32,
    /// With --compare: pairs of runs. Fewer than five prove nothing.
    #[arg(long, value_name = "N", default_value_t = 9, requires = "compare")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) pairs: u32,
    /// With --compare: shards of both servers; each has a core of its own.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "compare")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) shards: u16,
    /// With --compare: Vaxel's workers, on the cores of the shards.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "compare")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) workers: u16,
    /// With --compare: the ratio claimed, instead of each figure's own goal.
    #[arg(long, value_name = "RATIO", requires = "compare")]
    pub(super) goal: Option<f64>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// What Vaxel is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Denominator {
    /// The bare epoll loop, see `vaxel bench loop`.
    Loop,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Case {
    /// Connections a second, with the upgrade.
    Connect,
    /// Joins a second.
    Join,
    /// The server's memory for each connection, as a slope from a tenth of them to all.
    Memory,
    /// The server's CPU time while nobody says anything but heartbeats.
    Idle,
    /// Broadcasts as fast as they arrive.
    BroadcastSaturated,
    /// Broadcasts at a rate.
    BroadcastRate,
    /// Request and reply, each busy client asking again when answered.
    RequestClosed,
    /// Request and reply at fixed times.
    RequestOpen,
    /// A storm of requests by everybody, and the memory after it.
    Storm,
}

/// How many clients are busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// So many.
    Some(usize),
    /// All of them.
    All,
}

impl Busy {
    /// Of `connections` clients.
    pub(super) fn of(self, connections: usize) -> usize {
        match self {
            Self::Some(count) => count.min(connections),
            Self::All => connections,
        }
    }
}

impl FromStr for Busy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Self::All),
            Ok(count) if count > 0 => Ok(Self::Some(count)),
            _ => Err(format!("{text:?} is neither a number of clients nor `all`")),
        }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Some(count) => count.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// So many a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix("/s").unwrap_or(text).parse() {
            Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(Self(rate)),
            _ => Err(format!("{text:?} is no rate such as 1/s or 0.5/s")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl SocketsArgs {
    /// Clients altogether.
    pub(super) fn connections(&self) -> usize {
        self.connections.unwrap_or(if self.compare.is_some() {
            18_000
        } else {
            1_000
        })
    }

    /// The same with as many shards and threads of clients as the connections need.
    ///
    /// # Errors
    /// When a peer would have to have several.
    pub(super) fn spread(&self) -> anyhow::Result<Self> {
        let mut spread = self.clone();
        let tables = self.file_tables();
        ensure!(
            tables == 1 || self.peer.is_none(),
            "a peer has one table of open files, which has no room for {} connections",
            self.connections()
        );
        spread.shards = self.shards.max(u16::try_from(tables)?);
        spread.threads = self.threads.max(tables);
        Ok(spread)
    }

    /// How many tables of open files the connections need.
    pub(super) fn file_tables(&self) -> usize {
        let limit = usize::try_from(process::raise_file_limit()).unwrap_or(usize::MAX);
        self.connections()
            .div_ceil(limit.saturating_sub(SPARE_FILES).max(1))
    }

    /// Whether `case` is to be printed. All are when none is named.
    pub(super) fn wants(&self, case: Case) -> bool {
        self.case.is_empty() || self.case.contains(&case)
    }

    /// What the clients say.
    pub(super) fn conversation(&self) -> Conversation {
        Conversation {
            topic: self.topic.clone(),
            join_payload: self.join_payload.clone(),
            broadcast_event: self.event.clone(),
            request_event: self.request.clone(),
            broadcast_bytes: self.bytes,
            request_bytes: self.request_bytes,
        }
    }

    /// How the phases run.
    ///
    /// # Errors
    /// When a number makes no sense; the option is named.
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        ensure!(self.connections() > 0, "--connections must be at least 1");
        let threads = self.threads;
        ensure!(
            (1..=256).contains(&threads),
            "--threads must be from 1 to 256"
        );
        ensure!(
            self.in_flight >= threads,
            "--in-flight must be at least --threads"
        );
        ensure!(
            (1..=1_000).contains(&self.storm_depth),
            "--storm-depth must be from 1 to 1000"
        );
        for (option, rate) in [
            ("--requests-per-second", Some(self.requests_per_second)),
            ("--connect-rate", self.connect_rate),
        ] {
            ensure!(
                rate.is_none_or(|rate| rate > 0.0),
                "{option} must be above 0"
            );
        }
        let heartbeat = seconds("--heartbeat", self.heartbeat)?;
        let duration = seconds("--seconds", self.seconds)?;
        ensure!(!duration.is_zero(), "--seconds must be above 0");
        Ok(Plan {
            crew: Crew {
                connections: self.connections(),
                threads,
                patience_nanos: seconds("--patience", self.patience)?.as_nanos() as u64,
                heartbeat_nanos: (!heartbeat.is_zero()).then_some(heartbeat.as_nanos() as u64),
            },
            in_flight: self.in_flight,
            connects_per_second: self.connect_rate,
            warm_up: seconds("--warm-up", self.warm_up)?,
            duration,
        })
    }
}

/// At most a day, so that nothing runs for ever.
fn seconds(option: &str, value: f64) -> anyhow::Result<Duration> {
    ensure!(
        (0.0..=86_400.0).contains(&value),
        "{option} must be from 0 to 86400 seconds"
    );
    Duration::try_from_secs_f64(value).with_context(|| format!("{option} {value}"))
}
