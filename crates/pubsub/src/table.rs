//! Who listens to which topic, on one shard.

use std::sync::Arc;

use hashbrown::HashMap;

/// The subscribers of one shard, by topic.
///
/// Each topic keeps its subscribers in a dense vector, so that a broadcast is one walk over
/// consecutive memory. Subscribing and leaving take constant time: a [`Seat`] names a row that
/// remembers the subscriber's position, and the last of the vector takes the place of the one
/// who leaves. A topic without subscribers is forgotten and its memory returned.
///
/// `K` is what the shard needs to find a subscriber; one of 12 bytes makes a subscription cost
/// 24 bytes.
///
/// # Ordering
/// A walk visits the subscribers in no particular order.
#[derive(Debug)]
pub struct SubscriberTable<K> {
    names: HashMap<Arc<str>, u32>,
    topics: Vec<Topic<K>>,
    topics_free: Vec<u32>,
    rows: Vec<Row>,
    row_free: u32,
    len: usize,
}

#[derive(Debug)]
struct Topic<K> {
    name: Arc<str>,
    subscribers: Vec<Subscriber<K>>,
}

#[derive(Debug)]
struct Subscriber<K> {
    key: K,
    row: u32,
}

/// Where a seat's subscriber is now. A free row keeps the next free row in `position`.
#[derive(Debug, Clone, Copy)]
struct Row {
    topic: u32,
    position: u32,
}

const NONE: u32 = u32::MAX;
/// Vectors smaller than this are not worth giving back.
const SHRINK_MIN: usize = 64;

/// A place in a [`SubscriberTable`], to be handed back by [`SubscriberTable::leave`].
///
/// It has no meaning in another table and none after it has been handed back.
#[derive(Debug, PartialEq, Eq)]
pub struct Seat(u32);

impl<K> Default for SubscriberTable<K> {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            topics: Vec::new(),
            topics_free: Vec::new(),
            rows: Vec::new(),
            row_free: NONE,
            len: 0,
        }
    }
}

impl<K> SubscriberTable<K> {
    /// An empty table; allocates at the first subscription.
    pub fn new() -> Self {
        Self::default()
    }

    /// Seats `key` among the subscribers of `topic`.
    ///
    /// The same key may sit there more than once; each seat is visited.
    pub fn join(&mut self, topic: &Arc<str>, key: K) -> Seat {
        let id = self.topic_id(topic);
        let subscribers = &mut self.topics[id as usize].subscribers;
        let row = Row {
            topic: id,
            position: index(subscribers.len()),
        };
        let free = self.row_free;
        let number = if free == NONE {
            self.rows.push(row);
            index(self.rows.len() - 1)
        } else {
            self.row_free = self.rows[free as usize].position;
            self.rows[free as usize] = row;
            free
        };
        subscribers.push(Subscriber { key, row: number });
        self.len += 1;
        Seat(number)
    }

    /// Gives a seat back and returns who sat there.
    ///
    /// # Panics
    /// When `seat` comes from another table.
    pub fn leave(&mut self, seat: Seat) -> K {
        let Row { topic, position } = self.rows[seat.0 as usize];
        let subscribers = &mut self.topics[topic as usize].subscribers;
        let gone = subscribers.swap_remove(position as usize);
        assert_eq!(
            gone.row, seat.0,
            "a seat is handed back once, to the table that gave it"
        );
        if let Some(moved) = subscribers.get(position as usize) {
            self.rows[moved.row as usize].position = position;
        }
        if subscribers.is_empty() {
            self.forget(topic);
        } else if subscribers.capacity() > SHRINK_MIN.max(4 * subscribers.len()) {
            subscribers.shrink_to(2 * subscribers.len());
        }
        self.rows[seat.0 as usize] = Row {
            topic: NONE,
            position: self.row_free,
        };
        self.row_free = seat.0;
        self.len -= 1;
        self.shrink_when_empty();
        gone.key
    }

    /// Everybody on `topic`.
    pub fn subscribers(&self, topic: &str) -> impl ExactSizeIterator<Item = &K> {
        let id = self.names.get(topic);
        let subscribers = id.map_or(&[][..], |&id| &self.topics[id as usize].subscribers[..]);
        subscribers.iter().map(|subscriber| &subscriber.key)
    }

    /// The name of `topic` as this table holds it, so that equal topics share one allocation.
    pub fn intern(&self, topic: &str) -> Arc<str> {
        self.names
            .get_key_value(topic)
            .map_or_else(|| Arc::from(topic), |(name, _)| name.clone())
    }

