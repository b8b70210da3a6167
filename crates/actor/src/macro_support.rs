//! What generated code needs. Not part of the API: it may change with any release.

use std::error::Error;
use std::fmt::{Display, Write};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

pub use crate::call::{Call, Cast, Outcome, call, cast, send};
pub use crate::program::Program;
pub use crate::supervisor::ChildSpec;
pub use vaxel_runtime::{
    Actor, ActorRef, Context, ExitReason, Handler, Mailbox, Message, SendError, System, spawn,
};

/// The key of a message, of whatever can be hashed. Hashed anew in each process, so that nobody can
/// choose keys that meet.
pub fn key_of<K: Hash + ?Sized>(key: &K) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one(key)
}

/// The error of an `init`, on its way to an exit reason.
///
/// [`ReasonOfError`] applies to errors and [`ReasonOfDisplay`], one reference further away, to
/// whatever else can be shown; method lookup finds the nearer one.
#[derive(Debug)]
pub struct Failure<E>(pub E);

pub trait ReasonOfError {
    #[track_caller]
    fn reason(&self) -> ExitReason;
}

/// The error and its causes, `store: disk full`.
impl<E: Error> ReasonOfError for Failure<E> {
    fn reason(&self) -> ExitReason {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(cause) = source {
            // Writing to a string does not fail.
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        ExitReason::error(text)
    }
}

pub trait ReasonOfDisplay {
    #[track_caller]
    fn reason(&self) -> ExitReason;
}

impl<E: Display + 'static> ReasonOfDisplay for &Failure<E> {
    fn reason(&self) -> ExitReason {
        let shown: &dyn std::any::Any = &self.0;
        match shown.downcast_ref::<ExitReason>() {
            Some(reason) => reason.clone(),
            // The alternate form shows the causes too, where there are some.
            None => ExitReason::error(format_args!("{:#}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("the store cannot be opened")]
    struct Store(#[source] io::Error);

    fn text(reason: &ExitReason) -> String {
        reason.to_string()
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = Failure(Store(io::Error::other("disk full")));
        let reason = error.reason();
        assert_eq!(
            text(&reason),
            "error: the store cannot be opened: disk full"
        );
    }

    #[test]
    fn what_can_be_shown_is_told_and_a_reason_stays_itself() {
        assert_eq!(text(&(&Failure("no port")).reason()), "error: no port");
        assert_eq!(
            (&Failure(ExitReason::Shutdown)).reason(),
            ExitReason::Shutdown
        );
    }
}
