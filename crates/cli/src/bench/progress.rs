//! A progress bar for whatever takes longer than a second, on a terminal only.

use std::{
    cell::RefCell,
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long something may take before a bar appears.
const QUIET_TIME: Duration = Duration::from_secs(1);

thread_local! {
    static CONTEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Puts `text` in front of the labels of all bars that this thread makes from now on.
pub(crate) fn set_context(text: impl Into<String>) {
    CONTEXT.set(text.into());
}

/// One bar on the error stream, erased when dropped.
///
/// It never appears when the error stream is not a terminal, and shows no colour when `NO_COLOR`
/// is set. Drawing is limited to ten times a second, so that it costs the measurement nothing
/// that counts.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    visible: bool,
}

impl Progress {
    /// A bar of `steps` steps, labelled `what`.
    pub(crate) fn new(what: impl Into<String>, steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        let template = if std::env::var_os("NO_COLOR").is_some() {
            "  {msg:<40} {bar:20} {percent:>3} %  {elapsed}"
        } else {
            "  {msg:<40} {bar:20.179} {percent:>3} %  {elapsed}"
        };
        let style = ProgressStyle::with_template(template).expect("the template is constant");
        bar.set_style(style.progress_chars("━╸─"));
        bar.set_message(CONTEXT.with_borrow(|context| format!("{context}{}", what.into())));
        Self {
            bar,
            started: Instant::now(),
            visible: !std::io::stderr().is_terminal(),
        }
    }

    /// Moves the bar to `step`.
    pub(crate) fn set(&mut self, step: u64) {
        if !self.visible && self.started.elapsed() >= QUIET_TIME {
            self.visible = true;
            self.bar
                .set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        self.bar.set_position(step);
    }

    /// Where the bar stands.
    pub(crate) fn position(&self) -> u64 {
        self.bar.position()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
