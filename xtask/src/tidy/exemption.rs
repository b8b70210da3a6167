//! Exemptions: a comment in place that sets one rule aside and says why.
//!
//! `// tidy: allow(function-length): a state machine, read from top to bottom` stands on
//! a line of its own in the function it is about, or above it; for rules about one line it stands
//! on the line above. An exemption without a reason is a finding, and so is one that nothing
//! needs any more.

use super::Finding;
use super::tree::File;

/// Rules about shape; the others hold without exception.
const EXEMPTIBLE: &[&str] = &[
    "file-length",
    "function-length",
    "line-width",
    "sleep-in-test",
];

/// A reason shorter than this says nothing.
const REASON_CHARS_MIN: usize = 12;

struct Exemption<'a> {
    line: usize,
    rule: &'a str,
    reason: &'a str,
}

/// Takes away what is exempted and adds what is wrong with the exemptions.
pub(crate) fn apply(file: &File, findings: Vec<Finding>) -> Vec<Finding> {
    if file.extension() != "rs" {
        return findings;
    }
    let exemptions: Vec<_> = parse(&file.text).collect();
    let covers = |exemption: &Exemption<'_>, finding: &Finding| {
        exemption.rule == finding.rule
            && EXEMPTIBLE.contains(&exemption.rule)
            && finding.exempt_within.contains(&exemption.line)
    };
    let mut kept: Vec<Finding> = Vec::new();
    for exemption in &exemptions {
        let complaint = if !EXEMPTIBLE.contains(&exemption.rule) {
            format!("`{}` is not a rule that can be set aside", exemption.rule)
        } else if exemption.reason.chars().count() < REASON_CHARS_MIN {
            "an exemption says why, after a colon".to_owned()
        } else if !findings.iter().any(|finding| covers(exemption, finding)) {
            "nothing here needs this exemption any more".to_owned()
        } else {
            continue;
        };
        kept.push(Finding::new(file, exemption.line, "exemption", complaint));
    }
    let open = findings.into_iter().filter(|finding| {
        !exemptions
            .iter()
            .any(|exemption| covers(exemption, finding))
    });
    kept.extend(open);
    kept
}

fn parse(text: &str) -> impl Iterator<Item = Exemption<'_>> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let rest = line.trim_start().strip_prefix("// tidy: allow(")?;
        let (rule, reason) = rest.split_once(')')?;
        let reason = reason.strip_prefix(':').unwrap_or("").trim();
        Some(Exemption {
            line: index + 1,
            rule,
            reason,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File {
            path: "a.rs".into(),
            text: text.into(),
        }
    }

    fn finding(file: &File, rule: &'static str) -> Finding {
        Finding::new(file, 2, rule, "broken")
    }

    #[test]
    fn a_reasoned_exemption_takes_its_finding_away() {
        let file = file("// tidy: allow(line-width): a table is easier to read whole\nlong\n");
        assert_eq!(apply(&file, vec![finding(&file, "line-width")]), []);
    }

    #[test]
    fn only_rust_is_exempted_by_comments() {
        let text = "// tidy: allow(line-width): a table is easier to read whole\n".into();
        let file = File {
            path: "a.md".into(),
            text,
        };
        assert_eq!(apply(&file, vec![finding(&file, "line-width")]).len(), 1);
        assert_eq!(apply(&file, vec![]), []);
    }

    #[test]
    fn an_exemption_of_another_rule_or_place_takes_nothing_away() {
        let other = file("// tidy: allow(file-length): a table is easier to read whole\nlong\n");
        assert_eq!(apply(&other, vec![finding(&other, "line-width")]).len(), 2);
        let far = file("\n\n\n// tidy: allow(line-width): a table is easier to read whole\n");
        assert_eq!(apply(&far, vec![finding(&far, "line-width")]).len(), 2);
    }

    #[test]
    fn exemptions_without_reason_without_use_and_of_hard_rules_are_findings() {
        let bare = file("// tidy: allow(line-width)\nlong\n");
        let findings = apply(&bare, vec![finding(&bare, "line-width")]);
        assert_eq!(findings[0].text, "an exemption says why, after a colon");
        let unused = file("// tidy: allow(line-width): a table is easier to read whole\nshort\n");
        assert!(
            apply(&unused, vec![])[0]
                .text
                .starts_with("nothing here needs")
        );
        let hard = file("// tidy: allow(unsafe-place): because I want it here\nunsafe\n");
        assert_eq!(apply(&hard, vec![finding(&hard, "unsafe-place")]).len(), 2);
    }
}
