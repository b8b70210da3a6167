//! Words that do not belong where they stand: unfinished macros, ignored tests, sleeping tests,
//! and the clock of the machine in a runtime whose time can be driven.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::super::Finding;
use super::super::tree::File;

/// Macros that stand for work not done. Clippy denies them too, but only in what it compiles.
const UNFINISHED: &[&str] = &["dbg", "todo", "unimplemented"];

/// Types whose `now` asks the machine for the time.
const CLOCKS: &[&str] = &["Instant", "SystemTime"];

/// Where the runtime may ask: whoever replaces this module drives the time of a system.
const CLOCK_MODULE: &str = "crates/runtime/src/clock.rs";

pub(super) fn check(file: &File, tokens: TokenStream) -> Vec<Finding> {
    let mut findings = Vec::new();
    visit(file, tokens, file.is_test(), &mut findings);
    findings
}

fn visit(file: &File, tokens: TokenStream, in_test: bool, findings: &mut Vec<Finding>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut next_is_test = false;
    for (index, token) in tokens.iter().enumerate() {
        let previous = index.checked_sub(1).map(|before| &tokens[before]);
        match token {
            TokenTree::Group(group) => {
                if is_punct(previous, '#') && group.delimiter() == Delimiter::Bracket {
                    next_is_test |= marks_test(group);
                    findings.extend(ignored(file, group));
                }
                visit(file, group.stream(), in_test || next_is_test, findings);
                next_is_test &= group.delimiter() != Delimiter::Brace;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => next_is_test = false,
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                let next = tokens.get(index + 1);
                let word = word.to_string();
                if word == "now" && asks_the_machine(file, &tokens[..index]) {
                    let text = format!("the runtime asks for the time in {CLOCK_MODULE} only");
                    findings.push(Finding::new(file, line, "clock", text));
                }
                if UNFINISHED.contains(&word.as_str()) && is_punct(next, '!') {
                    let text = format!("`{word}!` is not left in the code");
                    findings.push(Finding::new(file, line, "unfinished", text));
                }
                if word == "sleep" && in_test && is_call(next) && !is_word(previous, "fn") {
                    let text = "a test waits on events, or drives the time itself";
                    findings.push(Finding::new(file, line, "sleep-in-test", text));
                }
            }
            _ => {}
        }
    }
}

/// True when the path before `now` ends in a clock's type, in the sources of the runtime.
fn asks_the_machine(file: &File, before: &[TokenTree]) -> bool {
    let [.., clock, TokenTree::Punct(first), TokenTree::Punct(second)] = before else {
        return false;
    };
    let is_path = first.as_char() == ':' && second.as_char() == ':';
    let in_runtime = file.path.starts_with("crates/runtime/src/") && file.path != CLOCK_MODULE;
    in_runtime && is_path && CLOCKS.iter().any(|name| is_word(Some(clock), name))
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`, but not `not(test)`.
fn marks_test(attribute: &Group) -> bool {
    let words = words_of(attribute.stream());
    words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
}

fn words_of(tokens: TokenStream) -> Vec<String> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(word) => vec![word.to_string()],
            TokenTree::Group(group) => words_of(group.stream()),
            _ => Vec::new(),
        })
        .collect()
}

fn ignored(file: &File, attribute: &Group) -> Option<Finding> {
    let mut tokens = attribute.stream().into_iter();
    let first = tokens.next();
    if !is_word(first.as_ref(), "ignore") || is_punct(tokens.next().as_ref(), '=') {
        return None;
    }
    let line = attribute.span_open().start().line;
    let text = "an ignored test says why: `#[ignore = \"…\"]`";
    Some(Finding::new(file, line, "ignore-reason", text))
}

fn is_punct(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(found)) if found == word)
}

fn is_call(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

#[cfg(test)]
mod tests {
    use super::super::findings;

    const PLACE: &str = "crates/a/src/b.rs";

    #[test]
    fn unfinished_macros_are_found_also_inside_of_macros() {
        for name in ["dbg", "todo", "unimplemented"] {
            let text = format!("fn f() {{\n    vec![{name}!()];\n}}\n");
            assert_eq!(findings(PLACE, &text), [("unfinished", 2)], "{name}");
        }
        assert_eq!(
            findings(PLACE, "// todo!()\nfn todo() { let s = \"dbg!(1)\"; }\n"),
            []
        );
    }

    #[test]
    fn an_ignored_test_without_a_reason_is_found() {
        let text = "#[test]\n#[ignore]\nfn f() {}\n";
        assert_eq!(findings(PLACE, text), [("ignore-reason", 2)]);
        let text = "#[test]\n#[ignore = \"needs a million descriptors\"]\nfn f() {}\n";
        assert_eq!(findings(PLACE, text), []);
    }

    #[test]
    fn a_sleeping_test_is_found_wherever_tests_live() {
        let sleeps = "fn f() {\n    std::thread::sleep(a);\n}\n";
        assert_eq!(
            findings("crates/a/tests/b.rs", sleeps),
            [("sleep-in-test", 2)]
        );
        assert_eq!(
            findings("crates/a/src/b/tests.rs", sleeps),
            [("sleep-in-test", 2)]
        );
        let module = format!("#[cfg(test)]\nmod tests {{\n{sleeps}}}\n");
        assert_eq!(findings(PLACE, &module), [("sleep-in-test", 4)]);
        let function = format!("#[tokio::test]\n{sleeps}");
        assert_eq!(findings(PLACE, &function), [("sleep-in-test", 3)]);
    }

    #[test]
    fn the_runtime_asks_for_the_time_in_one_place() {
        let text = "fn f() -> Instant {\n    std::time::Instant::now()\n}\n";
        assert_eq!(
            findings("crates/runtime/src/timer.rs", text),
            [("clock", 2)]
        );
        assert_eq!(findings("crates/runtime/src/clock.rs", text), []);
        assert_eq!(findings("crates/net/src/shard.rs", text), []);
        let own = "fn f(clock: &Clock) -> Time {\n    clock.now() + Clock::now(clock)\n}\n";
        assert_eq!(findings("crates/runtime/src/timer.rs", own), []);
    }

    #[test]
    fn code_that_is_no_test_may_sleep() {
        let sleeps = "fn f() {\n    time::sleep(a);\n}\n";
        assert_eq!(findings(PLACE, sleeps), []);
        assert_eq!(
            findings(PLACE, &format!("#[cfg(test)]\nuse a::b;\n{sleeps}")),
            []
        );
        assert_eq!(findings(PLACE, &format!("#[cfg(not(test))]\n{sleeps}")), []);
        assert_eq!(findings("crates/a/tests/b.rs", "fn sleep(a: u8) {}\n"), []);
    }
}
