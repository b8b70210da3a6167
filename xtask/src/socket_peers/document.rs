//! The part of `docs/benchmarks.md` that this task writes, and the files beside the plots.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::plot::PLOTS;
use super::saved::Saved;
use super::table;

const DOCUMENT: &str = "docs/benchmarks.md";
const PLOTS_FOLDER: &str = "docs/plots";
const FIGURES: &str = "docs/plots/sockets.json";
/// What is between these lines is written here; what is around them is not.
const BEGIN: &str = "<!-- begin: cargo xtask socket-peers --write -->";
const END: &str = "<!-- end: cargo xtask socket-peers --write -->";

/// Writes table, plots and figures.
pub(super) fn write(root: &Path, saved: &Saved) -> Result<()> {
    let file = root.join(DOCUMENT);
    let text = std::fs::read_to_string(&file)?;
    std::fs::create_dir_all(root.join(PLOTS_FOLDER))?;
    for plot in PLOTS {
        let place = root.join(PLOTS_FOLDER).join(plot.file);
        std::fs::write(place, plot.to_svg(saved))?;
    }
    std::fs::write(root.join(FIGURES), saved.to_json()?)?;
    Ok(std::fs::write(file, with_section(&text, &section(saved))?)?)
}

/// The text between the two lines.
fn section(saved: &Saved) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    if let Some(machine) = &saved.machine {
        let gib = machine.memory_bytes as f64 / f64::from(1 << 30);
        let _ = write!(
            text,
            "{}, {} cores, {gib:.1} GiB, Linux {}; {} of each server.\n\n",
            machine.cpu,
            machine.cores,
            machine.kernel,
            match saved.rounds() {
                1 => "one turn".to_owned(),
                rounds => format!("{rounds} turns"),
            }
        );
    }
    text.push_str("<!-- printed by: cargo xtask socket-peers --write -->\n\n");
    text.push_str(&table::markdown(saved));
    for plot in PLOTS {
        let _ = write!(text, "\n![{}](plots/{})\n", plot.title, plot.file);
    }
    text
}

fn with_section(text: &str, section: &str) -> Result<String> {
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{DOCUMENT} has no line `{BEGIN}`"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{DOCUMENT} has no line `{END}`"))?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        std::fs::read_to_string(crate::workspace_root().join(path)).unwrap()
    }

    /// Whoever edits a figure by hand, or changes what is written and forgets to write it again.
    #[test]
    fn the_documents_hold_what_the_figures_say() {
        let saved = Saved::from_json(&read(FIGURES)).unwrap();
        let document = read(DOCUMENT);
        let again = with_section(&document, &section(&saved)).unwrap();
        assert!(again == document, "run `cargo xtask socket-peers --write`");
        for plot in PLOTS {
            let file = read(&format!("{PLOTS_FOLDER}/{}", plot.file));
            assert!(file == plot.to_svg(&saved), "{} was not written", plot.file);
        }
    }

    #[test]
    fn only_the_text_between_the_two_lines_is_written() {
        let text = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let new = with_section(&text, "new\n").unwrap();
        assert_eq!(new, format!("above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"));
        assert!(with_section("nothing", "new").is_err());
    }
}
