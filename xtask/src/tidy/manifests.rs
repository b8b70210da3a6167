//! Rules about manifests: what every member takes from the workspace.

use toml::{Table, Value};

use super::Finding;
use super::tree::{File, Tree};

/// The tables of a manifest that name dependencies.
pub(crate) const DEPENDENCY_TABLES: &[&str] =
    &["dependencies", "dev-dependencies", "build-dependencies"];

/// The manifests of the members, which are all but the workspace's own and those of folders that
/// are workspaces of their own.
pub(crate) fn members(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files
        .iter()
        .filter(|file| file.name() == "Cargo.toml" && !file.folder().is_empty())
        .filter(|file| !file.text.lines().any(|line| line == "[workspace]"))
}

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    members(tree).flat_map(check_member).collect()
}

fn check_member(file: &File) -> Vec<Finding> {
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(file, 1, "manifest", error.to_string())],
    };
    let mut findings = Vec::new();
    if inherited(manifest.get("lints")) != Some(true) {
        let text = "lints come from the workspace: `[lints] workspace = true`";
        findings.push(Finding::new(file, 1, "lints", text));
    }
    for (name, dependency) in dependencies(&manifest) {
        if inherited(Some(dependency)) != Some(true) {
            let text = format!(
                "`{name}` is declared in [workspace.dependencies] and taken by \
                 `{name}.workspace = true`"
            );
            let line = line_of(&file.text, name);
            findings.push(Finding::new(file, line, "workspace-dependency", text));
        }
    }
    findings
}

/// Every dependency of every kind, those for one platform included.
pub(crate) fn dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let tables = platforms
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(tables)
        .flat_map(|table| DEPENDENCY_TABLES.iter().filter_map(|kind| table.get(*kind)))
        .filter_map(Value::as_table)
        .flat_map(|table| table.iter().map(|(name, value)| (name.as_str(), value)))
        .collect()
}

fn inherited(value: Option<&Value>) -> Option<bool> {
    value?.as_table()?.get("workspace")?.as_bool()
}

/// The first line that begins with the name, or the first of the file.
pub(crate) fn line_of(text: &str, name: &str) -> usize {
    let found = text
        .lines()
        .position(|line| line.trim_start().starts_with(name));
    found.map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(&'static str, usize)> {
        let tree = Tree::of(&[("Cargo.toml", "not read"), ("crates/a/Cargo.toml", text)]);
        check(&tree)
            .iter()
            .map(|finding| (finding.rule, finding.line))
            .collect()
    }

    #[test]
    fn a_dependency_with_a_version_of_its_own_is_found_in_every_table() {
        let lints = "[lints]\nworkspace = true\n";
        let good = format!("{lints}[dependencies]\nhttp = {{ workspace = true }}\n");
        assert_eq!(rules(&good), []);
        for table in [
            "dependencies",
            "dev-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let bad = format!("{lints}[{table}]\nhttp = \"1\"\n");
            assert_eq!(rules(&bad), [("workspace-dependency", 4)], "in [{table}]");
        }
    }

    #[test]
    fn a_member_without_the_workspace_lints_is_found() {
        assert_eq!(rules("[dependencies]\n"), [("lints", 1)]);
        assert_eq!(rules("[lints]\nworkspace = false\n"), [("lints", 1)]);
    }

    #[test]
    fn a_manifest_that_does_not_parse_is_found() {
        assert_eq!(rules("[dependencies\n"), [("manifest", 1)]);
    }
}
