//! The command line of `vaxel bench scale`, and how connections are dealt out to shards.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use clap::Args;

use super::turn::Turn;
use crate::bench::{
    process, sockets::fleet::Crew, sockets::script::Conversation, sockets::session::Plan,
};

/// Hold very many connections at once and measure what each of them costs.
///
/// One server process, Vaxel's demo, and all its clients share this machine: server on the first
/// core, clients on the second. Clients come from 127.0.0.2 onwards, join a channel, send
/// heartbeats and are never silent for as long as the server's idle time-out. While they are
/// connected, one of them broadcasts to all, up to 100,000 ask at a time and are answered,
/// channels crash and are joined again, and supervised workers crash and are restarted. At each
/// number the bare epoll loop holds as many connections and does the same work.
///
/// A connection takes 8.3 KB of the kernel's memory here, both ends together: a million need
/// 10 GiB, two million 20 GiB. Where a process may not open that many files, shards and clients
/// have file tables of their own.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScaleArgs {
    /// How many clients join, one number after the other; 0 for none.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    #[arg(default_value = "1000,10000,100000,1000000")]
    pub(super) joined: Vec<usize>,
    /// How many clients connect at the end without joining; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub(super) connected: usize,
    /// Clients before the others: memory for each is a slope from them to all.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(super) first: usize,
    /// Pairs of turns at numbers up to 100000.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) pairs: u32,
    /// Connections of a shard, in the mean; a file table has to have room for some hundred more.
    #[arg(long, value_name = "N", default_value_t = 17_900)]
    #[arg(value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(super) per_shard: u32,
    /// Seconds between two heartbeats of a client.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=50))]
    heartbeat: u64,
    /// How long a measurement takes at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections, and then joins, that wait for their answer at any time.
    #[arg(long, value_name = "N", default_value_t = 512)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: u32,
    /// Write the tables and the plot to this file and its neighbour. A run in which nobody joins
    /// is added to the file that is there.
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

impl ScaleArgs {
    /// # Errors
    /// When there is nobody to connect.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.connected > 0 || self.joined.iter().any(|&total| total > 0),
            "--joined and --connected are both 0"
        );
        ensure!(self.first > 0, "--first must be above 0");
        Ok(())
    }

    /// What the clients say: as `vaxel bench sockets` has it.
    pub(super) fn conversation(&self) -> Conversation {
        Conversation {
            topic: "room:bench".to_owned(),
            join_payload: "{}".to_owned(),
            broadcast_event: "shout".to_owned(),
            request_event: "ping".to_owned(),
            broadcast_bytes: 200,
            request_bytes: 64,
        }
    }

    /// How the phases run. Very many clients take longer to be reached once.
    pub(super) fn plan(&self, layout: &Layout) -> Plan {
        const REACHED_PER_SECOND: usize = 100_000;
        let once = Duration::from_secs((layout.total / REACHED_PER_SECOND) as u64);
        let patience = Duration::from_secs(30) + once * 8;
        Plan {
            crew: Crew {
                connections: layout.total,
                threads: layout.threads,
                patience_nanos: patience.as_nanos() as u64,
                heartbeat_nanos: Some(self.heartbeat * 1_000_000_000),
            },
            in_flight: (self.in_flight as usize).max(layout.threads),
            connects_per_second: None,
            warm_up: Duration::from_millis(500) + once / 4,
            duration: Duration::from_secs(self.seconds).max(once),
        }
    }
}

/// How the connections are dealt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Connections.
    pub(super) total: usize,
    /// Shards of the server.
    pub(super) shards: usize,
    /// Threads of clients.
    pub(super) threads: usize,
    /// Whether all of them fit into the table of one process.
    has_one_table: bool,
}

impl Layout {
    /// As many shards as are needed for `per_shard` connections each.
    pub(super) fn of(total: usize, per_shard: u32) -> Self {
        let limit = process::raise_file_limit();
        let shards = total.div_ceil(per_shard as usize).max(1);
        Self {
            total,
            shards,
            threads: shards,
            has_one_table: (total as u64) < limit.saturating_sub(1_000),
        }
    }

    pub(super) fn tables_in_words(&self) -> &'static str {
        if self.has_one_table {
            "one file table"
        } else {
            "a file table for each"
        }
    }

    /// The command line of the server, without its address.
    pub(super) fn words(&self, turn: Turn) -> Vec<String> {
        let tables = if self.has_one_table {
            "shared"
        } else {
            "per-shard"
        };
        let shards = self.shards.to_string();
        let room = (self.total + 1_000).to_string();
        let words: &[&str] = match turn {
            Turn::Loop => &["bench", "loop", "--shards", &shards],
            _ => &[
                "demo",
                "--workers",
                "1",
                "--shards",
                &shards,
                "--connections-max",
                &room,
            ],
        };
        let tables = ["--file-tables", tables];
        words
            .iter()
            .chain(&tables)
            .map(|word| (*word).to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_as_many_as_the_connections_need() {
        assert_eq!(Layout::of(1_000, 17_900).shards, 1);
        assert_eq!(Layout::of(17_901, 17_900).shards, 2);
        let million = Layout::of(1_000_000, 17_900);
        assert_eq!((million.shards, million.threads), (56, 56));
        let words = million.words(Turn::Whole).join(" ");
        assert!(
            words.contains("--shards 56 --connections-max 1001000"),
            "{words}"
        );
    }
}
