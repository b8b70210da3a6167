//! What was broadcast on a topic lately, so that a client that comes back gets what it missed.
//!
//! Topics that keep a history number their broadcasts. Numbering, keeping and handing over happen
//! under one lock a topic, so every receiver gets the broadcasts of the topic in the order of
//! their numbers, and somebody who asks under the same lock can be told where the history ends and
//! what is new begins.

use std::collections::VecDeque;
use std::fmt;
use std::hash::BuildHasher;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::Broadcast;

/// Topics are spread over so many locks, each held for one look-up.
const SHARDS: usize = 16;

/// What a topic keeps of its broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Broadcasts kept. The oldest goes first (`channels.broadcasts_forgotten`, as for the next
    /// two).
    pub broadcasts_max: usize,
    /// Bytes of their payloads. The oldest goes first; one that is larger alone is not kept.
    pub bytes_max: usize,
    /// How old they may get.
    pub age_max: Duration,
    /// Topics with a history, over all. With one more, histories that are too old go; if there
    /// are none, the new topic keeps nothing, and clients that come back are told of a gap
    /// (`channels.histories_refused`).
    pub topics_max: usize,
}

impl Window {
    /// 256 broadcasts, 256 KiB and 2 minutes a topic, of 65,536 topics.
    pub const DEFAULT: Self = Self {
        broadcasts_max: 256,
        bytes_max: 256 << 10,
        age_max: Duration::from_secs(120),
        topics_max: 1 << 16,
    };
}

impl Default for Window {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where in the broadcasts of a topic somebody is. Text such as `9f86d081-42`.
///
/// The first part names the history: one that begins anew, because the server was started or the
/// topic was forgotten, has another, so an offset of the one before is never taken for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offset {
    epoch: u32,
    number: u64,
}

impl Offset {
    /// An offset of no history: whoever asks with it is told of a gap.
    pub const UNKNOWN: Self = Self {
        epoch: 0,
        number: u64::MAX,
    };
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.epoch, self.number)
    }
}

/// The text is no offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetError;

impl FromStr for Offset {
    type Err = OffsetError;

    fn from_str(text: &str) -> Result<Self, OffsetError> {
        let (epoch, number) = text.split_once('-').ok_or(OffsetError)?;
        Ok(Self {
            epoch: u32::from_str_radix(epoch, 16).map_err(|_| OffsetError)?,
            number: number.parse().map_err(|_| OffsetError)?,
        })
    }
}

/// What somebody who comes back has missed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Missed {
    /// These, in order; possibly none.
    Some(Vec<Broadcast>),
    /// More than is kept, or the offset belongs to no history that is known.
    Gap,
}

/// The histories of one hub.
pub(crate) struct Histories {
    windows: Vec<(TopicMatch, Window)>,
    shards: [Mutex<Topics>; SHARDS],
    hasher: DefaultHashBuilder,
    topics: AtomicU64,
    refused: AtomicU64,
    forgotten: Arc<AtomicU64>,
}

type Topics = HashMap<Arc<str>, Arc<Mutex<History>>>;

/// Whether a topic keeps a history.
pub type TopicMatch = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// The history of one topic.
pub(crate) struct History {
    window: Window,
    epoch: u32,
    /// The number of the last broadcast; that of the first one is 1.
    last: u64,
    kept: VecDeque<(Instant, Broadcast)>,
    bytes: usize,
    forgotten: Arc<AtomicU64>,
}

impl Histories {
    pub(crate) fn new(windows: Vec<(TopicMatch, Window)>) -> Self {
        Self {
            windows,
            shards: Default::default(),
            hasher: DefaultHashBuilder::default(),
            topics: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            forgotten: Arc::default(),
        }
    }

    /// Topics that keep a history now.
    pub(crate) fn open(&self) -> u64 {
        self.topics.load(Ordering::Relaxed)
    }

    /// Times a topic found too many that do.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Broadcasts that were kept once and are no longer.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// The history of a topic that keeps one.
    pub(crate) fn of(&self, topic: &Arc<str>) -> Option<Arc<Mutex<History>>> {
        let (_, window) = self.windows.iter().find(|(matches, _)| matches(topic))?;
        let index = self.hasher.hash_one(&**topic) as usize % SHARDS;
        let mut shard = lock(&self.shards[index]);
        if let Some(history) = shard.get(topic) {
            return Some(history.clone());
        }
        if self.topics.load(Ordering::Relaxed) >= window.topics_max as u64 {
            let before = shard.len();
            shard.retain(|_, history| !is_over(history));
            let gone = before - shard.len();
            if gone == 0 {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            self.topics.fetch_sub(gone as u64, Ordering::Relaxed);
        }
        self.topics.fetch_add(1, Ordering::Relaxed);
        // The hasher is keyed at random, and no two histories of a topic live at one time.
        let epoch = self.hasher.hash_one((Instant::now(), topic)) as u32;
        let history = History::new(*window, epoch, self.forgotten.clone());
        let history = Arc::new(Mutex::new(history));
        shard.insert(topic.clone(), history.clone());
        Some(history)
    }
}

/// Whether nobody uses a history, and nothing in it is young enough.
fn is_over(history: &Arc<Mutex<History>>) -> bool {
    if Arc::strong_count(history) > 1 {
        return false;
    }
    let mut history = lock(history);
    history.forget_old(Instant::now());
    history.kept.is_empty()
}

/// No code of users runs under these locks, so they are never poisoned by them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl History {
    fn new(window: Window, epoch: u32, forgotten: Arc<AtomicU64>) -> Self {
        Self {
            window,
            epoch,
            last: 0,
            kept: VecDeque::new(),
            bytes: 0,
            forgotten,
        }
    }

