//! Topics and the patterns that route them to channels.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a channel, such as `room:lobby`. Cloning copies a pointer.
#[derive(Clone)]
pub struct Topic {
    name: Arc<str>,
    prefix: u32,
}

impl Topic {
    pub(crate) fn new(name: Arc<str>, prefix: usize) -> Self {
        let prefix = u32::try_from(prefix).expect("a topic fits in a frame");
        Self { name, prefix }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// What the `*` of the route stands for: `lobby` for `room:lobby` routed by `room:*`.
    ///
    /// Empty when the route has no `*`.
    pub fn rest(&self) -> &str {
        &self.name[self.prefix as usize..]
    }

    /// The name, shared.
    pub fn shared(&self) -> &Arc<str> {
        &self.name
    }
}

impl Deref for Topic {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.name, f)
    }
}

/// A route's pattern: an exact topic, or a prefix followed by one trailing `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(Box<str>),
    Prefix(Box<str>),
}

impl Pattern {
    /// # Panics
    /// When there is a `*` anywhere but at the end: such a route would never match what its
    /// author had in mind.
    pub(crate) fn new(pattern: &str) -> Self {
        let (prefix, is_exact) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix, false),
            None => (pattern, true),
        };
        assert!(
            !prefix.contains('*'),
            "the topic pattern {pattern:?} has a `*` that is not its last character"
        );
        if is_exact {
            Self::Exact(prefix.into())
        } else {
            Self::Prefix(prefix.into())
        }
    }

    /// Whether it matches every topic that `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(this), Self::Exact(other)) => this == other,
            (Self::Prefix(this), Self::Exact(other) | Self::Prefix(other)) => {
                other.starts_with(&**this)
            }
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }

    /// The number of bytes of `topic` that the pattern spells out, if it matches.
    pub(crate) fn matches(&self, topic: &str) -> Option<usize> {
        match self {
            Self::Exact(exact) => (**exact == *topic).then_some(topic.len()),
            Self::Prefix(prefix) => topic.starts_with(&**prefix).then_some(prefix.len()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => write!(f, "{exact:?}"),
            Self::Prefix(prefix) => write!(f, "\"{prefix}*\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_the_empty_remainder_too() {
        let rooms = Pattern::new("room:*");
        assert_eq!(rooms.matches("room:"), Some(5));
        assert_eq!(rooms.matches("room:lobby"), Some(5));
        assert_eq!(rooms.matches("room"), None);
        assert_eq!(rooms.matches("chatroom:1"), None);
    }

    #[test]
    fn an_exact_pattern_matches_itself_alone() {
        let stats = Pattern::new("stats:live");
        assert_eq!(stats.matches("stats:live"), Some(10));
        assert_eq!(stats.matches("stats:live:2"), None);
    }

    #[test]
    fn a_lone_star_matches_everything() {
        assert_eq!(Pattern::new("*").matches("anything"), Some(0));
        assert_eq!(Pattern::new("*").matches(""), Some(0));
    }

    #[test]
    #[should_panic(expected = "not its last character")]
    fn a_star_in_the_middle_is_refused() {
        Pattern::new("room:*:users");
    }

    #[test]
    fn the_rest_is_what_the_star_stands_for() {
        let topic = Topic::new(Arc::from("room:lobby"), 5);
        assert_eq!((topic.rest(), topic.as_str()), ("lobby", "room:lobby"));
    }
}
