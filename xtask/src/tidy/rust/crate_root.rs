//! The first lines of a crate: what it is, and that it forbids `unsafe`.

use super::super::Finding;
use super::super::tree::File;
use super::may_be_unsafe;

const FORBID: &str = "#![forbid(unsafe_code)]";

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !is_root(file) {
        return findings;
    }
    if !file.text.starts_with("//! ") {
        let text = "a crate begins with `//!` and says what it is";
        findings.push(Finding::new(file, 1, "crate-docs", text));
    }
    if !may_be_unsafe(file) && !file.text.lines().any(|line| line.trim() == FORBID) {
        let text = format!("only the runtime and net crates go without `{FORBID}`");
        findings.push(Finding::new(file, 1, "forbid-unsafe", text));
    }
    findings
}

fn is_root(file: &File) -> bool {
    file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs")
}

#[cfg(test)]
mod tests {
    use super::super::findings;

    #[test]
    fn a_crate_without_docs_is_found() {
        let text = "#![forbid(unsafe_code)]\n//! Late.\n";
        assert_eq!(findings("crates/a/src/lib.rs", text), [("crate-docs", 1)]);
        assert_eq!(
            findings("crates/runtime/src/lib.rs", "mod a;\n"),
            [("crate-docs", 1)]
        );
        assert_eq!(findings("crates/a/src/b.rs", "fn f() {}\n"), []);
    }

    #[test]
    fn a_crate_that_does_not_forbid_unsafe_is_found_outside_of_runtime_and_net() {
        let text = "//! A crate.\n\nmod b;\n";
        assert_eq!(
            findings("crates/a/src/lib.rs", text),
            [("forbid-unsafe", 1)]
        );
        assert_eq!(
            findings("examples/a/src/main.rs", text),
            [("forbid-unsafe", 1)]
        );
        assert_eq!(findings("crates/net/src/lib.rs", text), []);
        let forbids = "//! A crate.\n\n#![forbid(unsafe_code)]\n";
        assert_eq!(findings("crates/a/src/lib.rs", forbids), []);
    }
}
