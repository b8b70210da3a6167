//! Rules of the house that neither the compiler nor clippy knows.
//!
//! A rule is a function from files to findings and touches nothing else, so every rule has a
//! unit test that feeds it bad input: a rule that cannot fail is a defect. A few rules about
//! shape can be set aside in place, with a reason, see [`exemption`]; the others cannot.

mod edges;
mod exemption;
mod manifests;
mod markdown;
mod rust;
mod text;
mod tree;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::Result;

use tree::{File, Tree};

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    text: String,
    /// The lines in which an exemption is looked for.
    exempt_within: RangeInclusive<usize>,
}

impl Finding {
    fn new(file: &File, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        let exempt_within = line.saturating_sub(1)..=line;
        Self {
            path: file.path.clone(),
            line,
            rule,
            text: text.into(),
            exempt_within,
        }
    }

    /// Lets an exemption stand anywhere in `lines`, for findings about something long.
    fn exempt_within(mut self, lines: RangeInclusive<usize>) -> Self {
        self.exempt_within = lines;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.text
        )
    }
}

/// Prints every finding; true when there is none.
pub(crate) fn main(root: &Path) -> Result<bool> {
    let tree = Tree::read(root)?;
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!(
            "tidy: {} files, nothing to complain about",
            tree.files.len()
        ),
        n => println!("tidy: {n} findings"),
    }
    Ok(findings.is_empty())
}

/// Every rule over every file, in the order of the paths.
fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = edges::check(tree, edges::ALLOWED);
    findings.extend(manifests::check(tree));
    for file in &tree.files {
        let mut of_file = text::check(file);
        match file.extension() {
            "rs" => of_file.extend(rust::check(file)),
            "md" => of_file.extend(markdown::check(file, tree)),
            _ => {}
        }
        findings.extend(exemption::apply(file, of_file));
    }
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_can_be_read_and_every_kind_of_file_is_seen() {
        let tree = Tree::read(&crate::workspace_root()).unwrap();
        for path in [
            "Cargo.toml",
            "xtask/src/main.rs",
            "crates/runtime/src/lib.rs",
        ] {
            assert!(tree.file(path).is_some(), "{path} was not read");
        }
        assert!(
            tree.files
                .iter()
                .all(|file| !file.path.starts_with("target/"))
        );
    }

    #[test]
    fn findings_of_several_rules_come_in_the_order_of_the_files() {
        let tree = Tree::of(&[
            ("crates/runtime/src/b.rs", "fn f() { todo!() }\n"),
            ("crates/runtime/src/a.rs", "fn f() { dbg!(1); }\n"),
        ]);
        let findings = check(&tree);
        let places: Vec<_> = findings.iter().map(|f| (f.path.as_str(), f.rule)).collect();
        assert!(
            places.contains(&("crates/runtime/src/a.rs", "unfinished")),
            "{places:?}"
        );
        assert!(places.is_sorted_by_key(|place| place.0), "{places:?}");
    }
}
