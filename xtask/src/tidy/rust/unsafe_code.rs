//! Where `unsafe` may stand, and the sentence it needs.
//!
//! Clippy asks for the comment too; this rule also reads code that clippy never compiles, such
//! as what stands behind `cfg(loom)`, and asks that the comment be a sentence.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::super::Finding;
use super::super::tree::File;
use super::may_be_unsafe;

/// Shorter than this, a comment that does not name a numbered invariant says nothing.
const SENTENCE_CHARS_MIN: usize = 15;

/// A statement that begins further above its `unsafe` should be taken apart.
const STATEMENT_LINES_MAX: usize = 6;

pub(super) fn check(file: &File, tokens: TokenStream) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    visit(file, &lines, tokens, &mut findings);
    findings
}

fn visit(file: &File, lines: &[&str], tokens: TokenStream, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            visit(file, lines, group.stream(), findings);
        }
        if !is_unsafe(token) {
            continue;
        }
        let line = token.span().start().line;
        if !may_be_unsafe(file) {
            let text = "`unsafe` lives in the runtime and net crates only";
            findings.push(Finding::new(file, line, "unsafe-place", text));
        } else if needs_sentence(tokens.get(index + 1)) && !has_sentence(lines, line) {
            let text = "a `// SAFETY:` sentence above names the invariant this rests on";
            findings.push(Finding::new(file, line, "safety-comment", text));
        }
    }
}

/// `unsafe`, but not the name of the lint inside an attribute, which is another word.
fn is_unsafe(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(word) if word == "unsafe")
}

/// Blocks and impls prove something; functions and traits ask their users to.
fn needs_sentence(next: Option<&TokenTree>) -> bool {
    match next {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
        Some(TokenTree::Ident(word)) => word == "impl",
        _ => false,
    }
}

/// Looks upward from the line of `unsafe` to the comment above its statement.
fn has_sentence(lines: &[&str], line: usize) -> bool {
    let above = lines[..line - 1].iter().rev().map(|line| line.trim());
    let mut comment: Vec<&str> = Vec::new();
    for (distance, text) in above.enumerate() {
        if let Some(text) = text.strip_prefix("//") {
            comment.push(text.trim());
        } else if !comment.is_empty() || distance >= STATEMENT_LINES_MAX || ends_before(text) {
            break;
        }
    }
    comment.reverse();
    let comment = comment.join(" ");
    let sentence = comment
        .split_once("SAFETY:")
        .map(|(_, sentence)| sentence.trim());
    sentence.is_some_and(|sentence| {
        names_invariant(sentence) || sentence.chars().count() >= SENTENCE_CHARS_MIN
    })
}

/// Invariants that a module's doc numbers are named by a letter and their number: `S4`.
fn names_invariant(sentence: &str) -> bool {
    let first = sentence
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or("");
    let mut chars = first.chars();
    chars
        .next()
        .is_some_and(|letter| letter.is_ascii_uppercase())
        && !chars.as_str().is_empty()
        && chars.all(|digit| digit.is_ascii_digit())
}

/// True when a line above belongs to another statement.
fn ends_before(text: &str) -> bool {
    let is_attribute = text.starts_with("#[");
    !is_attribute && (text.is_empty() || text.ends_with([';', '{', '}']) || text.contains("unsafe"))
}

#[cfg(test)]
mod tests {
    use super::super::findings;

    const PLACE: &str = "crates/runtime/src/cell.rs";

    #[test]
    fn unsafe_outside_of_runtime_and_net_is_found_also_in_macros() {
        let text = "// SAFETY: the pointer comes from a live box.\nfn f() { unsafe { g() } }\n";
        assert_eq!(
            findings("crates/actor/src/a.rs", text),
            [("unsafe-place", 2)]
        );
        let text = "macro_rules! m { () => { unsafe { g() } } }\n";
        assert_eq!(
            findings("crates/actor/src/a.rs", text),
            [("unsafe-place", 1)]
        );
        assert_eq!(
            findings("crates/actor/src/a.rs", "unsafe fn f() {}\n"),
            [("unsafe-place", 1)]
        );
        let words = "// unsafe { }\nconst A: &str = \"unsafe { }\";\n";
        assert_eq!(findings("crates/actor/src/a.rs", words), []);
    }

    #[test]
    fn a_sentence_above_the_statement_is_heard() {
        let text = "fn f() {\n    // SAFETY: the worker owns the cell while SCHEDULED is set,\n    \
                    // see the module doc.\n    let a =\n        unsafe { g() };\n}\n";
        assert_eq!(findings(PLACE, text), []);
        let text =
            "// SAFETY: the state is only touched by its owner.\nunsafe impl Send for A {}\n";
        assert_eq!(findings(PLACE, text), []);
        assert_eq!(findings(PLACE, "unsafe fn f() {}\nunsafe trait T {}\n"), []);
        assert_eq!(
            findings(PLACE, "// SAFETY: S4.\nunsafe impl Send for A {}\n"),
            []
        );
    }

    #[test]
    fn unsafe_without_a_sentence_is_found() {
        assert_eq!(
            findings(PLACE, "fn f() {\n    unsafe { g() }\n}\n"),
            [("safety-comment", 2)]
        );
        assert_eq!(
            findings(PLACE, "unsafe impl Send for A {}\n"),
            [("safety-comment", 1)]
        );
        let short = "fn f() {\n    // SAFETY: fine\n    unsafe { g() }\n}\n";
        assert_eq!(findings(PLACE, short), [("safety-comment", 3)]);
        let shared = "fn f() {\n    // SAFETY: the pointer comes from a live box.\n    \
                      unsafe { g() };\n    unsafe { h() };\n}\n";
        assert_eq!(findings(PLACE, shared), [("safety-comment", 4)]);
    }
}
