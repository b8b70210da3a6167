//! All orders in which two ends may link, take back and hear of each other: in the end they agree.
//!
//! Not a matter of memory but of messages that cross, so the orders are walked here rather than by
//! Loom: two ends with a script each, and one queue in each direction.

use super::{Link, Linking, Links};
use crate::Pid;
use crate::sync::fault;
use std::collections::{HashSet, VecDeque};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Link,
    Unlink,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sent {
    Link,
    Unlink(u64),
    Unlinked(u64),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    /// What each end holds of the other.
    links: [Option<Link>; 2],
    scripts: [Vec<Step>; 2],
    /// What is on its way to each end.
    mail: [VecDeque<Sent>; 2],
    next_id: u64,
}

impl World {
    fn with_links<R>(&mut self, end: usize, act: impl FnOnce(&mut Links) -> R) -> R {
        let mut links = Links {
            few: Vec::from_iter(self.links[end].map(|link| (Pid::NONE, link))),
            many: None,
        };
        let result = act(&mut links);
        self.links[end] = links.find(Pid::NONE).copied();
        result
    }

    fn act(&mut self, end: usize) {
        match self.scripts[end].pop() {
            Some(Step::Link) => {
                if self.with_links(end, |links| links.link(Pid::NONE, true)) == Linking::Send {
                    self.mail[1 - end].push_back(Sent::Link);
                }
            }
            Some(Step::Unlink) => {
                self.next_id += 1;
                let id = self.next_id;
                if self.with_links(end, |links| links.unlink(Pid::NONE, id, true)) {
                    self.mail[1 - end].push_back(Sent::Unlink(id));
                }
            }
            None => {}
        }
    }

    fn hear(&mut self, end: usize) {
        match self.mail[end].pop_front() {
            Some(Sent::Link) => self.with_links(end, |links| links.linked_by(Pid::NONE)),
            Some(Sent::Unlink(id)) => {
                self.with_links(end, |links| links.unlinked_by(Pid::NONE));
                self.mail[1 - end].push_back(Sent::Unlinked(id));
            }
            Some(Sent::Unlinked(id)) => {
                self.with_links(end, |links| links.acknowledged(Pid::NONE, id));
            }
            None => {}
        }
    }

    /// Every world that may come next.
    fn next(&self) -> Vec<Self> {
        let mut next = Vec::new();
        for end in [0, 1] {
            if !self.scripts[end].is_empty() {
                let mut world = self.clone();
                world.act(end);
                next.push(world);
            }
            if !self.mail[end].is_empty() {
                let mut world = self.clone();
                world.hear(end);
                next.push(world);
            }
        }
        next
    }
}

/// Walks all orders from here; the number of worlds seen.
fn explore(begin: World) -> usize {
    let mut seen = HashSet::from([begin.clone()]);
    let mut open = vec![begin];
    while let Some(world) = open.pop() {
        let next = world.next();
        if next.is_empty() {
            let [one, other] = world.links;
            assert!(one == other, "one end holds {one:?}, the other {other:?}");
            assert!(
                !matches!(one, Some(Link::Unlinking(_))),
                "nobody acknowledged"
            );
        }
        open.extend(next.into_iter().filter(|world| seen.insert(world.clone())));
    }
    seen.len()
}

fn scripts() -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    for length in 0..=3 {
        for bits in 0..1 << length {
            let step = |at| {
                if bits >> at & 1 == 0 {
                    Step::Link
                } else {
                    Step::Unlink
                }
            };
            all.push((0..length).map(step).collect());
        }
    }
    all
}

fn explore_all() {
    let mut worlds = 0;
    for begin in [None, Some(Link::Linked { exits: 1 })] {
        for one in scripts() {
            for other in scripts() {
                worlds += explore(World {
                    links: [begin, begin],
                    scripts: [one.clone(), other],
                    mail: Default::default(),
                    next_id: 0,
                });
            }
        }
    }
    assert!(
        worlds > 10_000,
        "the walk is shorter than it should be: {worlds}"
    );
}

#[test]
fn both_ends_of_a_link_agree_in_the_end() {
    fault::with(None, explore_all);
    let planted = || fault::with(Some("link during unlink"), explore_all);
    assert!(std::panic::catch_unwind(planted).is_err(), "unnoticed");
}
