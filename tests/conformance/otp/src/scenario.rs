//! Scenarios: files that both sides read.
//!
//! A line is words separated by blanks; an empty line and one that begins with `#` mean nothing.
//! `scenario NAME` begins a scenario, `rule`, `about` and `differs` describe it, and every other
//! line is a step.

use std::fmt;
use std::path::Path;

/// The words of one step.
pub(crate) type Words = Vec<String>;

/// One scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The rules it shows.
    pub(crate) rules: Vec<String>,
    /// What it shows, in a sentence.
    pub(crate) about: String,
    /// Why Vaxel's trace differs from OTP's, if that is meant.
    pub(crate) differs: Option<String>,
    pub(crate) steps: Vec<Words>,
}

/// A file of scenarios cannot be used.
#[derive(Debug)]
pub(crate) struct ScenarioError(String);

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioError {}

/// Reads files in the order given.
pub(crate) fn read(files: &[impl AsRef<Path>]) -> Result<Vec<Scenario>, ScenarioError> {
    let mut all = Vec::new();
    for file in files {
        let name = file.as_ref().display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| ScenarioError(format!("cannot read {name}: {error}")))?;
        let scenarios =
            parse(&text).map_err(|ScenarioError(what)| ScenarioError(format!("{name}: {what}")))?;
        all.extend(scenarios);
    }
    for (index, scenario) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.name == scenario.name) {
            let text = format!("two scenarios are called {}", scenario.name);
            return Err(ScenarioError(text));
        }
    }
    Ok(all)
}

/// Reads the text of one file.
pub(crate) fn parse(text: &str) -> Result<Vec<Scenario>, ScenarioError> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words: Words = line.split_whitespace().map(str::to_owned).collect();
        let Some(first) = words.first().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        if first == "scenario" {
            scenarios.push(Scenario {
                name: words.get(1).cloned().unwrap_or_default(),
                ..Scenario::default()
            });
            continue;
        }
        let Some(scenario) = scenarios.last_mut() else {
            let text = format!("line {}: a step before the first scenario", index + 1);
            return Err(ScenarioError(text));
        };
        match first.as_str() {
            "rule" => scenario.rules.extend(words.into_iter().skip(1)),
            "about" => scenario.about = words[1..].join(" "),
            "differs" => scenario.differs = Some(words[1..].join(" ")),
            _ => scenario.steps.push(words),
        }
    }
    for scenario in &scenarios {
        if scenario.name.is_empty() || scenario.rules.is_empty() || scenario.about.is_empty() {
            let text = format!("`{}` lacks a name, a rule or a sentence", scenario.name);
            return Err(ScenarioError(text));
        }
    }
    Ok(scenarios)
}

/// The value of `key=value` among the words; empty for a bare `key`.
pub(crate) fn attribute<'a>(key: &str, words: &'a [String]) -> Option<&'a str> {
    words.iter().find_map(|word| match word.split_once('=') {
        Some((found, value)) => (found == key).then_some(value),
        None => (word == key).then_some(""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\n\nscenario one\n  rule a b\n  about It shows.\n  proc x\n\n\
                        scenario two\n  rule b\n  about So does this.\n  differs because\n";

    #[test]
    fn a_file_is_scenarios_with_rules_and_steps() {
        let scenarios = parse(TEXT).unwrap();
        assert_eq!(scenarios.len(), 2);
        assert_eq!(scenarios[0].rules, ["a", "b"]);
        assert_eq!(scenarios[0].about, "It shows.");
        assert_eq!(scenarios[0].steps, [["proc", "x"]]);
        assert_eq!(scenarios[1].differs.as_deref(), Some("because"));
    }

    #[test]
    fn a_step_without_a_scenario_and_a_scenario_without_a_rule_are_refused() {
        assert!(parse("proc a\n").is_err());
        assert!(parse("scenario one\n  about It shows.\n").is_err());
    }

    #[test]
    fn attributes_have_values_or_are_there() {
        let words: Words = ["own", "init=stop:x"].map(str::to_owned).into();
        assert_eq!(attribute("own", &words), Some(""));
        assert_eq!(attribute("init", &words), Some("stop:x"));
        assert_eq!(attribute("stop", &words), None);
    }
}
