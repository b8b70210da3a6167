//! The names of handlers.

use std::fmt::{self, Debug, Display};
use std::sync::Arc;

/// The name of a handler, of which a manager has at most one at a time. Made of any string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerId(Arc<str>);

impl HandlerId {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl From<&str> for HandlerId {
    fn from(name: &str) -> Self {
        HandlerId(name.into())
    }
}

impl From<String> for HandlerId {
    fn from(name: String) -> Self {
        HandlerId(name.into())
    }
}

impl From<&HandlerId> for HandlerId {
    fn from(id: &HandlerId) -> Self {
        id.clone()
    }
}

impl PartialEq<str> for HandlerId {
    fn eq(&self, name: &str) -> bool {
        &*self.0 == name
    }
}

impl PartialEq<&str> for HandlerId {
    fn eq(&self, name: &&str) -> bool {
        &*self.0 == *name
    }
}

impl Display for HandlerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for HandlerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}
