//! Rules about Rust source.
//!
//! The rules read tokens, not text, so a word in a comment or a literal is never mistaken for
//! code, and code inside a macro call is seen. Comments are no tokens; where a rule is about a
//! comment, the token says which line to look at.

mod crate_root;
mod functions;
mod unsafe_code;
mod words;

use proc_macro2::TokenStream;

use super::Finding;
use super::tree::File;

/// The crates that may hold `unsafe`: the memory of cells, the system calls of shards, and for
/// tests alone a file system under SQLite, whose interface is one of C.
const UNSAFE_CRATES: &[&str] = &["crates/net/", "crates/runtime/", "tests/recovery/disk/"];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let tokens: TokenStream = match file.text.parse() {
        Ok(tokens) => tokens,
        Err(error) => {
            let text = format!("does not parse: {error}");
            return vec![Finding::new(file, error.span().start().line, "parse", text)];
        }
    };
    let mut findings = crate_root::check(file);
    findings.extend(unsafe_code::check(file, tokens.clone()));
    findings.extend(words::check(file, tokens.clone()));
    findings.extend(functions::check(file, tokens));
    findings
}

/// True for the crates in which `unsafe` is allowed.
fn may_be_unsafe(file: &File) -> bool {
    UNSAFE_CRATES
        .iter()
        .any(|folder| file.path.starts_with(folder))
}

#[cfg(test)]
fn findings(path: &str, text: &str) -> Vec<(&'static str, usize)> {
    let file = File {
        path: path.into(),
        text: text.into(),
    };
    check(&file)
        .iter()
        .map(|finding| (finding.rule, finding.line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::findings;

    #[test]
    fn a_file_that_is_no_rust_is_found() {
        assert_eq!(findings("crates/a/src/b.rs", "fn f( {\n"), [("parse", 1)]);
    }
}