    /// The offset of the last broadcast.
    pub(crate) fn offset(&self) -> Offset {
        Offset {
            epoch: self.epoch,
            number: self.last,
        }
    }

    /// Numbers a broadcast and keeps it; what is to be sent in its place.
    pub(crate) fn append(&mut self, broadcast: &Broadcast) -> Broadcast {
        self.last += 1;
        let numbered = broadcast.numbered(self.offset());
        let now = Instant::now();
        self.bytes += numbered.content().len();
        self.kept.push_back((now, numbered.clone()));
        while self.kept.len() > self.window.broadcasts_max || self.bytes > self.window.bytes_max {
            self.forget_first();
        }
        self.forget_old(now);
        numbered
    }

    /// What was broadcast after `offset`.
    pub(crate) fn since(&mut self, offset: Offset) -> Missed {
        self.forget_old(Instant::now());
        let missed = match self.last.checked_sub(offset.number) {
            Some(missed) if offset.epoch == self.epoch => missed,
            _ => return Missed::Gap,
        };
        let Some(skip) = (self.kept.len() as u64).checked_sub(missed) else {
            return Missed::Gap;
        };
        let missed = self.kept.iter().skip(skip as usize);
        Missed::Some(missed.map(|(_, broadcast)| broadcast.clone()).collect())
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.kept.front()
            && now.duration_since(*at) > self.window.age_max
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, broadcast)) = self.kept.pop_front() {
            self.bytes -= broadcast.content().len();
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn broadcast(n: usize) -> Broadcast {
        Broadcast::new("t", "e", &n).unwrap()
    }

    fn history(window: Window) -> History {
        History::new(window, 7, Arc::default())
    }

    fn numbers(missed: Missed) -> Option<Vec<usize>> {
        match missed {
            Missed::Some(missed) => Some(
                missed
                    .iter()
                    .map(|broadcast| broadcast.parse().unwrap())
                    .collect(),
            ),
            Missed::Gap => None,
        }
    }

    #[test]
    fn an_offset_of_another_history_or_of_the_future_is_a_gap() {
        let mut history = history(Window::DEFAULT);
        history.append(&broadcast(1));
        let at = |text: &str| text.parse::<Offset>().unwrap();
        assert_eq!(numbers(history.since(at("00000007-1"))), Some(vec![]));
        assert_eq!(numbers(history.since(at("00000007-0"))), Some(vec![1]));
        assert_eq!(numbers(history.since(at("00000007-2"))), None);
        assert_eq!(numbers(history.since(at("00000008-1"))), None);
        assert!("".parse::<Offset>().is_err() && "7".parse::<Offset>().is_err());
    }

    #[test]
    fn what_is_too_much_too_large_or_too_old_is_forgotten() {
        let few = Window {
            broadcasts_max: 2,
            ..Window::DEFAULT
        };
        let small = Window {
            bytes_max: 2,
            ..Window::DEFAULT
        };
        for window in [few, small] {
            let mut history = history(window);
            let begin = history.offset();
            for n in 1..=3 {
                history.append(&broadcast(n));
            }
            assert_eq!(numbers(history.since(begin)), None);
            let one = Offset { number: 1, ..begin };
            assert_eq!(numbers(history.since(one)), Some(vec![2, 3]));
        }
        let mut old = history(Window {
            age_max: Duration::ZERO,
            ..Window::DEFAULT
        });
        let begin = old.offset();
        old.append(&broadcast(1));
        while Instant::now() <= old.kept.front().map_or(Instant::now(), |(at, _)| *at) {}
        assert_eq!(numbers(old.since(begin)), None);
        let large = Window {
            bytes_max: 0,
            ..Window::DEFAULT
        };
        let mut large = history(large);
        large.append(&broadcast(1));
        assert!(large.kept.is_empty() && large.bytes == 0);
    }

    #[test]
    fn topics_are_bounded_and_only_those_that_keep_one_have_a_history() {
        let window = Window {
            topics_max: 1,
            ..Window::DEFAULT
        };
        let kept: TopicMatch = Box::new(|topic| topic.starts_with("kept:"));
        let histories = Histories::new(vec![(kept, window)]);
        assert!(histories.of(&"other:1".into()).is_none());
        let first = histories.of(&"kept:1".into()).unwrap();
        lock(&first).append(&broadcast(1));
        assert!(histories.of(&"kept:1".into()).is_some());
        let others: Vec<Arc<str>> = (2..40).map(|n| format!("kept:{n}").into()).collect();
        assert!(others.iter().all(|topic| histories.of(topic).is_none()));
    }

    proptest! {
        #[test]
        fn whoever_comes_back_gets_exactly_what_came_after(
            count in 0usize..40,
            at in 0u64..40,
            broadcasts_max in 0usize..40,
        ) {
            let mut history = history(Window { broadcasts_max, ..Window::DEFAULT });
            for n in 1..=count {
                history.append(&broadcast(n));
            }
            let since = history.since(Offset { epoch: 7, number: at });
            let after: Vec<usize> = (at as usize + 1..=count).collect();
            let is_known = at as usize <= count && after.len() <= broadcasts_max;
            prop_assert_eq!(numbers(since), is_known.then_some(after));
        }
    }
}
