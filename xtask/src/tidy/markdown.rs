//! Rules about the documents: links lead somewhere, figures name the command that prints them.

use super::Finding;
use super::tree::{File, Tree};

/// What a figures table is preceded by; the command follows.
const PRINTED_BY: &str = "<!-- printed by: ";

/// Words in a table's head or in the heading above it that make it a table of measurements.
const FIGURE_WORDS: &[&str] = &["figure", "measured", "median", "p50", "p99", "per second"];

pub(crate) fn check(file: &File, tree: &Tree) -> Vec<Finding> {
    let lines = prose(&file.text);
    let mut findings = links(file, tree, &lines);
    findings.extend(figures(file, &lines));
    findings
}

/// The lines of a document with the inside of code fences emptied.
fn prose(text: &str) -> Vec<&str> {
    let mut in_fence = false;
    text.lines()
        .map(|line| {
            let is_fence = line.trim_start().starts_with("```");
            in_fence ^= is_fence;
            if in_fence || is_fence { "" } else { line }
        })
        .collect()
}

fn links(file: &File, tree: &Tree, lines: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for target in link_targets(line) {
            if let Some(complaint) = broken(file, tree, target) {
                let text = format!("`{target}` {complaint}");
                findings.push(Finding::new(file, index + 1, "link", text));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` in a line, without a title.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let (target, _) = rest.split_once(')')?;
        target.split_whitespace().next()
    })
}

/// Why a link leads nowhere. Addresses of other sites are not asked: a check works offline.
fn broken(file: &File, tree: &Tree, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(path) = resolve(file, path) else {
        return Some("leaves the repository");
    };
    if !tree.has(&path) {
        return Some("does not exist");
    }
    let document = tree
        .file(&path)
        .filter(|document| document.extension() == "md")?;
    let has_heading = prose(&document.text)
        .iter()
        .filter_map(|line| heading(line))
        .any(|heading| slug(heading) == anchor);
    (!anchor.is_empty() && !has_heading).then_some("names a heading that does not exist")
}

/// A path from the root for one from the document; the document itself when the path is empty.
fn resolve(file: &File, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(file.path.clone());
    }
    let mut parts: Vec<&str> = file
        .folder()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim())
}

/// The anchor that forges make of a heading.
fn slug(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Tables of measurements without the marker above them, or with an empty one.
fn figures(file: &File, lines: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last_heading = "";
    for (index, line) in lines.iter().enumerate() {
        last_heading = heading(line).unwrap_or(last_heading);
        let begins_table = is_row(line) && (index == 0 || !is_row(lines[index - 1]));
        if begins_table && is_figures(last_heading, line) && !has_marker(&lines[..index]) {
            let text = format!("figures without `{PRINTED_BY}… -->` above them");
            findings.push(Finding::new(file, index + 1, "figures", text));
        }
    }
    findings
}

fn is_row(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

fn is_figures(heading: &str, head: &str) -> bool {
    let words = format!("{heading} {head}").to_lowercase();
    FIGURE_WORDS.iter().any(|word| words.contains(word))
}

/// True when the nearest line above that is not blank is a marker that names a command.
fn has_marker(above: &[&str]) -> bool {
    let nearest = above.iter().rev().find(|line| !line.trim().is_empty());
    nearest
        .and_then(|line| line.trim().strip_prefix(PRINTED_BY)?.strip_suffix("-->"))
        .is_some_and(|command| !command.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<(&'static str, usize)> {
        let other = "# Guide\n## What it is, in `five` lines\n";
        let tree = Tree::of(&[("docs/a.md", text), ("docs/b.md", other), ("src/x.rs", "")]);
        let findings = check(&tree.files[0], &tree);
        findings
            .iter()
            .map(|finding| (finding.rule, finding.line))
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        assert_eq!(
            complaints("[b](b.md) [s](../src/x.rs) [f](../src) [w](https://x.y/z)\n"),
            []
        );
        assert_eq!(
            complaints("[b](b.md#what-it-is-in-five-lines \"title\")\n"),
            []
        );
        assert_eq!(
            complaints("# Top\n[up](#top)\n```\n[no](link.md)\n```\n"),
            []
        );
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(complaints("\n[b](c.md)\n"), [("link", 2)]);
        assert_eq!(complaints("[b](b.md#missing)\n"), [("link", 1)]);
        assert_eq!(complaints("[up](#missing)\n"), [("link", 1)]);
        assert_eq!(complaints("[out](../../elsewhere.md)\n"), [("link", 1)]);
        assert_eq!(complaints("![picture](images/none.png)\n"), [("link", 1)]);
    }

    #[test]
    fn figures_need_the_command_that_prints_them() {
        let by_head = "| what | p99 |\n|---|---|\n| echo | 3 ms |\n";
        assert_eq!(complaints(by_head), [("figures", 1)]);
        let by_heading = "## Figures\n\n| what | ours |\n|---|---|\n| echo | 3 |\n";
        assert_eq!(complaints(by_heading), [("figures", 3)]);
        let marked = format!("<!-- printed by: vaxel bench actors -->\n\n{by_head}");
        assert_eq!(complaints(&marked), []);
        assert_eq!(
            complaints(&format!("<!-- printed by: -->\n{by_head}")),
            [("figures", 2)]
        );
        assert_eq!(
            complaints("## Limits\n\n| limit | default |\n|---|---|\n| idle | 60 s |\n"),
            []
        );
    }
}
