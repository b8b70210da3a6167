//! Takes a sample of the server every second and sends it to everybody who watches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::value::{RawValue, to_raw_value};
use vaxel::Broadcast;
use vaxel::prelude::*;

use super::exchange::Crash;
use super::shared::{HISTORY_MAX, Running, Shared, rss_bytes};

const SAMPLE_EVERY: Duration = secs(1);

/// With fewer connections the memory of everything else drowns theirs.
const CONNECTIONS_MIN: u64 = 100;

pub(crate) struct Sampler {
    shared: Arc<Shared>,
}

#[derive(Message)]
struct Tick;

#[derive(Serialize)]
struct Sample {
    /// Epoch milliseconds.
    t: u128,
    connections: u64,
    channels: u64,
    actors: u64,
    /// Frames received from and sent to clients.
    messages_per_second: f64,
    latency_us: Latency,
    memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counters: Option<BTreeMap<String, u64>>,
    uptime_s: u64,
}

/// What the probe measured in the last second; nothing when it was down.
#[derive(Serialize)]
struct Latency {
    p50: Option<u64>,
    p99: Option<u64>,
    p999: Option<u64>,
    max: Option<u64>,
}

#[derive(Serialize)]
struct Memory {
    rss_bytes: u64,
    /// Growth since the start divided by the connections; none below [`CONNECTIONS_MIN`].
    per_connection_bytes: Option<u64>,
}

#[actor]
impl Sampler {
    pub(crate) fn init(shared: Arc<Shared>, cx: &mut Context<Self>) -> Self {
        shared.begin("sampler");
        cx.send_every(SAMPLE_EVERY, || Tick);
        Sampler { shared }
    }

    #[info]
    fn tick(&mut self, _: Tick) {
        self.shared.count("sampler");
        let Some(running) = self.shared.running() else {
            return;
        };
        let mut sample = self.sample(running);
        let full = json(&sample);
        sample.counters = None;
        let slim = json(&sample);
        let mut state = self.shared.state();
        if state.history.len() == HISTORY_MAX {
            state.history.pop_front();
        }
        state.history.push_back(slim);
        state.sample = Some(full.clone());
        drop(state);
        running
            .endpoint
            .send(&Broadcast::raw("stats:live", "sample", full));
    }

    #[info]
    fn crash(&mut self, _: Crash) {
        panic!("a visitor crashed the sampler");
    }

    fn sample(&self, running: &Running) -> Sample {
        let net = running.figures.net();
        let channels = running.figures.channels();
        let connections = net.websockets_open;
        Sample {
            t: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |age| age.as_millis()),
            connections,
            channels: channels.channels_open,
            actors: running.figures.actors().actors_alive,
            messages_per_second: self.messages_per_second(net.frames_in + net.frames_out),
            latency_us: self.latency(),
            memory: memory(running.rss_bytes_idle, connections),
            counters: Some(running.figures.all().into_iter().collect()),
            uptime_s: self.shared.uptime_s(),
        }
    }

    fn messages_per_second(&self, frames: u64) -> f64 {
        let now = Instant::now();
        let before = self.shared.state().frames.replace((now, frames));
        let Some((then, frames_then)) = before else {
            return 0.0;
        };
        let rate = frames.saturating_sub(frames_then) as f64 / (now - then).as_secs_f64();
        (rate * 10.0).round() / 10.0
    }

    fn latency(&self) -> Latency {
        let histogram = &mut self.shared.state().latency_us;
        let is_known = !histogram.is_empty();
        let at = |quantile: f64| is_known.then(|| histogram.value_at_quantile(quantile));
        let latency = Latency {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: is_known.then(|| histogram.max()),
        };
        histogram.reset();
        latency
    }
}

fn memory(idle: Option<u64>, connections: u64) -> Option<Memory> {
    let rss_bytes = rss_bytes()?;
    let growth = idle.map(|idle| rss_bytes.saturating_sub(idle));
    let is_known = connections >= CONNECTIONS_MIN;
    let per_connection_bytes = growth
        .filter(|_| is_known)
        .map(|growth| growth / connections);
    Some(Memory {
        rss_bytes,
        per_connection_bytes,
    })
}

fn json(sample: &Sample) -> Box<RawValue> {
    to_raw_value(sample).expect("a sample has a JSON form")
}
