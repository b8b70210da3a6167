//! Why a run failed.

use std::fmt;

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The test panicked: message and place.
    Panic(String),
    /// The test returned an error.
    Error(String),
    /// Nothing can run, no timer is set, and the test waits: who waits for what.
    Stuck(String),
    /// The run has not ended after so many steps.
    TooLong(u64),
    /// The test is over, and a supervisor or another actor that is kept does not stop.
    DoesNotStop(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(reason) => f.write_str(reason),
            Self::Error(error) => write!(f, "the test returned an error: {error}"),
            Self::Stuck(waits) => {
                write!(
                    f,
                    "a dead end: nothing can run and no timer is set\n{waits}"
                )
            }
            Self::TooLong(steps) => write!(f, "no end after {steps} steps"),
            Self::DoesNotStop(waits) => {
                write!(f, "the test is over, and an actor does not stop\n{waits}")
            }
        }
    }
}
