//! How reasons are written in traces: in OTP's words, without the place where it happened.

use vaxel_actor::{CallError, ExitReason};

/// A reason as both sides write it.
pub(crate) fn text(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Normal => "normal".to_owned(),
        ExitReason::Shutdown => "shutdown".to_owned(),
        ExitReason::ShutdownWith(why) => format!("shutdown:{why}"),
        ExitReason::Kill => "kill".to_owned(),
        ExitReason::Killed => "killed".to_owned(),
        ExitReason::Error(failure) => failure.message().to_owned(),
        ExitReason::Panic(crash) => format!("crash:{}", crash.message),
        ExitReason::NoProcess => "noproc".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The reason that a scenario's word means.
pub(crate) fn parse(word: &str) -> ExitReason {
    match word {
        "normal" => ExitReason::Normal,
        "shutdown" => ExitReason::Shutdown,
        "kill" => ExitReason::Kill,
        "killed" => ExitReason::Killed,
        "noproc" => ExitReason::NoProcess,
        other => match other.strip_prefix("shutdown:") {
            Some(why) => ExitReason::shutdown_with(why),
            None => ExitReason::error(other),
        },
    }
}

/// A call without an answer. Whoever is not there, or left in good order, is gone: a call does not
/// tell these apart.
pub(crate) fn of_call<E: std::fmt::Debug>(error: &CallError<E>) -> String {
    let why = match error {
        CallError::Crashed(reason) => text(reason),
        CallError::Timeout => "timeout".to_owned(),
        CallError::Closed => "gone".to_owned(),
        other => match format!("{other:?}") {
            cycle if cycle.starts_with("Cycle") => "cycle".to_owned(),
            other => other,
        },
    };
    format!("exit:{why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for word in [
            "normal",
            "shutdown",
            "shutdown:deploy",
            "killed",
            "noproc",
            "boom",
        ] {
            assert_eq!(text(&parse(word)), word);
        }
    }
}
