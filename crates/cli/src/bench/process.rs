//! What the kernel knows of a process: CPU time, memory, the core it runs on.
//!
//! Everything is read from `/proc`, so a server in any language can be measured, as long as it
//! belongs to the same user. Children of the process are not counted.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    process::{Pid, Resource, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Clock ticks a second in `/proc/PID/stat`: part of the kernel's interface, the same everywhere.
const TICKS_PER_SECOND: u64 = 100;

/// A running process to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    folder: PathBuf,
}

/// CPU time used up to one moment.
#[derive(Debug, Clone)]
pub(crate) struct CpuSample {
    /// Nanoseconds by thread, exact, but a thread's figure is gone when the thread is.
    threads: BTreeMap<u32, u64>,
    /// Nanoseconds of all threads there ever were, in ticks of ten milliseconds.
    total: u64,
}

impl CpuSample {
    /// CPU time used since `earlier`.
    ///
    /// Exact to the nanosecond while no thread has ended in between, and to a tick otherwise.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let mut used = 0;
        let mut lost_thread = false;
        for (thread, before) in &earlier.threads {
            match self.threads.get(thread) {
                Some(now) => used += now.saturating_sub(*before),
                None => lost_thread = true,
            }
        }
        for (thread, now) in &self.threads {
            if !earlier.threads.contains_key(thread) {
                used += now;
            }
        }
        if lost_thread {
            used = used.max(self.total.saturating_sub(earlier.total));
        }
        Duration::from_nanos(used)
    }
}

impl Process {
    /// The process `pid`.
    ///
    /// # Errors
    /// When there is none, or its memory may not be read by this user.
    pub(crate) fn new(pid: u32) -> io::Result<Self> {
        let process = Self {
            folder: Path::new("/proc").join(pid.to_string()),
        };
        process.memory_bytes()?;
        Ok(process)
    }

    /// CPU time of all its threads until now.
    pub(crate) fn cpu(&self) -> io::Result<CpuSample> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(self.folder.join("task"))? {
            let entry = entry?;
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else {
                continue;
            };
            let nanos = text
                .split_ascii_whitespace()
                .next()
                .and_then(|text| text.parse().ok());
            let thread = entry.file_name().to_string_lossy().parse().ok();
            if let (Some(thread), Some(nanos)) = (thread, nanos) {
                threads.insert(thread, nanos);
            }
        }
        let stat = fs::read_to_string(self.folder.join("stat"))?;
        let total = ticks(&stat).ok_or_else(|| io::Error::other("unreadable /proc/PID/stat"))?;
        Ok(CpuSample {
            threads,
            total: total * (1_000_000_000 / TICKS_PER_SECOND),
        })
    }

    /// User memory: bytes of anonymous pages resident. Code and mapped files do not count, and
    /// neither does the kernel's memory for its sockets ([`slab_bytes`]).
    ///
    /// Where the process uses huge pages ([`uses_huge_pages`](Self::uses_huge_pages)), it grows by
    /// whole ones.
    pub(crate) fn memory_bytes(&self) -> io::Result<u64> {
        let rollup = fs::read_to_string(self.folder.join("smaps_rollup"))?;
        kibibytes(&rollup, "Anonymous")
            .ok_or_else(|| io::Error::other("no anonymous memory in smaps_rollup"))
    }

    /// Whether any of its memory is in transparent huge pages.
    pub(crate) fn uses_huge_pages(&self) -> io::Result<bool> {
        let rollup = fs::read_to_string(self.folder.join("smaps_rollup"))?;
        Ok(kibibytes(&rollup, "AnonHugePages").is_some_and(|bytes| bytes > 0))
    }
}

/// User and system time from the text of a `stat` file. The name in it may hold spaces and
/// parentheses, so fields are counted from the last parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Bytes in the line `name: N kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    })
}

