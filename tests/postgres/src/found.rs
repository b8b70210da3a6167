//! Where the server's programs are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the folder of `initdb` and `postgres`, where they are in none of the usual ones.
const FOLDER: &str = "VAXEL_POSTGRES_BIN";

/// Where Debian keeps them, a folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What a server of the test's own needs.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
    /// A program that drops the rights of root, with its arguments; empty for other users.
    drop_root: Vec<OsString>,
}

/// Why there can be no server on this machine.
#[derive(Debug, Clone)]
pub struct Absent(pub String);

impl Binaries {
    /// The newest that is installed.
    ///
    /// # Errors
    /// When there is none, or none that this user can run.
    pub fn find() -> Result<Self, Absent> {
        let named = std::env::var_os(FOLDER).map(PathBuf::from);
        let folder = named.or_else(newest_of_debian).or_else(on_the_path);
        let folder = folder.filter(|folder| folder.join("initdb").exists());
        let folder = folder.ok_or_else(|| {
            Absent(format!(
                "PostgreSQL's server is not installed (apt-get install postgresql), nor does \
                 {FOLDER} name the folder of its programs"
            ))
        })?;
        let drop_root = match rustix::process::geteuid().is_root() {
            false => Vec::new(),
            true => unprivileged()?,
        };
        Ok(Binaries { folder, drop_root })
    }

    /// One of its programs, as a user that it accepts.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut words = self.drop_root.clone();
        words.push(self.folder.join(program).into_os_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// Gives a folder to the user that the programs run as.
    pub(crate) fn give(&self, folder: &Path) -> std::io::Result<()> {
        if self.drop_root.is_empty() {
            return Ok(());
        }
        let done = Command::new("chown")
            .arg("postgres:")
            .arg(folder)
            .status()?;
        match done.success() {
            true => Ok(()),
            false => Err(std::io::Error::other("chown failed")),
        }
    }
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).ok()?.flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let number = |folder: &PathBuf| {
        let version = folder.parent()?.file_name()?.to_str()?;
        version.parse::<u32>().ok()
    };
    folders
        .filter(|folder| folder.join("postgres").exists())
        .max_by_key(number)
}

fn on_the_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
}

/// How root becomes the user `postgres`.
fn unprivileged() -> Result<Vec<OsString>, Absent> {
    let words = [
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
    ];
    let tried = Command::new(words[0])
        .args(&words[1..])
        .arg("true")
        .output();
    match tried {
        Ok(tried) if tried.status.success() => Ok(words.map(OsString::from).into()),
        Ok(tried) => Err(Absent(format!(
            "root cannot become the user `postgres`: {}",
            String::from_utf8_lossy(&tried.stderr).trim()
        ))),
        Err(error) => Err(Absent(format!(
            "a server does not run as root, and setpriv cannot be started: {error}"
        ))),
    }
}
