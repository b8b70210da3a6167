//! What was measured: lines of JSON by server and round, and the medians over the rounds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One line that `vaxel bench sockets --json` prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Figure {
        case: String,
        subject: String,
        /// Absent for what could not be measured.
        value: Option<f64>,
    },
    Machine {
        machine: Machine,
    },
    Missing {
        missing: String,
        reason: String,
    },
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: u32,
    pub(super) memory_bytes: u64,
    pub(super) kernel: String,
}

/// A server's figure of one case: medians over the rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) case: String,
    pub(super) side: String,
    pub(super) value: f64,
    /// To the loop's in the turns beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
    pub(super) rounds: usize,
}

/// A server that could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Absent {
    pub(super) missing: String,
    pub(super) reason: String,
}

/// Everything the table and the plots are made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Saved {
    pub(super) machine: Option<Machine>,
    pub(super) cells: Vec<Cell>,
    pub(super) absent: Vec<Absent>,
}

#[cfg(test)]
#[derive(Deserialize)]
#[serde(untagged)]
enum Published {
    Cell(Cell),
    Absent(Absent),
    Machine { machine: Machine },
}

impl Saved {
    /// Reads every file in `folder` and takes the medians.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut saved = Self::default();
        let mut runs: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            files.push(entry?.path());
        }
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            for line in text.lines() {
                let line = serde_json::from_str(line)
                    .with_context(|| format!("{}: {line}", file.display()))?;
                saved.take(line, &mut runs);
            }
        }
        for ((case, side), values) in &runs {
            if case.ends_with("-ratio") {
                continue;
            }
            let ratios = runs.get(&(format!("{case}-ratio"), side.clone()));
            saved.cells.push(Cell {
                case: case.clone(),
                side: side.clone(),
                value: median(values),
                ratio: ratios.map(|ratios| median(ratios)),
                rounds: values.len(),
            });
        }
        Ok(saved)
    }

    fn take(&mut self, line: Line, runs: &mut BTreeMap<(String, String), Vec<f64>>) {
        match line {
            Line::Figure {
                case,
                subject,
                value,
            } => {
                let Some(value) = value else { return };
                runs.entry((case, subject)).or_default().push(value);
            }
            Line::Machine { machine } => self.machine = Some(machine),
            Line::Missing { missing, reason } => self.absent.push(Absent { missing, reason }),
        }
    }

    /// As it lies beside the plots: one object a line.
    pub(super) fn to_json(&self) -> Result<String> {
        let mut text = String::new();
        for cell in &self.cells {
            writeln!(text, "{}", serde_json::to_string(cell)?)?;
        }
        for absent in &self.absent {
            writeln!(text, "{}", serde_json::to_string(absent)?)?;
        }
        if let Some(machine) = &self.machine {
            writeln!(text, "{}", serde_json::json!({ "machine": machine }))?;
        }
        Ok(text)
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    #[cfg(test)]
    pub(super) fn from_json(text: &str) -> Result<Self> {
        let mut saved = Self::default();
        for line in text.lines() {
            match serde_json::from_str(line).with_context(|| line.to_owned())? {
                Published::Cell(cell) => saved.cells.push(cell),
                Published::Absent(absent) => saved.absent.push(absent),
                Published::Machine { machine } => saved.machine = Some(machine),
            }
        }
        Ok(saved)
    }

    /// The figure of `side` in `case`.
    pub(super) fn cell(&self, case: &str, side: &str) -> Option<&Cell> {
        let mut cells = self.cells.iter();
        cells.find(|cell| cell.case == case && cell.side == side)
    }

    /// How often each server was measured, at least.
    pub(super) fn rounds(&self) -> usize {
        let others = self.cells.iter().filter(|cell| cell.side != "loop");
        others.map(|cell| cell.rounds).min().unwrap_or(0)
    }
}

/// Writes the lines of one turn.
pub(super) fn save<'a>(file: &Path, lines: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut text = Vec::from_iter(lines).join("\n");
    text.push('\n');
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Writes why there are none.
pub(super) fn save_reason(file: &Path, side: &str, reason: &str) -> Result<()> {
    let absent = Absent {
        missing: side.to_owned(),
        reason: reason.to_owned(),
    };
    save(file, [serde_json::to_string(&absent)?.as_str()].into_iter())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_over_the_files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        for (round, (value, ratio)) in [(6.0, 1.1), (4.0, 1.3), (5.0, 1.2)].into_iter().enumerate()
        {
            let text = format!(
                "{{\"case\":\"echo\",\"subject\":\"loop\",\"value\":{value}}}\n\
                 {{\"case\":\"echo\",\"subject\":\"ws\",\"unit\":\"us\",\"value\":{}}}\n\
                 {{\"case\":\"echo-ratio\",\"subject\":\"ws\",\"value\":{ratio}}}\n\
                 {{\"case\":\"join\",\"subject\":\"ws\",\"value\":null}}\n\
                 {{\"suite\":\"sockets\",\"machine\":{{\"cpu\":\"x\",\"cores\":2,\
                 \"memory_bytes\":1,\"kernel\":\"6\"}}}}",
                value * 2.0
            );
            save(
                &folder.path().join(format!("ws.{round}.json")),
                text.lines(),
            )
            .unwrap();
        }
        save_reason(&folder.path().join("axum.1.json"), "axum", "no network").unwrap();
        let saved = Saved::read(folder.path()).unwrap();
        let cell = saved.cell("echo", "ws").unwrap();
        assert_eq!((cell.value, cell.ratio, cell.rounds), (10.0, Some(1.2), 3));
        assert_eq!(saved.cell("echo", "loop").unwrap().ratio, None);
        assert_eq!(saved.cell("join", "ws"), None);
        assert_eq!(saved.absent[0].reason, "no network");
        assert_eq!(saved.rounds(), 3);
        assert_eq!(Saved::from_json(&saved.to_json().unwrap()).unwrap(), saved);
    }
}
