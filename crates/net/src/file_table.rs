//! File tables: whose descriptors a shard's thread sees.
//!
//! The number of files a process may open is a bound on each table of descriptors, and a thread
//! may have a table of its own, which begins as a copy. From then on a number means one file here
//! and perhaps another one there, so a descriptor must not wander between threads.
//!
//! # Invariants
//! 1. What a shard's thread opens after the split it also closes: its listener, its epoll, its
//!    connections. Tasks of its tokio runtime end on it before it does.
//! 2. What a shard's thread shares with others (the eventfds that wake it and them) was opened
//!    before the first split, so that it has the same number in every table, and is closed by
//!    whoever opened it, after the shard's thread has ended.
//! 3. Right after the split nobody owns a number of the new table but in the sense of 2.

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Whose table of descriptors the connections of a shard are in.
///
/// The bound that the system puts on open files (`ulimit -n`) holds for each table. Where it
/// cannot be raised, tables of their own let a process hold that many connections for each shard.
///
/// # With a table for each shard
/// - Descriptors that are open when the server starts stay open in every shard's table until the
///   shard ends, those of internet sockets excepted. So open listeners of other kinds, pipes to
///   children and locked files that must be closable before that only afterwards.
/// - What runs on a shard's thread sees the shard's descriptors only. No code of the application
///   does, but a `tracing` subscriber: one that opens its file after the server has started has
///   to write from a thread of its own.
/// - Signals are handled on other threads.
/// - An HTTP handler cannot take over its connection (`hyper::upgrade`): it would read from
///   another thread's descriptor. WebSockets that are mounted as sockets are not concerned.
/// - The kernel deals clients out by chance, so a shard should be meant for some hundred fewer
///   connections than its table has room for. A shard whose table is full leaves its clients
///   waiting and counts [`accept_errors`](crate::NetCounters::accept_errors).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileTables {
    /// In the table of the process, with everything else.
    #[default]
    Shared,
    /// In one of the shard's own.
    PerShard,
}

/// Gives this thread a table of its own, in which no internet socket is open.
///
/// A copy of a socket would keep its connection open when the owner has closed it, and a copy of a
/// listener would be given clients that nobody accepts.
pub(crate) fn split() -> io::Result<()> {
    block_signals()?;
    // SAFETY: the thread has opened nothing yet, and what it opens from now on stays on it
    // (invariant 1); what it shares with others has the same number in both tables (invariant 2).
    unsafe { unshare_unsafe(UnshareFlags::FILES) }?;
    let mut inherited: Vec<RawFd> = Vec::new();
    for entry in std::fs::read_dir("/proc/thread-self/fd")? {
        let name = entry?.file_name();
        inherited.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for number in inherited {
        // SAFETY: nobody owns this number here (invariant 3), and it is only closed if it is a
        // socket that the thread does not share.
        let file = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
        // Fails for what is no socket, and for the listing's own descriptor, which is closed.
        let family = socket_domain(&*file);
        if family.is_ok_and(|family| [AddressFamily::INET, AddressFamily::INET6].contains(&family))
        {
            drop(ManuallyDrop::into_inner(file));
        }
    }
    Ok(())
}

/// Leaves signals to other threads: a handler may write to a descriptor, and its number need not
/// be open here. Those that a thread raises itself, by a fault, stay.
fn block_signals() -> io::Result<()> {
    const OWN: [i32; 7] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled before anything reads it, and outlives the calls.
    let failed = unsafe {
        libc::sigfillset(signals.as_mut_ptr());
        for signal in OWN {
            libc::sigdelset(signals.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut())
    };
    match failed {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}
