//! One message to everybody on a topic.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vaxel_runtime::Message;

use crate::{Content, Offset};

/// One message to everybody on a topic: topic, event and a payload of JSON or bytes.
///
/// Cloning copies a pointer: the payload is serialised once and shared by all receivers.
#[derive(Clone)]
pub struct Broadcast {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    topic: Arc<str>,
    event: Box<str>,
    content: Content,
    origin: Option<Origin>,
    offset: Option<Offset>,
    is_transient: bool,
}

/// The one receiver that does not want its own broadcast back.
///
/// The numbers belong to the lane that made them; to everybody else they mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which shard of the lane.
    pub shard: u32,
    /// Which subscriber of the shard.
    pub subscriber: u32,
}

impl Broadcast {
    /// Serialises `payload` and addresses it to `topic`.
    ///
    /// # Errors
    /// The serializer's error when `payload` has no JSON form, such as a map whose keys are not
    /// strings.
    pub fn new<T: Serialize + ?Sized>(
        topic: impl Into<Arc<str>>,
        event: &str,
        payload: &T,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self::raw(
            topic,
            event,
            serde_json::value::to_raw_value(payload)?,
        ))
    }

    /// Addresses JSON that has been serialised already to `topic`.
    pub fn raw(topic: impl Into<Arc<str>>, event: &str, payload: Box<RawValue>) -> Self {
        Self::build(topic.into(), event, payload.into(), None)
    }

    /// Addresses JSON or bytes to `topic`, for everybody except `origin` if there is one.
    pub fn with(
        topic: impl Into<Arc<str>>,
        event: &str,
        content: Content,
        origin: Option<Origin>,
    ) -> Self {
        Self::build(topic.into(), event, content, origin)
    }

    /// The same as [`Broadcast::raw`] for everybody except `origin`.
    pub fn raw_from(
        topic: impl Into<Arc<str>>,
        event: &str,
        payload: Box<RawValue>,
        origin: Origin,
    ) -> Self {
        Self::build(topic.into(), event, payload.into(), Some(origin))
    }

    fn build(topic: Arc<str>, event: &str, content: Content, origin: Option<Origin>) -> Self {
        let shared = Shared {
            topic,
            event: event.into(),
            content,
            origin,
            offset: None,
            is_transient: false,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The same, to be kept in no history: it means something only to those who are there.
    #[must_use]
    pub fn transient(mut self) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        shared.is_transient = true;
        self
    }

    /// The same as the broadcast of its topic with this offset.
    pub(crate) fn numbered(&self, offset: Offset) -> Self {
        let mut numbered = Shared::clone(&self.shared);
        numbered.offset = Some(offset);
        Self {
            shared: Arc::new(numbered),
        }
    }

    pub(crate) fn is_transient(&self) -> bool {
        self.shared.is_transient
    }

    /// Where among the broadcasts of its topic it is, if the topic keeps a history.
    pub fn offset(&self) -> Option<Offset> {
        self.shared.offset
    }

    /// The topic it was sent on.
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// The topic, shared.
    pub fn topic_shared(&self) -> &Arc<str> {
        &self.shared.topic
    }

    /// The event's name.
    pub fn event(&self) -> &str {
        &self.shared.event
    }

    /// The payload.
    pub fn content(&self) -> &Content {
        &self.shared.content
    }

    /// The payload as JSON text; `null` where it is [bytes](Self::bytes).
    pub fn payload(&self) -> &RawValue {
        self.shared.content.json().unwrap_or(RawValue::NULL)
    }

    /// The payload, if it is bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.shared.content.bytes()
    }

    /// The payload read as a `T`.
    ///
    /// # Errors
    /// The deserializer's error when the payload has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.payload().get())
    }

    /// The receiver that is left out, if there is one.
    pub fn origin(&self) -> Option<Origin> {
        self.shared.origin
    }
}

impl Message for Broadcast {
    type Reply = ();
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("topic", &self.topic())
            .field("event", &self.event())
            .field("content", &self.content())
            .finish()
    }
}
