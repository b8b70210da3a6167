//! Why an actor ended, and how others learn of it.

use crate::{Message, MonitorRef, Pid};
use std::{fmt, sync::Arc};

/// Why an incarnation of an actor ended.
///
/// The words are OTP's. An exit reason is not an error: most actors end for a good one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitReason {
    /// It stopped by itself, or nobody held a reference any more.
    Normal,
    /// It was asked to stop, by its supervisor or by [`ActorRef::shutdown`](crate::ActorRef).
    Shutdown,
    /// As `Shutdown`, with a word of explanation.
    ShutdownWith(Arc<str>),
    /// It was killed; nothing of its own ran any more.
    Killed,
    /// It stopped itself, or its `init` refused, because of an error.
    Error(Arc<str>),
    /// A handler, `init` or `terminate` panicked.
    Panic(Arc<Crash>),
    /// There was no such actor to begin with.
    NoProcess,
}

impl ExitReason {
    /// An error reason from anything that can be shown.
    pub fn error(cause: impl fmt::Display) -> Self {
        Self::Error(cause.to_string().into())
    }

    /// A shutdown with a word of explanation.
    pub fn shutdown_with(why: impl Into<Arc<str>>) -> Self {
        Self::ShutdownWith(why.into())
    }

    /// Whether this is a crash in the eyes of a transient child's supervisor: everything but
    /// `Normal` and the two kinds of shutdown (as in OTP's `supervisor`).
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown | Self::ShutdownWith(_))
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(why) => write!(f, "shutdown: {why}"),
            Self::Killed => f.write_str("killed"),
            Self::Error(cause) => write!(f, "error: {cause}"),
            Self::Panic(crash) => write!(f, "{crash}"),
            Self::NoProcess => f.write_str("no such actor"),
        }
    }
}

/// What a panic said and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crash {
    /// The panic message, cut at [`Crash::MESSAGE_BYTES_MAX`].
    pub message: String,
    /// `file:line:column`, or `unknown`.
    pub location: String,
}

impl Crash {
    /// Longer panic messages are cut here, so that a crash report cannot grow without bound.
    pub const MESSAGE_BYTES_MAX: usize = 1024;

    pub(crate) fn new(mut message: String, location: String) -> Self {
        if message.len() > Self::MESSAGE_BYTES_MAX {
            let cut = (0..=Self::MESSAGE_BYTES_MAX)
                .rev()
                .find(|&at| message.is_char_boundary(at));
            message.truncate(cut.unwrap_or(0));
            message.push('…');
        }
        Self { message, location }
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {}: {}", self.location, self.message)
    }
}

/// What a monitor delivers, exactly once, when the monitored incarnation ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Down {
    /// Which monitor.
    pub monitor: MonitorRef,
    /// The incarnation that ended.
    pub pid: Pid,
    /// Why, or [`ExitReason::NoProcess`] when it was gone before the monitor was set.
    pub reason: ExitReason,
}

impl Message for Down {
    type Reply = ();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_panic_message_is_cut_between_characters() {
        let crash = Crash::new("ö".repeat(4000), "here".into());
        assert!(crash.message.len() <= Crash::MESSAGE_BYTES_MAX + '…'.len_utf8());
        assert!(crash.message.ends_with('…'));
    }

    #[test]
    fn shutdowns_are_not_abnormal() {
        assert!(!ExitReason::shutdown_with("deploy").is_abnormal());
        assert!(ExitReason::Killed.is_abnormal() && ExitReason::error("x").is_abnormal());
    }
}
