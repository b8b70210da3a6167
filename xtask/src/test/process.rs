//! Running a command under a time limit, with its output shown and read at once.
//!
//! Every command leads a process group of its own, so that stopping it stops what it started:
//! cargo's tests, a server, a browser. The group is killed when time is up, when the person at
//! the terminal presses Ctrl-C, and when the task itself is told to terminate.

use std::ffi::OsStr;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, Session};

/// How long output is still read after a command ended: a grandchild may hold the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

/// Longer output than this is shown but not kept: 4 MiB.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The person at the terminal, or a supervisor, asked the whole task to stop.
#[derive(Debug)]
pub(super) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// A command that ended by itself.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Both streams, line by line, as far as [`KEPT_BYTES_MAX`].
    pub(crate) output: String,
}

/// Which streams a command shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    All,
    /// Standard output is for us to read: messages in JSON, version numbers.
    Errors,
    Nothing,
}

impl Session {
    /// A command in the root of the repository, with colours when a person watches.
    pub(crate) fn command<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        if self.is_terminal {
            command
                .env("CARGO_TERM_COLOR", "always")
                .env("FORCE_COLOR", "1");
        }
        command
    }

    /// Runs a command to its end and turns its exit status into an outcome.
    pub(super) fn check(&mut self, command: Command) -> Result<Outcome> {
        let finished = self.run(command, Show::All)?;
        Ok(match finished.status.success() {
            true => Outcome::Passed,
            false => Outcome::Failed(finished.status.to_string()),
        })
    }

    /// Runs a command to its end. It is an error when it cannot start, when the check's time is
    /// up, and when the task is interrupted; a bad exit status is not.
    pub(crate) fn run(&mut self, mut command: Command, show: Show) -> Result<Finished> {
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let deadline = self.deadline;
        let count = &mut self.count;
        self.runtime.block_on(async {
            let mut child = command
                .spawn()
                .with_context(|| format!("cannot start `{name}`"))?;
            let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            let result = drive(&mut child, deadline, show, &mut |line| count.line(line)).await;
            if result.is_err()
                && let Some(group) = group
            {
                // The group may have ended in the meantime, which is what is wanted.
                let _ = kill_process_group(group, Signal::KILL);
                let _ = child.wait().await;
            }
            result.with_context(|| format!("`{name}`"))
        })
    }
}

/// Reads and shows the output until the command has ended or must end.
async fn drive(
    child: &mut Child,
    deadline: Instant,
    show: Show,
    on_line: &mut dyn FnMut(&str),
) -> Result<Finished> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (lines, mut received) = tokio::sync::mpsc::channel(256);
    let readers = [
        child
            .stdout
            .take()
            .map(|pipe| tokio::spawn(read(pipe, false, lines.clone()))),
        child
            .stderr
            .take()
            .map(|pipe| tokio::spawn(read(pipe, true, lines))),
    ];
    let mut output = String::new();
    let mut status = None;
    let mut end = deadline;
    loop {
        tokio::select! {
            line = received.recv() => match line {
                Some((is_error, line)) => {
                    show_line(show, is_error, &line);
                    on_line(&line);
                    if output.len() + line.len() < KEPT_BYTES_MAX {
                        output.push_str(&line);
                        output.push('\n');
                    }
                }
                None => break,
            },
            ended = child.wait(), if status.is_none() => {
                status = Some(ended?);
                end = Instant::now() + OUTPUT_GRACE;
            }
            () = tokio::time::sleep_until(end.into()) => match status {
                Some(_) => break,
                None => bail!("was stopped: the check's time is up"),
            },
            _ = interrupt.recv() => bail!(Interrupted),
            _ = terminate.recv() => bail!(Interrupted),
        }
    }
    readers
        .into_iter()
        .flatten()
        .for_each(|reader| reader.abort());
    let status = match status {
        Some(status) => status,
        None => tokio::time::timeout_at(deadline.into(), child.wait())
            .await
            .context("closed its output and did not end")??,
    };
    Ok(Finished { status, output })
}

/// Lines of one stream, tagged with whether they are errors; what is no UTF-8 is replaced.
async fn read(
    pipe: impl AsyncRead + Unpin,
    is_error: bool,
    lines: tokio::sync::mpsc::Sender<(bool, String)>,
) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(pipe.read_until(b'\n', &mut line).await, Ok(bytes) if bytes > 0) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if lines.send((is_error, text)).await.is_err() {
            break;
        }
        line.clear();
    }
}

fn show_line(show: Show, is_error: bool, line: &str) {
    match (show, is_error) {
        (Show::All, false) => println!("{line}"),
        (Show::All | Show::Errors, true) => eprintln!("{line}"),
        (Show::Errors, false) | (Show::Nothing, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::count::Count;
    use super::*;

    fn session(limit: Duration) -> Session {
        Session {
            root: std::env::temp_dir(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            deadline: Instant::now() + limit,
            count: Count::default(),
            is_terminal: false,
            is_deep: false,
        }
    }

    fn shell(session: &mut Session, script: &str) -> Result<Finished> {
        let command = session.command("sh", ["-c", script]);
        session.run(command, Show::Nothing)
    }

    #[test]
    fn output_of_both_streams_is_kept_and_counted_and_the_status_comes_back() {
        let mut session = session(Duration::from_secs(60));
        let script = "echo 'ℹ pass 2'; echo problem >&2; exit 3";
        let finished = shell(&mut session, script).unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert!(finished.output.contains("problem") && finished.output.contains("pass 2"));
        assert_eq!(session.count.passed, 2);
    }

    #[test]
    fn a_command_and_what_it_started_are_stopped_when_time_is_up() {
        let fifo = std::env::temp_dir().join(format!("vaxel-fifo-{}", std::process::id()));
        let fifo = fifo.to_str().unwrap();
        let mut session = session(Duration::from_millis(500));
        assert!(
            shell(&mut session, &format!("mkfifo {fifo}"))
                .unwrap()
                .status
                .success()
        );
        // The pipe ends when nobody holds it open any more, the command's own child included.
        let reader = std::thread::spawn({
            let fifo = fifo.to_owned();
            move || std::fs::read(fifo)
        });
        let script = format!("tail -f /dev/null >{fifo} & wait");
        let error = shell(&mut session, &script).err().unwrap();
        assert!(format!("{error:#}").contains("time is up"), "{error:#}");
        assert!(reader.join().unwrap().unwrap().is_empty());
        std::fs::remove_file(fifo).unwrap();
    }

    #[test]
    fn a_command_that_leaves_a_child_with_its_output_does_not_hold_us_up() {
        let mut session = session(Duration::from_secs(60));
        let finished = shell(&mut session, "tail -f /dev/null & echo $!").unwrap();
        let orphan: i32 = finished.output.trim().parse().unwrap();
        let orphan = Pid::from_raw(orphan).unwrap();
        rustix::process::kill_process(orphan, Signal::KILL).unwrap();
        assert!(finished.status.success());
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error_that_names_it() {
        let mut session = session(Duration::from_secs(60));
        let command = session.command("no-such-program-here", ["x"]);
        let error = session.run(command, Show::Nothing).err().unwrap();
        assert!(
            format!("{error:#}").contains("no-such-program-here"),
            "{error:#}"
        );
    }
}
