//! Crashes workers of the demo's supervision tree, as a visitor of its page does, and waits until
//! the tree shows that they have been restarted.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::bench::{interrupt, sockets::visitor::Visitor};

/// Workers of the demo that are crashed in turn.
const WORKERS: [&str; 4] = ["ada", "grace", "hedy", "mary"];
const WATCH: &str = "stats:live";
const CRASH: &str = "tree:demo";
/// How long a restart may take to show.
const PATIENCE: Duration = Duration::from_secs(30);

/// Crashes `count` workers, one after the other; how many restarts were seen.
///
/// # Errors
/// When one is not restarted in time.
pub(in crate::bench::sockets) fn crash_workers(
    server: SocketAddr,
    count: usize,
) -> anyhow::Result<usize> {
    let mut visitor = Visitor::connect(server, PATIENCE).context("cannot visit the demo")?;
    visitor.join(WATCH)?;
    visitor.join(CRASH)?;
    let mut tree = visitor.until(WATCH, "tree")?;
    for turn in 0..count {
        let worker = WORKERS[turn % WORKERS.len()];
        let before = restarts_in(&tree, worker).context("the demo has another tree")?;
        visitor.say(CRASH, "crash", "2", &json!({ "id": worker }))?;
        let began = Instant::now();
        while restarts_in(&tree, worker) <= Some(before) {
            interrupt::check()?;
            ensure!(began.elapsed() < PATIENCE, "{worker} was not restarted");
            tree = visitor.until(WATCH, "tree")?;
        }
    }
    Ok(count)
}

/// How often the worker has been restarted, wherever in the tree it is.
fn restarts_in(node: &Value, worker: &str) -> Option<u64> {
    if node["name"] == worker {
        return node["restarts"].as_u64();
    }
    let children = node["children"].as_array()?;
    children.iter().find_map(|child| restarts_in(child, worker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_found_in_their_groups() {
        let tree = json!({ "name": "exchange", "children": [
            { "name": "trunks", "restarts": 1, "children": [{ "name": "north", "restarts": 7 }] },
            { "name": "operators", "children": [{ "name": "ada", "restarts": 3 }] },
        ]});
        assert_eq!(restarts_in(&tree, "ada"), Some(3));
        assert_eq!(restarts_in(&tree, "north"), Some(7));
        assert_eq!(restarts_in(&tree, "nobody"), None);
    }
}
