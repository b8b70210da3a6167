//! What is known of the files in a folder: what was synced, and what was only written.

mod vfs;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString, c_int};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rusqlite::ffi;

/// What SQLite does to a file that can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Bytes are written.
    Write,
    /// A file is cut.
    Truncate,
    /// What was written is made to last.
    Sync,
}

/// On which side of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Nothing has happened yet.
    Before,
    /// It has happened, and nobody has been told.
    After,
}

/// A place in the life of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is done.
    pub operation: Operation,
    /// Before or after it.
    pub moment: Moment,
    /// How many of its kind there were before it.
    pub number: u64,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The device fails.
    Io,
    /// There is no room.
    Full,
}

type Hook = Box<dyn FnMut(Step) -> Result<(), Trouble> + Send>;

/// The disk under the SQLite files of one folder.
///
/// Files count that are opened after [`Disk::under`]. The file system's own bookkeeping, that a
/// file exists, is taken to last at once.
#[derive(Clone)]
pub struct Disk(Arc<Folder>);

#[derive(Default)]
struct Folder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: HashMap<OsString, Image>,
    counts: HashMap<Operation, u64>,
    hook: Option<Hook>,
    /// Names that end so are not synced, though SQLite is told that they were.
    forgotten: Option<&'static str>,
    is_off: bool,
}

/// A file.
#[derive(Default)]
struct Image {
    synced: Vec<u8>,
    written: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Truncate { length } => file.truncate(*length),
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

/// The folders that are watched.
static FOLDERS: Mutex<Vec<(PathBuf, Weak<Folder>)>> = Mutex::new(Vec::new());

impl Disk {
    /// The disk under a folder, in this process and from now on. The folder must exist.
    ///
    /// # Errors
    /// When there is no such folder.
    ///
    /// # Panics
    /// When SQLite does not take the file system.
    pub fn under(folder: &Path) -> io::Result<Self> {
        vfs::install();
        let path = folder.canonicalize()?;
        let folder = Arc::<Folder>::default();
        let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|(other, folder)| folder.strong_count() > 0 && *other != path);
        folders.push((path, Arc::downgrade(&folder)));
        Ok(Disk(folder))
    }

    /// From now on syncs of files whose names end so do nothing: the fault that a test of losing
    /// power must find. An empty ending is that of every name.
    pub fn forget_syncs_of(&self, ending: &'static str) {
        self.0.lock().forgotten = Some(ending);
    }

    /// Asks before and after each operation, in their order, whether it shall fail.
    pub fn at_each_step(&self, hook: impl FnMut(Step) -> Result<(), Trouble> + Send + 'static) {
        self.0.lock().hook = Some(Box::new(hook));
    }

    /// How many operations of a kind there were.
    pub fn count(&self, operation: Operation) -> u64 {
        let state = self.0.lock();
        state.counts.get(&operation).copied().unwrap_or(0)
    }

    /// The power fails: every operation from now on fails, and `folder` gets what is found
    /// afterwards. Of what was not synced some is there, some is missing and some is torn, as
    /// `below` says, which answers a number below the one it is given.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn lose_power(&self, folder: &Path, mut below: impl FnMut(u64) -> u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.is_off = true;
        for (name, image) in &state.files {
            let mut found = image.synced.clone();
            for change in &image.written {
                match (below(4), change) {
                    (0, _) => {}
                    (1, Change::Write { offset, bytes }) => {
                        let torn = below(bytes.len() as u64 + 1) as usize;
                        let (offset, bytes) = (*offset, bytes[..torn].to_vec());
                        Change::Write { offset, bytes }.apply(&mut found);
                    }
                    _ => change.apply(&mut found),
                }
            }
            std::fs::write(folder.join(name), found)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl State {
    fn ask(&mut self, operation: Operation, moment: Moment, number: u64) -> Option<c_int> {
        let step = Step {
            operation,
            moment,
            number,
        };
        let trouble = self.hook.as_mut()?(step).err()?;
        Some(match trouble {
            Trouble::Full => ffi::SQLITE_FULL,
            Trouble::Io => io_error(operation),
        })
    }
}

fn io_error(operation: Operation) -> c_int {
    match operation {
        Operation::Write => ffi::SQLITE_IOERR_WRITE,
        Operation::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
        Operation::Sync => ffi::SQLITE_IOERR_FSYNC,
    }
}

impl Folder {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watched folder of a file, and its name there.
    fn of(path: &Path) -> Option<(Arc<Folder>, OsString)> {
        let (parent, name) = (path.parent()?.canonicalize().ok()?, path.file_name()?);
        let folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_parent = folders.iter().filter(|(folder, _)| *folder == parent);
        let folder = of_parent.next()?.1.upgrade()?;
        Some((folder, name.to_owned()))
    }

    /// Notes a file that was opened: what it holds when it is first seen has been synced.
    fn opened(&self, path: &Path, name: &OsStr) {
        let mut state = self.lock();
        if !state.files.contains_key(name) {
            let image = Image {
                synced: std::fs::read(path).unwrap_or_default(),
                written: Vec::new(),
            };
            state.files.insert(name.to_owned(), image);
        }
    }

    fn deleted(&self, name: &OsStr, delete: impl FnOnce() -> c_int) -> c_int {
        let mut state = self.lock();
        if state.is_off {
            return ffi::SQLITE_IOERR_DELETE;
        }
        state.files.remove(name);
        delete()
    }

    /// Does an operation and notes it, in the order in which the file sees them.
    fn step(
        &self,
        operation: Operation,
        name: &OsStr,
        run: impl FnOnce() -> c_int,
        note: impl FnOnce(&mut Image),
    ) -> c_int {
        let mut state = self.lock();
        if state.is_off {
            return io_error(operation);
        }
        let count = state.counts.entry(operation).or_default();
        let number = *count;
        *count += 1;
        if let Some(failed) = state.ask(operation, Moment::Before, number) {
            return failed;
        }
        let done = run();
        if done != ffi::SQLITE_OK {
            return done;
        }
        note(state.files.entry(name.to_owned()).or_default());
        let failed = state.ask(operation, Moment::After, number);
        failed.unwrap_or(ffi::SQLITE_OK)
    }

    fn write(
        &self,
        name: &OsStr,
        offset: usize,
        bytes: &[u8],
        run: impl FnOnce() -> c_int,
    ) -> c_int {
        self.step(Operation::Write, name, run, |image| {
            let bytes = bytes.to_vec();
            image.written.push(Change::Write { offset, bytes });
        })
    }

    fn truncate(&self, name: &OsStr, length: usize, run: impl FnOnce() -> c_int) -> c_int {
        self.step(Operation::Truncate, name, run, |image| {
            image.written.push(Change::Truncate { length });
        })
    }

    fn sync(&self, name: &OsStr, run: impl FnOnce() -> c_int) -> c_int {
        let forgotten = self.lock().forgotten;
        let is_forgotten = forgotten.is_some_and(|ending| name.to_string_lossy().ends_with(ending));
        self.step(Operation::Sync, name, run, |image| {
            if !is_forgotten {
                for change in image.written.drain(..) {
                    change.apply(&mut image.synced);
                }
            }
        })
    }
}
