//! What supervisors report, in pieces and of bounded size.

use crate::{ExitReason, Pid};
use std::fmt;
use std::sync::Arc;

/// One report of a supervisor, after OTP's supervisor reports: which child, what, and why.
///
/// It is bounded in size: a longer name of a child is cut at [`NAME_BYTES_MAX`](Self), the text of
/// a reason at [`REASON_BYTES_MAX`](Self), so a crash cannot flood a log with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupervisorReport {
    /// Whose report it is.
    pub supervisor: Pid,
    /// What happened.
    pub context: ReportContext,
    /// The name of the child, or the Rust path of its type.
    pub child: Arc<str>,
    /// The incarnation that it is about, if there was one.
    pub pid: Option<Pid>,
    /// Why.
    pub reason: ExitReason,
}

/// What a supervisor reports. The words are OTP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportContext {
    /// The `init` of a child failed, at its first start or at a restart.
    StartError,
    /// A child ended by itself, though its supervisor wants it to live, or abnormally.
    ChildTerminated,
    /// More restarts than allowed: the supervisor gives up, and this child was the last straw.
    Shutdown,
    /// A child that was asked to stop ended for another reason, or had to be killed.
    ShutdownError,
}

impl SupervisorReport {
    /// Longer names of children are cut here.
    pub const NAME_BYTES_MAX: usize = 256;
    /// Longer texts of reasons are cut here.
    pub const REASON_BYTES_MAX: usize = 1024;

    /// A report, cut to its bounds.
    pub fn new(
        supervisor: Pid,
        context: ReportContext,
        child: Arc<str>,
        pid: Option<Pid>,
        reason: &ExitReason,
    ) -> Self {
        let reason = match reason {
            ExitReason::ShutdownWith(text) => {
                ExitReason::ShutdownWith(cut(text, Self::REASON_BYTES_MAX))
            }
            // The messages of errors and panics have been cut before.
            other => other.clone(),
        };
        Self {
            supervisor,
            context,
            child: cut(&child, Self::NAME_BYTES_MAX),
            pid,
            reason,
        }
    }
}

fn cut(text: &Arc<str>, bytes_max: usize) -> Arc<str> {
    if text.len() <= bytes_max {
        return text.clone();
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at));
    format!("{}…", &text[..end.unwrap_or(0)]).into()
}

impl fmt::Display for ReportContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartError => "start_error",
            Self::ChildTerminated => "child_terminated",
            Self::Shutdown => "shutdown",
            Self::ShutdownError => "shutdown_error",
        })
    }
}

impl fmt::Display for SupervisorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            supervisor,
            context,
            child,
            reason,
            ..
        } = self;
        write!(
            f,
            "supervisor {supervisor}, child `{child}`: {context}: {reason}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_reasons_are_cut_between_characters() {
        let long: Arc<str> = "ö".repeat(4_000).into();
        let report = |reason| {
            SupervisorReport::new(
                Pid::NONE,
                ReportContext::StartError,
                long.clone(),
                None,
                &reason,
            )
        };
        for reason in [
            ExitReason::error(&long),
            ExitReason::ShutdownWith(long.clone()),
        ] {
            let text = report(reason).to_string();
            assert!(text.len() < 1_500, "{} bytes", text.len());
            assert!(text.ends_with('…'));
        }
    }
}
