//! Reads the server once a second and tells everybody who watches.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vaxel::Figures;
use vaxel::prelude::*;

use crate::process;

const UPDATE_EVERY: Duration = secs(1);

/// With fewer watchers the memory of everything else drowns theirs.
const WATCHERS_MIN: u64 = 100;

/// Updates that a newcomer is given: two minutes.
const HISTORY_MAX: usize = 120;

/// The server that is watched, once it listens.
pub(crate) type Watched = Arc<OnceLock<(Figures, Endpoint)>>;

pub(crate) struct Meter {
    server: Watched,
    rss_bytes_idle: Option<u64>,
    before: Option<Reading>,
    number: u64,
    history: VecDeque<Update>,
}

/// What only grows, at some moment.
struct Reading {
    at: Instant,
    cpu_time: Option<Duration>,
    deliveries: u64,
}

/// What is sent.
#[derive(Clone, Serialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Update {
    number: u64,
    /// Milliseconds since 1970.
    t: u128,
    watchers: u64,
    /// Updates given to sockets, a second.
    deliveries: f64,
    /// Of one core, all threads together.
    cpu_percent: Option<f64>,
    rss_bytes: Option<u64>,
    /// What memory has grown by since the start, for each watcher; none below [`WATCHERS_MIN`].
    watcher_bytes: Option<u64>,
}

#[derive(Serialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct History {
    history: VecDeque<Update>,
}

#[derive(Message)]
struct Tick;

#[actor]
impl Meter {
    pub(crate) fn init(server: Watched, cx: &mut Context<Self>) -> Self {
        cx.send_every(UPDATE_EVERY, || Tick);
        Meter {
            server,
            rss_bytes_idle: process::rss_bytes(),
            before: None,
            number: 0,
            history: VecDeque::with_capacity(HISTORY_MAX),
        }
    }

    #[call]
    pub(crate) fn history(&self) -> History {
        let history = self.history.clone();
        History { history }
    }

    #[info]
    fn tick(&mut self, _: Tick) {
        let Some((figures, endpoint)) = self.server.get().cloned() else {
            return;
        };
        let now = Reading {
            at: Instant::now(),
            cpu_time: process::cpu_time(),
            deliveries: figures.channels().deliveries,
        };
        if let Some(before) = self.before.replace(now) {
            let update = self.update(&before, &figures);
            endpoint.broadcast("board:live", "update", &update);
            self.history.push_back(update);
            if self.history.len() > HISTORY_MAX {
                self.history.pop_front();
            }
        }
    }

    fn update(&mut self, before: &Reading, figures: &Figures) -> Update {
        let now = self.before.as_ref().unwrap_or(before);
        let seconds = (now.at - before.at).as_secs_f64();
        let cpu_time = now.cpu_time.zip(before.cpu_time);
        let cpu_s = cpu_time.map(|(now, before)| now.saturating_sub(before).as_secs_f64());
        let watchers = figures.channels().channels_open;
        let rss_bytes = process::rss_bytes();
        let growth = rss_bytes.zip(self.rss_bytes_idle);
        let growth = growth.filter(|_| watchers >= WATCHERS_MIN);
        self.number += 1;
        Update {
            number: self.number,
            t: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |age| age.as_millis()),
            watchers,
            deliveries: tenths((now.deliveries - before.deliveries) as f64 / seconds),
            cpu_percent: cpu_s.map(|cpu_s| tenths(100.0 * cpu_s / seconds)),
            rss_bytes,
            watcher_bytes: growth.map(|(now, idle)| now.saturating_sub(idle) / watchers),
        }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
