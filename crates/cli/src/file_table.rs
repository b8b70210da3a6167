//! Tables of open files: one for the process, or one for each thread that holds connections.

use std::io;

use clap::ValueEnum;
use rustix::thread::UnshareFlags;
use vaxel::FileTables;

/// Whose table of open files connections are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileTable {
    /// The one of the process.
    Shared,
    /// One for each shard.
    PerShard,
}

impl From<FileTable> for FileTables {
    fn from(table: FileTable) -> Self {
        match table {
            FileTable::Shared => Self::Shared,
            FileTable::PerShard => Self::PerShard,
        }
    }
}

/// Gives this thread a table of its own, a copy of the one it had.
///
/// What the thread opens from now on has to be used and closed on it. What it has in common with
/// others has to be open before.
#[expect(
    deprecated,
    reason = "its unsafe twin adds no check, and only threads of measurements, which keep to the \
              rule above, call this"
)]
pub(crate) fn split() -> io::Result<()> {
    Ok(rustix::thread::unshare(UnshareFlags::FILES)?)
}
