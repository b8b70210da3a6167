//! An actor system beside a tokio runtime.
//!
//! Workers enter the runtime for as long as they live, so `tokio::time::sleep`, `tokio::spawn`,
//! sockets and database drivers work inside handlers: the driver runs on tokio's threads and wakes
//! the actor on ours. tokio's cooperative budget does not apply to handlers; the turn budget of
//! the actor's worker does.

use std::fmt::{Display, Write};

use tokio::runtime::Handle;
use vaxel_runtime::{Event, System, SystemBuilder};

/// Begins a system whose workers are inside the runtime of `handle`, and whose events go to
/// `tracing`.
///
/// The runtime must outlive the system: shut the system down first. The builder's own
/// `around_worker` would replace the runtime's context.
pub fn system_beside(handle: &Handle) -> SystemBuilder {
    let handle = handle.clone();
    System::builder()
        .around_worker(move |work| {
            let _inside = handle.enter();
            work();
        })
        .on_event(log)
}

/// As [`system_beside`], with something more around every worker thread of the system.
pub(crate) fn system_within(
    handle: &Handle,
    around: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static,
) -> SystemBuilder {
    let handle = handle.clone();
    system_beside(&handle.clone()).around_worker(move |work| {
        let _inside = handle.enter();
        around(work);
    })
}

/// Bytes of a text from user code that go into one line of a log.
const TEXT_BYTES_MAX: usize = 1024;

/// Writes a line per event.
fn log(event: &Event) {
    match event {
        Event::ActorCrashed { actor, pid, reason } => {
            let reason = bounded(reason);
            tracing::error!(target: "vaxel", actor, ?pid, reason, "actor crashed");
        }
        Event::HandlerStuck {
            worker,
            actor,
            message,
            replaced,
        } => {
            tracing::warn!(
                target: "vaxel",
                actor,
                message,
                worker,
                replaced,
                "handler does not return, its worker was replaced"
            );
        }
        Event::HandlerCrashed {
            manager,
            handler,
            reason,
        } => {
            let (handler, reason) = (bounded(handler), bounded(reason));
            tracing::error!(target: "vaxel", %manager, handler, reason, "event handler removed");
        }
        other => tracing::info!(target: "vaxel", event = ?other, "system event"),
    }
}

/// The text, or its beginning: an exit reason is the user's and may be as long as a file.
fn bounded(shown: impl Display) -> String {
    struct Beginning(String);
    impl Write for Beginning {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let room = TEXT_BYTES_MAX - self.0.len();
            if text.len() <= room {
                self.0.push_str(text);
                return Ok(());
            }
            self.0.push_str(&text[..text.floor_char_boundary(room)]);
            Err(std::fmt::Error)
        }
    }
    let mut beginning = Beginning(String::new());
    if write!(beginning, "{shown}").is_err() {
        beginning.0.push('…');
    }
    beginning.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(bounded("short"), "short");
        let cut = bounded("ö".repeat(4_000));
        assert!(
            cut.len() <= TEXT_BYTES_MAX + '…'.len_utf8(),
            "{}",
            cut.len()
        );
        assert!(cut.starts_with("öö") && cut.ends_with("ö…"));
    }
}
