//! What was said in a room, for those who come later; with `--data` only.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use vaxel::persistence::{
    Command, Entities, Entity, EventSourced, Execute, Json, Persistence, Snapshots,
};
use vaxel::prelude::*;

/// What a newcomer is told: as many rows as the page shows, and no more than this.
const LINES_MAX: usize = 200;
const BYTES_MAX: usize = 256 * 1024;

/// The last of what was said in one room.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Talk {
    lines: VecDeque<Said>,
}

/// A message of a client, as it came.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Said {
    /// Epoch milliseconds.
    at: u64,
    line: Box<RawValue>,
}

impl EventSourced for Talk {
    const KIND: &'static str = "talk";
    const SNAPSHOTS: Snapshots = Snapshots::every(500);
    type Event = Said;
    type Format = Json;

    fn new(_room: &str) -> Self {
        Talk::default()
    }

    fn apply(&mut self, said: &Said) {
        self.lines.push_back(said.clone());
        let bytes = |said: &Said| said.line.get().len();
        while self.lines.len() > LINES_MAX
            || self.lines.iter().map(bytes).sum::<usize>() > BYTES_MAX
        {
            self.lines.pop_front();
        }
    }
}

/// Keeps a message; answered when it is stored.
pub(crate) struct Say(pub(crate) Box<RawValue>);

impl Command for Say {
    type Reply = ();
}

impl Execute<Say> for Talk {
    async fn execute(Say(line): Say, talk: &mut Entity<'_, Self>) {
        let age = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = age.map_or(0, |age| age.as_millis() as u64);
        talk.persist(Said { at, line });
    }
}

/// Asks for the last messages, oldest first.
pub(crate) struct Recall;

impl Command for Recall {
    type Reply = Vec<Said>;
}

impl Execute<Recall> for Talk {
    async fn execute(_: Recall, talk: &mut Entity<'_, Self>) -> Vec<Said> {
        talk.lines.iter().cloned().collect()
    }
}

/// Knows the talks of all rooms. There is one, named `talks`.
pub(crate) struct Archive {
    talks: Entities<Talk>,
}

#[actor]
impl Archive {
    pub(crate) fn init(persistence: Persistence) -> Self {
        Archive {
            talks: Entities::new(&persistence),
        }
    }

    #[call]
    pub(crate) fn talks(&self) -> Entities<Talk> {
        self.talks.clone()
    }
}
