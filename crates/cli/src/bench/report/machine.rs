//! The machine a report was made on, so that a figure can be read later and elsewhere.

use std::{fmt, fs};

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_bytes: u64,
    kernel: String,
    rustc: &'static str,
    profile: &'static str,
    vaxel: &'static str,
}

impl Machine {
    /// What this process can see. Missing facts are called unknown rather than left out.
    pub(super) fn of_this_process() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        let processors = read("/proc/cpuinfo");
        Self {
            cpu: field(&processors, "model name")
                .unwrap_or("unknown")
                .to_owned(),
            // Not the parallelism available, which a pinned process has less of.
            cores: processors
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_bytes: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|value| value.trim_end_matches(" kB").parse::<u64>().ok())
                .map_or(0, |kib| kib * 1024),
            kernel: match kernel.trim() {
                "" => "unknown".to_owned(),
                release => release.to_owned(),
            },
            rustc: env!("VAXEL_RUSTC_VERSION"),
            profile: env!("VAXEL_PROFILE"),
            vaxel: env!("CARGO_PKG_VERSION"),
        }
    }

    pub(super) fn to_json(&self, suite: &str) -> String {
        serde_json::json!({ "suite": suite, "machine": self }).to_string()
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        write!(
            f,
            "{}, {} cores, {gib:.1} GiB, Linux {}; vaxel {} ({} profile), {}",
            self.cpu, self.cores, self.kernel, self.vaxel, self.profile, self.rustc
        )
    }
}

/// The value of `name` in a file of `name : value` lines.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemFree:  1 kB\nMemTotal:   2048 kB\n";
        assert_eq!(field(text, "MemTotal"), Some("2048 kB"));
        assert_eq!(field(text, "Mem"), None);
    }

    #[test]
    fn the_machine_knows_itself() {
        let machine = Machine::of_this_process();
        assert!(machine.cores >= 1);
        assert!(machine.rustc.starts_with("rustc "), "{}", machine.rustc);
    }
}
