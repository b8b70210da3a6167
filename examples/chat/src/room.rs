//! Rooms: each an actor that numbers what is said and knows how far every member has got.

use std::collections::{HashMap, VecDeque};

use vaxel::prelude::*;

/// One more room, or member of a room, is refused.
const ROOMS_MAX: usize = 10_000;
const MEMBERS_MAX: usize = 1_024;

/// How many of a member's last messages are known by their keys.
const KEYS_MAX: usize = 64;

/// Finds the room of a topic.
pub(crate) struct Rooms {
    open: HashMap<String, RoomRef>,
}

#[actor]
impl Rooms {
    pub(crate) fn init() -> Self {
        Rooms {
            open: HashMap::new(),
        }
    }

    /// The room, opened now if it is not open or has crashed.
    #[call]
    pub(crate) fn open(&mut self, topic: String, endpoint: Endpoint) -> Option<RoomRef> {
        let known = self.open.get(&topic).filter(|room| room.is_alive());
        if let Some(room) = known {
            return Some(room.clone());
        }
        if self.open.len() >= ROOMS_MAX {
            return None;
        }
        let room = Room::spawn(topic.clone(), endpoint);
        self.open.insert(topic, room.clone());
        Some(room)
    }
}

/// One room.
pub(crate) struct Room {
    topic: String,
    endpoint: Endpoint,
    /// The number of the last message.
    last: u64,
    members: HashMap<String, Progress>,
}

/// How far a member has got.
#[derive(Default)]
struct Progress {
    receipt: Receipt,
    /// Its own last messages, by the client's key.
    said: VecDeque<(String, u64)>,
}

/// Up to which message a member was given them, and has read them.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Receipt {
    pub(crate) delivered: u64,
    pub(crate) read: u64,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(crate = "vaxel::serde")]
pub(crate) struct Line {
    pub(crate) key: String,
    pub(crate) text: String,
}

#[actor]
impl Room {
    pub(crate) fn init(topic: String, endpoint: Endpoint) -> Self {
        Room {
            topic,
            endpoint,
            last: 0,
            members: HashMap::new(),
        }
    }

    /// The last message and everybody's receipts; nothing when the room is full.
    #[call]
    pub(crate) fn enter(&mut self, user: String) -> Option<(u64, HashMap<String, Receipt>)> {
        if !self.members.contains_key(&user) {
            if self.members.len() >= MEMBERS_MAX {
                return None;
            }
            // What was said before somebody came is none of its business.
            let last = self.last;
            let receipt = Receipt {
                delivered: last,
                read: last,
            };
            let said = VecDeque::new();
            self.members
                .insert(user.clone(), Progress { receipt, said });
            self.tell(user, receipt);
        }
        let members = self.members.iter();
        let receipts = members.map(|(user, progress)| (user.clone(), progress.receipt));
        Some((self.last, receipts.collect()))
    }

    /// Numbers a message and sends it to everybody; its number. Said twice, it is sent once.
    #[call]
    pub(crate) fn say(&mut self, user: String, line: Line) -> u64 {
        let said = &mut self.members.entry(user.clone()).or_default().said;
        if let Some((_, id)) = said.iter().find(|(key, _)| *key == line.key) {
            return *id;
        }
        self.last += 1;
        said.push_back((line.key.clone(), self.last));
        if said.len() > KEYS_MAX {
            said.pop_front();
        }
        let message = json!({
            "id": self.last, "key": line.key, "from": user, "text": line.text,
        });
        self.endpoint.broadcast(&self.topic, "said", &message);
        self.last
    }

    /// Moves a member's receipt forward, never back nor beyond what was said.
    #[call]
    pub(crate) fn acknowledge(&mut self, user: String, told: Receipt) {
        let known = &mut self.members.entry(user.clone()).or_default().receipt;
        let read = known.read.max(told.read.min(self.last));
        let delivered = known.delivered.max(told.delivered.min(self.last)).max(read);
        let now = Receipt { delivered, read };
        if std::mem::replace(known, now) != now {
            self.tell(user, now);
        }
    }

    fn tell(&self, user: String, Receipt { delivered, read }: Receipt) {
        let receipt = json!({ "user": user, "delivered": delivered, "read": read });
        self.endpoint.broadcast(&self.topic, "receipt", &receipt);
    }
}
