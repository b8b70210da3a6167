//! What a connection carries from its connect hook to its channels.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use crate::tokens::TokenSeat;

/// Values of any types, one per type, set when a client connects and read by its channels.
///
/// Cloning copies a pointer; without values it costs a connection nothing.
///
/// ```
/// # use vaxel_channels::Assigns;
/// struct UserId(u64);
///
/// let assigns = Assigns::new().with(UserId(7));
/// assert_eq!(assigns.get::<UserId>().map(|id| id.0), Some(7));
/// ```
#[derive(Clone, Default)]
pub struct Assigns {
    values: Option<Arc<Values>>,
}

/// Applications assign a handful of values, which a scan finds sooner than a map.
#[derive(Clone, Default)]
struct Values {
    list: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
    socket_id: Option<Arc<str>>,
    token: Option<Arc<TokenSeat>>,
}

impl Assigns {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; it replaces one of the same type.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let values = Arc::make_mut(self.values.get_or_insert_default());
        values.list.retain(|(id, _)| *id != TypeId::of::<T>());
        values.list.push((TypeId::of::<T>(), Arc::new(value)));
        self
    }

    /// Gives the connection an id, such as `users:7`, by which it can be closed:
    /// [`Endpoint::disconnect`](crate::Endpoint::disconnect). Several may share one.
    #[must_use]
    pub fn with_socket_id(mut self, id: impl Into<Arc<str>>) -> Self {
        let values = Arc::make_mut(self.values.get_or_insert_default());
        values.socket_id = Some(id.into());
        self
    }

    /// The connection's id, if it was given one.
    pub fn socket_id(&self) -> Option<&Arc<str>> {
        self.values.as_ref()?.socket_id.as_ref()
    }

    /// Counts the connection for its token.
    pub(crate) fn with_token(mut self, seat: TokenSeat) -> Self {
        let values = Arc::make_mut(self.values.get_or_insert_default());
        values.token = Some(Arc::new(seat));
        self
    }

    /// The connection's place in the account of its token.
    pub(crate) fn token(&self) -> Option<&TokenSeat> {
        self.values.as_ref()?.token.as_deref()
    }

    /// The value of type `T`, if there is one.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let values = self.values.as_ref()?;
        let (_, value) = values
            .list
            .iter()
            .find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_ref()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_none()
    }
}

impl fmt::Debug for Assigns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.values.as_ref().map_or(0, |values| values.list.len());
        f.debug_struct("Assigns").field("values", &count).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_per_type() {
        let assigns = Assigns::new().with(1u8).with("name").with(2u8);
        assert_eq!(assigns.get::<u8>(), Some(&2));
        assert_eq!(assigns.get::<&str>(), Some(&"name"));
        assert_eq!(assigns.get::<u16>(), None);
    }

    #[test]
    fn clones_do_not_see_each_others_additions() {
        let base = Assigns::new().with(1u8);
        let more = base.clone().with(2u16);
        assert_eq!((base.get::<u16>(), more.get::<u8>()), (None, Some(&1)));
    }
}
