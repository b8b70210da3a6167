//! Counting tests in what the test runners print.

use super::Outcome;

/// Tests by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Count {
    /// Reads one line of output: cargo's `test result: …`, or node's `pass 3`.
    pub(super) fn line(&mut self, line: &str) {
        let line = without_colour(line);
        if let Some(result) = line.trim().strip_prefix("test result: ") {
            let (_, numbers) = result.split_once(". ").unwrap_or(("", ""));
            for part in numbers.split("; ") {
                self.add(part.split_once(' ').map(|(number, word)| (word, number)));
            }
        } else if let Some(summary) = line.strip_prefix("ℹ ").or(line.strip_prefix("# ")) {
            self.add(summary.trim().split_once(' '));
        }
    }

    fn add(&mut self, word_and_number: Option<(&str, &str)>) {
        let Some((word, number)) = word_and_number else {
            return;
        };
        let Ok(number) = number.trim().parse::<u64>() else {
            return;
        };
        match word {
            "passed" | "pass" => self.passed += number,
            "failed" | "fail" | "cancelled" => self.failed += number,
            "ignored" | "skipped" | "todo" => self.skipped += number,
            _ => {}
        }
    }

    /// What a check adds to the total: its tests, or one when it is no suite.
    pub(super) fn of_check(self, outcome: &Outcome) -> Self {
        let mut count = self;
        match outcome {
            Outcome::Passed if self.passed == 0 => count.passed = 1,
            Outcome::Failed(_) if self.failed == 0 => count.failed = 1,
            Outcome::NotRun(_) => count.skipped += 1,
            Outcome::Passed | Outcome::Failed(_) => {}
        }
        count
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// The line without the escape sequences that colour it.
fn without_colour(line: &str) -> String {
    let mut plain = String::new();
    let mut in_escape = false;
    for c in line.chars() {
        match c {
            '\u{1b}' => in_escape = true,
            'm' if in_escape => in_escape = false,
            c if !in_escape => plain.push(c),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> Count {
        let mut count = Count::default();
        lines.iter().for_each(|line| count.line(line));
        count
    }

    #[test]
    fn suites_of_cargo_are_added_up() {
        let count = counted(&[
            "running 3 tests",
            "test a::b ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 0.00s",
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 2 passed; 4 failed; 0 ignored; 0 measured",
        ]);
        assert_eq!(
            count,
            Count {
                passed: 5,
                failed: 4,
                skipped: 1
            }
        );
    }

    #[test]
    fn suites_of_node_are_added_up_in_both_of_its_formats() {
        let spec = [
            "ℹ tests 7",
            "ℹ pass 5",
            "ℹ fail 1",
            "ℹ cancelled 0",
            "ℹ skipped 1",
        ];
        let tap = [
            "# tests 7",
            "# pass 5",
            "# fail 1",
            "# skipped 1",
            "# duration_ms 12",
        ];
        let expected = Count {
            passed: 5,
            failed: 1,
            skipped: 1,
        };
        assert_eq!((counted(&spec), counted(&tap)), (expected, expected));
    }

    #[test]
    fn a_check_that_is_no_suite_counts_as_one_and_one_not_run_as_skipped() {
        let none = Count::default();
        assert_eq!(none.of_check(&Outcome::Passed), Count { passed: 1, ..none });
        assert_eq!(
            none.of_check(&Outcome::Failed(String::new())),
            Count { failed: 1, ..none }
        );
        assert_eq!(
            none.of_check(&Outcome::NotRun(String::new())),
            Count { skipped: 1, ..none }
        );
        let suite = Count { passed: 3, ..none };
        assert_eq!(suite.of_check(&Outcome::Passed), suite);
        let broken = suite.of_check(&Outcome::Failed("did not compile".into()));
        assert_eq!(
            broken,
            Count {
                passed: 3,
                failed: 1,
                ..none
            }
        );
    }
}
