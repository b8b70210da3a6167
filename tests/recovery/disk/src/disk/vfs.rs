//! SQLite's own file system with a shim around its files.
//!
//! # Invariants
//! 1. A method of a file is given a pointer to the `szOsFile` bytes that SQLite has allocated for
//!    it, aligned for any pointer, from before `xOpen` until after `xClose`, and calls no two
//!    methods of one file at once. `xOpen` has made them a [`Shim`], followed by the file of the
//!    real file system.
//! 2. The real file system is found once, and both it and ours live as long as the process.
//! 3. Names are C strings, or null for files that have none.
//! 4. Buffers are as long as the number beside them says.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Once};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

use super::Folder;

/// What stands before the real file.
#[repr(C)]
struct Shim {
    base: sqlite3_file,
    /// From a box; null for a file in a folder that nobody watches.
    watched: *mut Watched,
}

struct Watched {
    folder: Arc<Folder>,
    name: OsString,
}

static REAL: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(null_mut());

fn real_vfs() -> *mut sqlite3_vfs {
    REAL.load(Ordering::Acquire)
}

/// Makes the shim the file system of every connection that is opened from now on.
pub(super) fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // SAFETY: a null name asks for the default, which SQLite never frees (2).
        let real = unsafe { ffi::sqlite3_vfs_find(null()) };
        assert!(!real.is_null(), "SQLite has no file system");
        REAL.store(real, Ordering::Release);
        // SAFETY: it was just found (2), and is plain data.
        let mut ours = unsafe { *real };
        ours.szOsFile += size_of::<Shim>() as c_int;
        ours.pNext = null_mut();
        ours.zName = c"vaxel-disk".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        let ours = Box::into_raw(Box::new(ours));
        // SAFETY: it is leaked (2), and its methods are those below or the real ones.
        let registered = unsafe { ffi::sqlite3_vfs_register(ours, 1) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite refuses the file system");
    });
}

/// The real file behind the shim.
fn real_file(file: *mut sqlite3_file) -> *mut sqlite3_file {
    file.wrapping_byte_add(size_of::<Shim>())
}

fn watched(file: *mut sqlite3_file) -> Option<&'static Watched> {
    // SAFETY: by (1) this is a shim, and its box lives until `xClose`, the last of its methods.
    unsafe { (*file.cast::<Shim>()).watched.as_ref() }
}

fn name_of<'a>(name: *const c_char) -> Option<&'a Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: by (3) it is a C string, which lives at least as long as the call it came with.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let (shim, real) = (file.cast::<Shim>(), real_file(file));
    // SAFETY: by (1) there is room for a shim and a real file; by (2) the real file system is
    // there.
    unsafe {
        (*shim).base.pMethods = null();
        (*shim).watched = null_mut();
        (*real).pMethods = null();
        let Some(open) = (*real_vfs()).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let opened = open(real_vfs(), name, real, flags, out);
        if (*real).pMethods.is_null() {
            return opened;
        }
        if let Some(path) = name_of(name)
            && let Some((folder, name)) = Folder::of(path)
        {
            folder.opened(path, &name);
            (*shim).watched = Box::into_raw(Box::new(Watched { folder, name }));
        }
        (*shim).base.pMethods = &METHODS;
        opened
    }
}

extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: the name is passed on as it came (3), to the real file system (2).
    let delete = || unsafe {
        match (*real_vfs()).xDelete {
            Some(delete) => delete(real_vfs(), name, sync),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    };
    match name_of(name).and_then(Folder::of) {
        Some((folder, name)) => folder.deleted(&name, delete),
        None => delete(),
    }
}

/// Defines a method that does what the real file's does.
macro_rules! as_real {
    ($name:ident, $method:ident($($argument:ident: $type:ty),*) else $missing:expr) => {
        extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> c_int {
            let real = real_file(file);
            // SAFETY: by (1) the real file is open, and its methods with it; the arguments are
            // passed on as they came.
            unsafe {
                match (*(*real).pMethods).$method {
                    Some(method) => method(real, $($argument),*),
                    None => $missing,
                }
            }
        }
    };
}

as_real!(real_close, xClose() else ffi::SQLITE_OK);
as_real!(read, xRead(bytes: *mut c_void, length: c_int, offset: i64) else ffi::SQLITE_IOERR);
as_real!(real_write, xWrite(bytes: *const c_void, length: c_int, offset: i64)
    else ffi::SQLITE_IOERR);
as_real!(real_truncate, xTruncate(length: i64) else ffi::SQLITE_IOERR);
as_real!(real_sync, xSync(flags: c_int) else ffi::SQLITE_IOERR);
as_real!(file_size, xFileSize(size: *mut i64) else ffi::SQLITE_IOERR);
as_real!(lock, xLock(level: c_int) else ffi::SQLITE_IOERR);
as_real!(unlock, xUnlock(level: c_int) else ffi::SQLITE_IOERR);
as_real!(check_lock, xCheckReservedLock(out: *mut c_int) else ffi::SQLITE_IOERR);
as_real!(control, xFileControl(code: c_int, argument: *mut c_void) else ffi::SQLITE_NOTFOUND);
as_real!(sector_size, xSectorSize() else 4096);
as_real!(characteristics, xDeviceCharacteristics() else 0);
as_real!(shm_map, xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void)
    else ffi::SQLITE_IOERR);
as_real!(shm_lock, xShmLock(offset: c_int, count: c_int, flags: c_int) else ffi::SQLITE_IOERR);
as_real!(shm_unmap, xShmUnmap(delete: c_int) else ffi::SQLITE_OK);

extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    let real = real_file(file);
    // SAFETY: by (1) the real file is open, and its methods with it.
    unsafe {
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let closed = real_close(file);
    // SAFETY: by (1) this is a shim and the last method that is called; the box is its own.
    unsafe {
        let watched = std::mem::replace(&mut (*file.cast::<Shim>()).watched, null_mut());
        if !watched.is_null() {
            drop(Box::from_raw(watched));
        }
    }
    closed
}

extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    let run = || real_write(file, bytes, length, offset);
    let Some(watched) = watched(file) else {
        return run();
    };
    // SAFETY: by (4) there are so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize) };
    watched
        .folder
        .write(&watched.name, offset as usize, bytes, run)
}

extern "C" fn truncate(file: *mut sqlite3_file, length: i64) -> c_int {
    let run = || real_truncate(file, length);
    match watched(file) {
        Some(watched) => watched.folder.truncate(&watched.name, length as usize, run),
        None => run(),
    }
}

extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    let run = || real_sync(file, flags);
    match watched(file) {
        Some(watched) => watched.folder.sync(&watched.name, run),
        None => run(),
    }
}

/// Version 2: without the methods that map files into memory, past which writes would go unseen.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
