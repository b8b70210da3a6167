//! What a channel answers to a message.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use vaxel_pubsub::Content;

use crate::payload::{Payload, to_json};
use crate::refusal::Refusal;

/// What a channel answers to a message, and whether it ends.
///
/// A message whose client gave no ref wants no answer; one returned anyway is not sent.
#[derive(Debug)]
#[must_use = "a reply is sent when it is returned"]
pub struct Reply {
    pub(crate) answer: Option<Answer>,
    pub(crate) stops: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Cow<'static, str>,
    pub(crate) response: Content,
}

impl Reply {
    /// No answer, or one that comes later through a [`ReplyRef`](crate::ReplyRef).
    pub fn none() -> Self {
        Self {
            answer: None,
            stops: false,
        }
    }

    /// Status `ok`. Clients expect the response to be an object.
    ///
    /// # Panics
    /// When `response` has no JSON form, such as a map whose keys are not strings.
    #[track_caller]
    pub fn ok<T: Serialize>(response: T) -> Self {
        Self::status("ok", response)
    }

    /// Status `error`.
    ///
    /// # Panics
    /// As [`Reply::ok`].
    #[track_caller]
    pub fn error<T: Serialize>(response: T) -> Self {
        Self::status("error", response)
    }

    /// Status `ok` and the payload exactly as the client sent it, JSON or bytes.
    pub fn echo(payload: Payload) -> Self {
        Self::content("ok", payload.into_content())
    }

    /// A status and bytes, sent as a binary message. Clients of version 1 and of long poll cannot
    /// take one; theirs is not sent (counter `binary_undeliverable`).
    pub fn bytes(status: impl Into<Cow<'static, str>>, bytes: impl Into<Box<[u8]>>) -> Self {
        Self::content(status, Content::Bytes(bytes.into()))
    }

    /// A status of the application's own.
    ///
    /// # Panics
    /// As [`Reply::ok`].
    #[track_caller]
    pub fn status<T: Serialize>(status: impl Into<Cow<'static, str>>, response: T) -> Self {
        Self::raw(status, to_json(&response))
    }

    /// A response that is JSON already.
    pub fn raw(status: impl Into<Cow<'static, str>>, response: Box<RawValue>) -> Self {
        Self::content(status, response.into())
    }

    /// A response that is JSON already, or bytes.
    pub fn content(status: impl Into<Cow<'static, str>>, response: Content) -> Self {
        let answer = Answer {
            status: status.into(),
            response,
        };
        Self {
            answer: Some(answer),
            stops: false,
        }
    }

    /// No answer, and the channel ends: the client sees `phx_close`.
    pub fn stop() -> Self {
        Self::none().and_stop()
    }

    /// The answer, then the channel ends: the client sees the reply, then `phx_close`.
    pub fn and_stop(mut self) -> Self {
        self.stops = true;
        self
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::raw("error", refusal.into_response())
    }
}
