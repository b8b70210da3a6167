//! Why an actor ended, and how others learn of it.

use crate::{Message, MonitorRef, Pid};
use std::panic::Location;
use std::{fmt, sync::Arc};

/// Why an incarnation of an actor ended.
///
/// The words are OTP's. An exit reason is not an error: most actors end for a good one.
///
/// ```
/// use vaxel_runtime::ExitReason;
///
/// let io = std::io::Error::other("disk full");
/// let reason = ExitReason::error(io);
/// assert_eq!(reason.to_string(), "error: disk full");
/// assert!(reason.is_abnormal(), "a transient child is started again");
/// assert!(!ExitReason::shutdown_with("deploy").is_abnormal());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitReason {
    /// It stopped by itself, or nobody held a reference any more.
    Normal,
    /// It was asked to stop, by its supervisor or by [`ActorRef::shutdown`](crate::ActorRef).
    Shutdown,
    /// As `Shutdown`, with a word of explanation.
    ShutdownWith(Arc<str>),
    /// What a kill is sent with: [`ActorRef::exit_with`](crate::ActorRef::exit_with) with this
    /// reason cannot be trapped, and the actor ends with [`Killed`](Self::Killed). An actor that
    /// stops itself with it ends with this very reason, which those linked to it may trap.
    Kill,
    /// It was killed; nothing of its own ran any more.
    Killed,
    /// It stopped itself, or its `init` refused, because of an error.
    Error(Arc<Failure>),
    /// A handler, `init` or `terminate` panicked.
    Panic(Arc<Crash>),
    /// There was no such actor to begin with.
    NoProcess,
}

impl ExitReason {
    /// An error reason from anything that can be shown. Notes where it was called.
    #[track_caller]
    pub fn error(cause: impl fmt::Display) -> Self {
        Self::Error(Arc::new(Failure {
            message: cut(cause.to_string()),
            location: Location::caller(),
        }))
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

/// With `{:#}` an error shows its location too, as a panic always does.
impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(why) => write!(f, "shutdown: {why}"),
            Self::Kill => f.write_str("kill"),
            Self::Killed => f.write_str("killed"),
            Self::Error(failure) if f.alternate() => write!(f, "error at {failure:#}"),
            Self::Error(failure) => write!(f, "error: {failure}"),
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

    pub(crate) fn new(message: String, location: String) -> Self {
        Self {
            message: cut(message),
            location,
        }
    }
}

/// Cuts a message between characters, so that a report is bounded in size.
fn cut(message: String) -> String {
    cut_at(message, Crash::MESSAGE_BYTES_MAX)
}

pub(crate) fn cut_at(mut message: String, bytes_max: usize) -> String {
    if message.len() > bytes_max {
        let cut = (0..=bytes_max)
            .rev()
            .find(|&at| message.is_char_boundary(at));
        message.truncate(cut.unwrap_or(0));
        message.push('…');
    }
    message
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {}: {}", self.location, self.message)
    }
}

/// What an error said and where it was made; see [`ExitReason::error`].
///
/// Two failures are equal when they say the same, wherever they were made.
#[derive(Debug, Clone)]
pub struct Failure {
    message: String,
    location: &'static Location<'static>,
}

impl Failure {
    /// What it said, cut at [`Crash::MESSAGE_BYTES_MAX`].
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place in the program that made the reason.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message
    }
}

impl Eq for Failure {}

/// With `{:#}` the location too.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write!(f, "{}: ", self.location)?;
        }
        f.write_str(&self.message)
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

/// An exit signal that an actor traps; see [`Context::trap_exits`](crate::Context::trap_exits).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrappedExit {
    /// Who ended or sent it. [`Pid::NONE`] when no actor sent it, and when an actor was linked to
    /// that had ended before anybody knew its pid.
    pub from: Pid,
    /// Why.
    pub reason: ExitReason,
}

impl Message for TrappedExit {
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

    #[test]
    fn an_error_knows_its_place_and_equals_by_what_it_says() {
        let (one, other) = (
            ExitReason::error("disk full"),
            ExitReason::error("disk full"),
        );
        assert_eq!(one, other);
        assert_ne!(one, ExitReason::error("disk gone"));
        assert_eq!(one.to_string(), "error: disk full");
        let shown = format!("{one:#}");
        assert!(
            shown.starts_with("error at ") && shown.contains("exit.rs:"),
            "{shown}"
        );
        assert!(shown.ends_with(": disk full"), "{shown}");
    }
}
