//! The server: its folder, its life, and how to reach it.

use std::fs::{self, Permissions};
use std::io::{Error, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

use crate::{Absent, Binaries};

/// The superuser of the server.
pub const USER: &str = "vaxel";

/// What it is asked for.
pub const PASSWORD: &str = "open sesame";

/// How long a start, a recovery or an end may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shell between a test and its server: it ends with the server, and when the pipe ends, which
/// is when the test is gone, the server is ended.
const GUARD: &str = "exec 3<&0; \"$0\" \"$@\" </dev/null 3<&- & server=$!; \
    { read -r _ <&3; kill -QUIT $server; } 2>/dev/null & reader=$!; exec 3<&-; \
    wait $server; kill $reader 2>/dev/null";

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As a crash: SIGKILL to the server, whose processes then end by themselves.
    Killed,
    /// PostgreSQL's immediate shutdown: no checkpoint, clients are cut off.
    Immediate,
    /// PostgreSQL's fast shutdown: clients are cut off, then everything is written.
    Fast,
}

/// How a server is made.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Parameters such as `("max_wal_size", "4GB")`, beside those of a fresh installation.
    pub parameters: Vec<(String, String)>,
    /// Files in the folder of its data, by name, that nobody else may read.
    pub files: Vec<(String, String)>,
    /// Where its folder is made; the system's folder for such things when there is none.
    pub parent: Option<PathBuf>,
}

/// A running server, with an empty database `postgres`.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    folder: TempDir,
    port: u16,
    guard: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Makes a server and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or cannot be run by this user.
    ///
    /// # Panics
    /// If it is installed and does not work.
    pub fn start(settings: &Settings) -> Result<Self, Absent> {
        let binaries = Binaries::find()?;
        let mut server = made(binaries, settings).expect("a server can be made");
        server.start_again();
        Ok(server)
    }

    /// Where a database of this server is.
    pub fn url(&self, database: &str) -> String {
        self.url_of(USER, PASSWORD, database)
    }

    /// The same for another user or with another password.
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        let password = password.replace(' ', "%20");
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Its port on loopback; the same for all of its life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it has written to its log, for the message of a failure.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The process of the server; `None` when it does not run.
    pub fn process(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(file.lines().next()?.trim().parse().ok()?)?;
        test_kill_process(pid).is_ok().then_some(pid)
    }

    /// Ends it, and waits until it has ended.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self, ending: Ending) {
        let signal = match ending {
            Ending::Killed => Signal::KILL,
            Ending::Immediate => Signal::QUIT,
            Ending::Fast => Signal::INT,
        };
        if let Some(pid) = self.process() {
            kill_process(pid, signal).expect("it runs");
        }
        self.await_end();
    }

    /// Starts it after it was ended, on the same data and port, and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn start_again(&mut self) {
        let begun = Instant::now();
        loop {
            self.guard = Some(self.spawn().expect("it can be started"));
            until("the server to answer", || {
                self.is_ready() || self.has_ended()
            });
            if !self.has_ended() {
                return;
            }
            // What is left of a killed one may hold its memory for a moment.
            assert!(begun.elapsed() < PATIENCE, "no start:\n{}", self.log());
        }
    }

    fn spawn(&self) -> std::io::Result<(Child, ChildStdin)> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let server = self.binaries.command("postgres");
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(self.data())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        // Kept apart: to wait for a child closes its input.
        let pipe = guard.stdin.take().expect("it is piped");
        Ok((guard, pipe))
    }

    fn has_ended(&mut self) -> bool {
        let guard = self.guard.as_mut();
        guard.is_none_or(|(guard, _)| guard.try_wait().is_ok_and(|status| status.is_some()))
    }

    fn await_end(&mut self) {
        until("the server to end", || self.has_ended());
        self.guard = None;
    }

    fn is_ready(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            return false;
        }
        let mut ready = self.binaries.command("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut guard, pipe)) = self.guard.take() {
            drop(pipe);
            let _ = guard.wait();
        }
    }
}

/// Looks again and again: there is nothing else to wait for in another process.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn made(binaries: Binaries, settings: &Settings) -> std::io::Result<Server> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("vaxel-postgres-");
    let folder = match &settings.parent {
        Some(parent) => builder.tempdir_in(parent)?,
        None => builder.tempdir()?,
    };
    binaries.give(folder.path())?;
    let data = folder.path().join("data");
    let password = folder.path().join("password");
    fs::write(&password, PASSWORD)?;
    binaries.give(&password)?;
    let mut command = binaries.command("initdb");
    command.args([
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
    ]);
    command
        .arg("--username")
        .arg(USER)
        .arg("--pwfile")
        .arg(&password);
    let output = command.arg("-D").arg(&data).current_dir("/").output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::other(format!("initdb: {said}")));
    }
    let port = free_port()?;
    configure(&data, folder.path(), port, settings)?;
    for (name, content) in &settings.files {
        let path = data.join(name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        binaries.give(&path)?;
    }
    Ok(Server {
        binaries,
        folder,
        port,
        guard: None,
    })
}

fn configure(data: &Path, sockets: &Path, port: u16, settings: &Settings) -> std::io::Result<()> {
    let file = data.join("postgresql.conf");
    let mut file = fs::File::options().append(true).open(file)?;
    writeln!(file, "listen_addresses = '127.0.0.1'\nport = {port}")?;
    writeln!(file, "unix_socket_directories = '{}'", sockets.display())?;
    for (name, value) in &settings.parameters {
        writeln!(file, "{name} = '{value}'")?;
    }
    Ok(())
}