    /// How many seats are taken, over all topics.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody listens to anything.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many topics have subscribers.
    pub fn topics(&self) -> usize {
        self.names.len()
    }

    fn topic_id(&mut self, name: &Arc<str>) -> u32 {
        if let Some(&id) = self.names.get(name) {
            return id;
        }
        let topic = Topic {
            name: name.clone(),
            subscribers: Vec::new(),
        };
        let id = match self.topics_free.pop() {
            Some(id) => {
                self.topics[id as usize] = topic;
                id
            }
            None => {
                self.topics.push(topic);
                index(self.topics.len() - 1)
            }
        };
        self.names.insert(name.clone(), id);
        id
    }

    fn forget(&mut self, id: u32) {
        let topic = &mut self.topics[id as usize];
        self.names.remove(&topic.name);
        topic.name = Arc::default();
        topic.subscribers = Vec::new();
        self.topics_free.push(id);
    }

    /// After a storm the rows would stay for ever; an empty table starts over.
    fn shrink_when_empty(&mut self) {
        if self.len == 0 && self.rows.capacity() > SHRINK_MIN {
            *self = Self::new();
        }
    }
}

/// A table has fewer than `u32::MAX` rows: each costs a connection.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("fewer than four billion subscriptions on a shard")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Join { topic: u8, key: u16 },
        Leave { pick: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0u8..6, any::<u16>()).prop_map(|(topic, key)| Step::Join { topic, key }),
            2 => any::<usize>().prop_map(|pick| Step::Leave { pick }),
        ]
    }

    fn sorted(table: &SubscriberTable<u16>, topic: &str) -> Vec<u16> {
        let mut keys: Vec<u16> = table.subscribers(topic).copied().collect();
        keys.sort_unstable();
        keys
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_of_lists(steps in proptest::collection::vec(step(), 0..400)) {
            let mut table = SubscriberTable::new();
            let mut model: BTreeMap<String, Vec<u16>> = BTreeMap::new();
            let mut seats: Vec<(Seat, String, u16)> = Vec::new();
            for step in steps {
                match step {
                    Step::Join { topic, key } => {
                        let name = format!("room:{topic}");
                        let seat = table.join(&table.intern(&name), key);
                        model.entry(name.clone()).or_default().push(key);
                        seats.push((seat, name, key));
                    }
                    Step::Leave { pick } if !seats.is_empty() => {
                        let (seat, name, key) = seats.swap_remove(pick % seats.len());
                        prop_assert_eq!(table.leave(seat), key);
                        let keys = model.get_mut(&name).expect("joined before");
                        let at = keys.iter().position(|&k| k == key).expect("joined before");
                        keys.swap_remove(at);
                    }
                    Step::Leave { .. } => {}
                }
                prop_assert_eq!(table.len(), seats.len());
            }
            for (name, mut keys) in model {
                keys.sort_unstable();
                prop_assert_eq!(sorted(&table, &name), keys);
            }
        }
    }

    #[test]
    fn a_topic_is_forgotten_with_its_last_subscriber() {
        let mut table = SubscriberTable::new();
        let a = table.join(&Arc::from("room:1"), 1u16);
        let b = table.join(&Arc::from("room:1"), 2);
        assert_eq!(table.topics(), 1);
        table.leave(a);
        assert_eq!(sorted(&table, "room:1"), [2]);
        table.leave(b);
        assert_eq!((table.topics(), table.len()), (0, 0));
        assert_eq!(table.subscribers("room:1").len(), 0);
    }

    #[test]
    fn equal_topics_share_one_name() {
        let mut table = SubscriberTable::new();
        let first = table.intern("room:1");
        table.join(&first, 1u16);
        assert!(Arc::ptr_eq(&first, &table.intern("room:1")));
    }

    #[test]
    fn memory_returns_after_a_storm() {
        let mut table = SubscriberTable::new();
        let name: Arc<str> = Arc::from("room:1");
        let mut seats: Vec<Seat> = (0..10_000u64).map(|key| table.join(&name, key)).collect();
        let keep = seats.split_off(9_900);
        for seat in seats {
            table.leave(seat);
        }
        let capacity = table.topics[0].subscribers.capacity();
        assert!(
            capacity < 1_000,
            "{capacity} places are kept for {} subscribers",
            keep.len()
        );
    }

    #[test]
    fn a_subscription_costs_24_bytes() {
        assert!(size_of::<Subscriber<[u32; 3]>>() + size_of::<Row>() <= 24);
    }
}
