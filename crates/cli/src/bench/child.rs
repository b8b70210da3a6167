//! A server started for a measurement: this same binary or a peer's, pinned, and stopped whatever
//! happens.

use std::{
    collections::VecDeque,
    env,
    ffi::OsStr,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    interrupt,
    process::{self, Process},
};

/// Ports of children: below those the kernel gives to clients, which could be taken any moment.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How long a server may take to end after it was asked to; then it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// Lines of its error stream that are kept to explain why it ended.
const LINES_KEPT: usize = 20;

/// A running server. Dropping it asks it to stop, waits, and kills it if need be.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    last_words: Arc<Mutex<VecDeque<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts this binary with `words` and `--listen` at a free port, on `cores` only (anywhere
    /// when empty), and waits until it accepts connections.
    ///
    /// # Errors
    /// When it ends or does not listen in time; its last words are in the error.
    pub(crate) fn start(words: &[String], cores: &[usize]) -> anyhow::Result<Self> {
        let binary = env::current_exe().context("cannot find this binary")?;
        Self::start_program(binary.as_os_str(), words, cores)
    }

    /// As [`start`](Self::start), for another program, which takes `--listen ADDR` too and must be
    /// the server itself: what it starts in turn is not measured.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub(crate) fn start_program(
        program: &OsStr,
        words: &[String],
        cores: &[usize],
    ) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let name = format!("{} {}", program.display(), words.join(" "));
        let mut command = Command::new(program);
        command.args(words).arg("--listen").arg(address.to_string());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child =
            spawn_on(command, cores.to_vec()).with_context(|| format!("cannot start `{name}`"))?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child
            .stderr
            .take()
            .map(|stream| listen(stream, Arc::clone(&last_words)));
        let mut server = Self {
            child,
            address,
            last_words,
            listener,
        };
        server.wait_until_it_listens(&name)?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, to be measured.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        Process::new(self.child.id()).context("cannot read the server's figures from /proc")
    }

    fn wait_until_it_listens(&mut self, name: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                // Its error stream is closed now, so everything it said has been read.
                if let Some(listener) = self.listener.take() {
                    let _ = listener.join();
                }
                bail!("`{name}` ended with {status}: {}", self.last_words());
            }
            if TcpStream::connect_timeout(&self.address, LOOK).is_ok() {
                return Ok(());
            }
            interrupt::pause(LOOK)?;
        }
        bail!(
            "`{name}` does not listen after {START_LIMIT:?}: {}",
            self.last_words()
        );
    }

    fn last_words(&self) -> String {
        let lines = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Vec::from_iter(lines.iter().map(String::as_str)).join("; ")
    }

    fn stop(&mut self) {
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself, and a child that was not waited for keeps its id.
        if kill_process(pid, Signal::TERM).is_ok() {
            let asked = Instant::now();
            while asked.elapsed() < STOP_LIMIT {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                thread::park_timeout(LOOK);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// Starts the process from a thread of its own, whose cores it inherits from its first moment.
fn spawn_on(mut command: Command, cores: Vec<usize>) -> anyhow::Result<Child> {
    let spawner = thread::spawn(move || {
        if !cores.is_empty() {
            process::pin_this_thread(&cores).context("cannot pin the server to its cores")?;
        }
        Ok(command.spawn()?)
    });
    match spawner.join() {
        Ok(child) => child,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Keeps the newest lines of a child's error stream, so that it never blocks on a full pipe.
fn listen(stream: ChildStderr, last_words: Arc<Mutex<VecDeque<String>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut lines = last_words.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_back(line);
            if lines.len() > LINES_KEPT {
                lines.pop_front();
            }
        }
    })
}

fn free_port() -> anyhow::Result<u16> {
    // Two benches at once start looking at different places.
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(37) % count;
    (0..count)
        .map(|step| PORTS.start + ((first + step) % count) as u16)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .context("no free port for a server below the clients' ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_below_those_of_clients() {
        let port = free_port().unwrap();
        assert!(PORTS.contains(&port));
    }
}
