//! What happened in a run: a bounded list of its last lines, and a fingerprint of all of them.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use vaxel_runtime::{Did, Pid, Step, Time};

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    step: u64,
    time: Time,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// A turn of an actor.
    Turn {
        actor: &'static str,
        pid: Pid,
        did: &'static str,
    },
    /// The test itself went on.
    Test,
    /// Time moved on because nothing could run.
    Time,
    /// An incarnation ended for an abnormal reason, or was killed by the test.
    Note(String),
}

/// The last lines of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    lines: VecDeque<Line>,
    lines_max: usize,
    steps: u64,
    /// The time of the last line.
    time: Time,
    print: Fnv,
}

impl Trace {
    pub(crate) fn new(lines_max: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            lines_max,
            steps: 0,
            time: Time::ZERO,
            print: Fnv::default(),
        }
    }

    /// Counts a step and writes it down.
    pub(crate) fn step(&mut self, time: Time, what: What) {
        self.steps += 1;
        self.note(time, what);
    }

    pub(crate) fn turn(&mut self, time: Time, step: &Step) {
        let did = match step.did {
            Did::Message(message) => message,
            Did::Resume => "(goes on)",
            Did::Start => "(start)",
            _ => "(signal)",
        };
        let what = What::Turn {
            actor: step.actor,
            pid: step.pid,
            did,
        };
        self.step(time, what);
    }

    /// Writes down something that is no step of its own.
    pub(crate) fn note(&mut self, time: Time, what: What) {
        self.time = time;
        (self.steps, time, &what).hash(&mut self.print);
        if self.lines_max == 0 {
            return;
        }
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        let step = self.steps;
        self.lines.push_back(Line { step, time, what });
    }

    /// As [`note`](Self::note), for who does not know the time but knows that it stands still.
    pub(crate) fn note_now(&mut self, what: What) {
        self.note(self.time, what);
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// A hash of every line, those no longer kept included.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.print.finish()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.since_start().as_secs_f64();
        write!(f, "#{:<6} {seconds:>10.6} s  ", self.step)?;
        match &self.what {
            What::Turn { actor, pid, did } => {
                write!(f, "{}{pid}  {}", short(actor), short(did))
            }
            What::Test => f.write_str("the test goes on"),
            What::Time => f.write_str("time moves on"),
            What::Note(note) => f.write_str(note),
        }
    }
}

/// The last part of a path, those of its parameters included: `a::B<c::D>` is `B<D>`.
pub(crate) fn short(path: &str) -> String {
    let mut short = String::new();
    let mut word = String::new();
    for letter in path.chars() {
        match letter {
            ':' => word.clear(),
            _ if letter.is_alphanumeric() || letter == '_' => word.push(letter),
            _ => {
                short.push_str(&word);
                word.clear();
                short.push(letter);
            }
        }
    }
    short + &word
}

/// FNV-1a: the same in every process, unlike the standard library's hasher.
#[derive(Debug, Clone)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_with_their_parameters() {
        assert_eq!(short("a::b::Counter"), "Counter");
        assert_eq!(short("a::Probing<b::c::Add>"), "Probing<Add>");
        assert_eq!(short("(goes on)"), "(goes on)");
        assert_eq!(short("a::Task<a::main::{{closure}}>"), "Task<{{closure}}>");
    }

    #[test]
    fn old_lines_go_and_still_count() {
        let trace = |kept, notes: &[&str]| {
            let mut trace = Trace::new(kept);
            for note in notes {
                trace.step(Time::ZERO, What::Note((*note).to_owned()));
            }
            trace
        };
        let short = trace(1, &["a", "b"]);
        assert_eq!(short.lines().len(), 1);
        assert!(short.lines()[0].ends_with('b'), "{:?}", short.lines());
        assert_eq!(short.fingerprint(), trace(9, &["a", "b"]).fingerprint());
        assert_ne!(short.fingerprint(), trace(9, &["b", "b"]).fingerprint());
    }
}