/// Bytes the kernel holds in slabs, of the whole machine: sockets of both ends of a loopback
/// connection are in it, and everything else the kernel allocates.
///
/// Where `/proc/slabinfo` may be read, which takes root, the inodes of `/proc` are left out: there
/// is one for each file of each process that anything, such as a monitor, has looked at there.
pub(crate) fn slab_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let slab = kibibytes(&text, "Slab").ok_or_else(|| io::Error::other("no slab in meminfo"))?;
    let caches = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    Ok(slab.saturating_sub(proc_inode_bytes(&caches)))
}

/// What the inodes of `/proc` take, each with its directory entry and what security modules keep.
fn proc_inode_bytes(slabinfo: &str) -> u64 {
    let cache = |wanted: &str| -> Option<(u64, u64)> {
        slabinfo.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            (fields.next()? == wanted).then_some(())?;
            let count = fields.nth(1)?.parse().ok()?;
            Some((count, fields.next()?.parse().ok()?))
        })
    };
    let size = |name| cache(name).map_or(0, |(_, bytes)| bytes);
    cache("proc_inode_cache").map_or(0, |(count, bytes)| {
        count * (bytes + size("dentry") + size("lsm_inode_cache"))
    })
}

/// Raises the soft limit of open files to the hard one and returns it.
pub(crate) fn raise_file_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Refused means that the old limit stays, which the caller learns below.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The cores this thread may run on, in order.
pub(crate) fn allowed_cores() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&core| set.is_set(core))
        .collect())
}

/// Binds this thread, and whatever it starts from now on, to `cores`.
pub(crate) fn pin_this_thread(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core);
    }
    Ok(sched_setaffinity(None::<Pid>, &set)?)
}

/// Lets other threads go first: this one gets what they leave.
pub(crate) fn yield_to_others() -> io::Result<()> {
    const LEAST: i32 = 19;
    // On Linux this is about the calling thread alone.
    Ok(rustix::process::setpriority_process(None, LEAST)?)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn sample(threads: &[(u32, u64)], total: u64) -> CpuSample {
        CpuSample {
            threads: threads.iter().copied().collect(),
            total,
        }
    }

    #[test]
    fn cpu_counts_new_threads_whole_and_old_ones_from_before() {
        let before = sample(&[(1, 100), (2, 50)], 0);
        let after = sample(&[(1, 150), (2, 50), (3, 7)], 0);
        assert_eq!(after.since(&before), Duration::from_nanos(57));
    }

    #[test]
    fn cpu_of_an_ended_thread_is_taken_from_the_total() {
        let before = sample(&[(1, 100), (2, 50)], 1_000);
        let after = sample(&[(1, 150)], 31_000);
        assert_eq!(after.since(&before), Duration::from_nanos(30_000));
    }

    #[test]
    fn names_in_stat_may_look_like_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 12 30 0 0 20 0 1 0 9";
        assert_eq!(ticks(stat), Some(42));
    }

    #[test]
    fn inodes_of_proc_are_told_from_other_slabs() {
        let slabinfo = "slabinfo - version: 2.1\n\
            # name <active_objs> <num_objs> <objsize>\n\
            proc_inode_cache 90 100 696 23 4 : tunables 0 0 0\n\
            dentry 5000 6000 192 21 1 : tunables 0 0 0\n";
        assert_eq!(proc_inode_bytes(slabinfo), 100 * (696 + 192));
        assert_eq!(proc_inode_bytes(""), 0);
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let me = Process::new(std::process::id()).expect("own process");
        let before = me.cpu().unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        let used = me.cpu().unwrap().since(&before);
        assert!(
            used >= Duration::from_millis(1),
            "spun for 30 ms and used {used:?}"
        );
        assert!(me.memory_bytes().unwrap() > 4096);
        assert!(slab_bytes().unwrap() > 4096);
        assert!(Process::new(u32::MAX).is_err());
    }

    #[test]
    fn a_pinned_thread_may_run_on_that_core_only() {
        let core = *allowed_cores()
            .unwrap()
            .last()
            .expect("this thread runs somewhere");
        std::thread::spawn(move || {
            pin_this_thread(&[core]).unwrap();
            assert_eq!(allowed_cores().unwrap(), [core]);
        })
        .join()
        .unwrap();
    }
}
