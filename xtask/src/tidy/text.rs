//! Rules about any text: length, width, paths of a machine, hosts in lock files.

use super::Finding;
use super::tree::File;

/// A file nobody can hold in mind; half of it is a good length.
const FILE_LINES_MAX: usize = 1_000;

/// The width rustfmt is told, which leaves comments and string literals alone.
const LINE_CHARS_MAX: usize = 100;

/// Where absolute paths of somebody's machine begin.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
];

/// Source that people read and write; manifests and lock files have their own rules.
const SOURCE_EXTENSIONS: &[&str] = &["css", "html", "js", "mjs", "rs"];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if SOURCE_EXTENSIONS.contains(&file.extension()) && !file.is_generated() && !file.is_test() {
        findings.extend(file_length(file));
    }
    if file.extension() == "rs" && !file.is_generated() {
        findings.extend(line_width(file));
    }
    findings.extend(machine_paths(file));
    if file.name() == "package-lock.json" {
        findings.extend(lock_hosts(file));
    }
    findings
}

fn file_length(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines >= FILE_LINES_MAX).then(|| {
        let text = format!("{lines} lines; a file has fewer than {FILE_LINES_MAX}");
        Finding::new(file, lines, "file-length", text).exempt_within(1..=lines)
    })
}

/// A line that holds an address may be longer: an address cannot be broken.
fn line_width(file: &File) -> impl Iterator<Item = Finding> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let width = line.chars().count();
        let is_too_wide = width > LINE_CHARS_MAX && !line.contains("://");
        let text = format!("{width} characters; a line has at most {LINE_CHARS_MAX}");
        is_too_wide.then(|| Finding::new(file, index + 1, "line-width", text))
    })
}

fn machine_paths(file: &File) -> impl Iterator<Item = Finding> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let path = MACHINE_PATHS
            .iter()
            .find(|path| begins_a_path(line, path))?;
        let text = format!("an absolute path of one machine (`{path}…`)");
        Some(Finding::new(file, index + 1, "machine-path", text))
    })
}

/// True when `path` occurs in the line at the start of a path, not in the middle of one.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')'))
    })
}

/// A lock file pins names, versions and hashes; where they are fetched from is the reader's choice.
fn lock_hosts(file: &File) -> impl Iterator<Item = Finding> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let is_host = line.trim_start().starts_with("\"resolved\"") && line.contains("://");
        let text = "names a registry; set `omit-lockfile-registry-resolved=true` in .npmrc";
        is_host.then(|| Finding::new(file, index + 1, "lock-host", text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&file)
            .iter()
            .map(|finding| (finding.rule, finding.line))
            .collect()
    }

    #[test]
    fn a_file_of_a_thousand_lines_is_too_long_unless_it_is_a_test_or_generated() {
        let long = "x\n".repeat(1_000);
        assert_eq!(
            rules("crates/a/src/lib.rs", &long),
            [("file-length", 1_000)]
        );
        assert_eq!(rules("js/a.mjs", &long), [("file-length", 1_000)]);
        assert_eq!(rules("crates/a/src/lib.rs", &"x\n".repeat(999)), []);
        assert_eq!(rules("crates/a/tests/all.rs", &long), []);
        assert_eq!(rules("crates/a/src/generated/table.rs", &long), []);
    }

    #[test]
    fn a_line_over_a_hundred_characters_is_too_wide_unless_it_holds_an_address() {
        let wide = format!("fn a() {{}}\n// {}\n", "é".repeat(98));
        assert_eq!(rules("a.rs", &wide), [("line-width", 2)]);
        assert_eq!(rules("a.rs", &format!("// {}\n", "é".repeat(97))), []);
        assert_eq!(
            rules("a.rs", &format!("// https://{}\n", "a".repeat(120))),
            []
        );
    }

    #[test]
    fn paths_of_a_machine_are_found_and_parts_of_other_paths_are_not() {
        let path = format!("see {}ada/notes\n", MACHINE_PATHS[0]);
        assert_eq!(rules("a.md", &path), [("machine-path", 1)]);
        assert_eq!(
            rules("a.toml", &format!("\"{}x\"\n", MACHINE_PATHS[3])),
            [("machine-path", 1)]
        );
        assert_eq!(rules("a.md", &format!("docs{}x\n", MACHINE_PATHS[3])), []);
    }

    #[test]
    fn a_lock_file_that_names_a_registry_is_found() {
        let line = r#"  "resolved": "https://registry.example/phoenix.tgz","#;
        assert_eq!(rules("tests/a/package-lock.json", line), [("lock-host", 1)]);
        assert_eq!(
            rules("tests/a/package-lock.json", r#""version": "1.8.16""#),
            []
        );
    }
}
