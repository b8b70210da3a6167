//! Mutations: a fault for every rule, planted in a copy of the sources.
//!
//! A file of `mutations` holds entries of this form; blanks and line ends do not matter in what is
//! looked for, and it must be there exactly once:
//!
//! ```text
//! mutation RULE...
//! file crates/runtime/src/names.rs
//! find
//! the text as it is
//! put
//! the text with the fault, which is there only while FAULT(RULE) is true
//! ```
//!
//! All faults are planted at once, and an environment variable says which of them is active: one
//! build serves all. The product itself carries nothing of this.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutation {
    pub(crate) rules: Vec<String>,
    file: String,
    find: String,
    put: String,
}

/// The environment variable that names the active fault.
pub(crate) const ACTIVE: &str = "VAXEL_FAULT";

/// What `FAULT(` stands for, up to the name of the rule; the module is added to the runtime's copy.
const TEST: &str = "vaxel_runtime::planted_faults::is_active(\"";

const MODULE: &str = r#"
extern crate self as vaxel_runtime;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod planted_faults {
    static ACTIVE: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("VAXEL_FAULT").ok());
    pub fn is_active(rule: &str) -> bool {
        ACTIVE.as_deref() == Some(rule)
    }
}
"#;

/// Reads the entries of one file.
pub(crate) fn parse(text: &str) -> Result<Vec<Mutation>, String> {
    let mut mutations: Vec<Mutation> = Vec::new();
    let mut into = 0;
    for line in text.lines() {
        if let Some(rules) = line.strip_prefix("mutation ") {
            mutations.push(Mutation {
                rules: rules.split_whitespace().map(str::to_owned).collect(),
                file: String::new(),
                find: String::new(),
                put: String::new(),
            });
            into = 0;
            continue;
        }
        let Some(mutation) = mutations.last_mut() else {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            return Err(format!("`{line}` stands before the first mutation"));
        };
        match line {
            "find" => into = 1,
            "put" => into = 2,
            _ if into == 1 => _ = writeln!(mutation.find, "{line}"),
            _ if into == 2 => _ = writeln!(mutation.put, "{line}"),
            _ => {
                if let Some(file) = line.strip_prefix("file ") {
                    mutation.file = file.trim().to_owned();
                }
            }
        }
    }
    match mutations
        .iter()
        .find(|one| one.file.is_empty() || without_blanks(&one.find).0.is_empty())
    {
        Some(broken) => Err(format!(
            "the mutation of {} lacks a file or a text",
            broken.rules.join(" ")
        )),
        None => Ok(mutations),
    }
}

/// Copies the sources of the workspace and plants every fault.
pub(crate) fn plant(root: &Path, copy: &Path, mutations: &[Mutation]) -> io::Result<()> {
    if copy.exists() {
        std::fs::remove_dir_all(copy)?;
    }
    copy_tree(root, copy)?;
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let lib = copy.join("crates/runtime/src/lib.rs");
    files.insert(lib.clone(), std::fs::read_to_string(&lib)? + MODULE);
    for mutation in mutations {
        let path = copy.join(&mutation.file);
        let text = match files.remove(&path) {
            Some(text) => text,
            None => std::fs::read_to_string(&path)
                .map_err(|error| io::Error::other(format!("{}: {error}", mutation.file)))?,
        };
        let text = mutation.apply(&text).map_err(io::Error::other)?;
        files.insert(path, text);
    }
    files
        .iter()
        .try_for_each(|(path, text)| std::fs::write(path, text))
}

impl Mutation {
    fn apply(&self, text: &str) -> Result<String, String> {
        let (needle, _) = without_blanks(&self.find);
        let (stack, places) = without_blanks(text);
        let found: Vec<usize> = stack.match_indices(&needle).map(|(at, _)| at).collect();
        let [at] = found[..] else {
            return Err(format!(
                "the mutation of {} does not fit: its text is {} times in {}",
                self.rules.join(" "),
                found.len(),
                self.file
            ));
        };
        let (begin, last) = (places[at], places[at + needle.len() - 1]);
        let end = last + text[last..].chars().next().map_or(0, char::len_utf8);
        let put = self.planted();
        Ok(format!("{}{put}{}", &text[..begin], &text[end..]))
    }
}

impl Mutation {
    /// Why it cannot be planted in the sources below `root`, if it cannot.
    #[cfg(test)]
    pub(crate) fn misfit(&self, root: &Path) -> Option<String> {
        match std::fs::read_to_string(root.join(&self.file)) {
            Ok(text) => self.apply(&text).err(),
            Err(error) => Some(format!("{}: {error}", self.file)),
        }
    }

    /// What is put, each `FAULT(RULE)` as a test.
    fn planted(&self) -> String {
        let mut parts = self.put.split("FAULT(");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (rule, rest) = part.split_once(')').unwrap_or((part, ""));
            text = text + TEST + rule + "\")" + rest;
        }
        text
    }
}

/// The text without blanks, and where each byte of it came from.
fn without_blanks(text: &str) -> (String, Vec<usize>) {
    let mut kept = String::new();
    let mut places = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        kept.push(c);
        places.resize(kept.len(), at);
    }
    (kept, places)
}

/// What tools make is left behind.
const SKIPPED: &[&str] = &["target", "node_modules"];

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if SKIPPED.contains(&&*text) || text.starts_with('.') {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => copy_tree(&entry.path(), &to.join(name))?,
            false => _ = std::fs::copy(entry.path(), to.join(name))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "# a comment\n\nmutation a-rule\nfile a.rs\nfind\nif one\n    && two {\n\
                         put\nif !FAULT(a-rule) && one {\n";

    #[test]
    fn a_fault_is_planted_whatever_the_line_breaks() {
        let mutation = &parse(ENTRY).unwrap()[0];
        assert_eq!(mutation.rules, ["a-rule"]);
        let text = mutation
            .apply("fn f() { if one && two { three } }")
            .unwrap();
        assert!(
            text.starts_with("fn f() { if !vaxel_runtime::planted"),
            "{text}"
        );
        assert!(text.contains("(\"a-rule\") && one {\n three } }"), "{text}");
    }

    #[test]
    fn a_text_that_is_not_there_once_is_an_error() {
        let mutation = &parse(ENTRY).unwrap()[0];
        assert!(mutation.apply("fn f() {}").unwrap_err().contains("0 times"));
        let twice = "if one && two { } if one && two { }";
        assert!(mutation.apply(twice).unwrap_err().contains("2 times"));
    }
}
