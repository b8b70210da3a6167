//! The allowed-edge table: which crate may depend on which.
//!
//! The crates are layers and an arrow may only point down, so the table is written from the
//! ground up and a crate can only name crates above it in the table. A new edge fails until it
//! is entered here, where a reviewer sees it; an entry that no manifest uses fails as well.

use toml::Table;

use super::Finding;
use super::manifests::{dependencies, line_of, members};
use super::tree::{File, Tree};

/// A crate and the crates of this workspace it may depend on.
pub(crate) type Allowed<'a> = (&'a str, &'a [&'a str]);

/// The layers, from the ground up.
pub(crate) const ALLOWED: &[Allowed<'_>] = &[
    ("vaxel-runtime", &[]),
    ("vaxel-websocket", &[]),
    ("vaxel-macros", &[]),
    ("vaxel-test-postgres", &[]),
    ("vaxel-store", &["vaxel-test-postgres"]),
    ("vaxel-testkit", &["vaxel-macros", "vaxel-runtime"]),
    (
        "vaxel-actor",
        &["vaxel-runtime", "vaxel-macros", "vaxel-testkit"],
    ),
    ("vaxel-persistence", &["vaxel-actor", "vaxel-store"]),
    ("vaxel-jobs", &["vaxel-actor", "vaxel-store"]),
    ("vaxel-cache", &["vaxel-actor"]),
    ("vaxel-pubsub", &["vaxel-runtime"]),
    ("vaxel-presence", &["vaxel-pubsub", "vaxel-runtime"]),
    ("vaxel-net", &["vaxel-runtime", "vaxel-websocket"]),
    (
        "vaxel-channels",
        &[
            "vaxel-actor",
            "vaxel-net",
            "vaxel-presence",
            "vaxel-pubsub",
            "vaxel-runtime",
            "vaxel-websocket",
        ],
    ),
    (
        "vaxel-server",
        &["vaxel-actor", "vaxel-channels", "vaxel-net"],
    ),
    (
        "vaxel",
        &[
            "vaxel-actor",
            "vaxel-cache",
            "vaxel-channels",
            "vaxel-jobs",
            "vaxel-macros",
            "vaxel-net",
            "vaxel-persistence",
            "vaxel-pubsub",
            "vaxel-server",
            "vaxel-store",
            "vaxel-testkit",
        ],
    ),
    ("vaxel-bench-rows", &[]),
    ("vaxel-peers", &["vaxel-bench-rows"]),
    ("orders", &["vaxel"]),
    (
        "vaxel-cli",
        &["orders", "vaxel", "vaxel-bench-rows", "vaxel-websocket"],
    ),
    ("bank", &["vaxel"]),
    ("chat", &["vaxel"]),
    ("dashboard", &["vaxel"]),
    ("ticker", &["vaxel"]),
    ("vaxel-conformance", &["vaxel"]),
    ("vaxel-autobahn", &["vaxel-net", "vaxel-websocket"]),
    ("vaxel-otp", &["vaxel-actor"]),
    ("vaxel-recovery-disk", &[]),
    (
        "vaxel-recovery",
        &[
            "vaxel-actor",
            "vaxel-jobs",
            "vaxel-persistence",
            "vaxel-recovery-disk",
            "vaxel-store",
        ],
    ),
    ("vaxel-browser", &[]),
    ("xtask", &["vaxel-test-postgres"]),
];

/// Dependencies between the members, those of tests included, against the table.
pub(crate) fn check(tree: &Tree, allowed: &[Allowed<'_>]) -> Vec<Finding> {
    let members: Vec<Member<'_>> = members(tree).filter_map(Member::read).collect();
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut findings = Vec::new();
    for member in &members {
        let Some(position) = allowed.iter().position(|(name, _)| *name == member.name) else {
            findings.push(member.finding(&member.name, "is missing in the allowed-edge table"));
            continue;
        };
        let (_, may) = allowed[position];
        let edges = member
            .edges
            .iter()
            .filter(|edge| names.contains(&edge.as_str()));
        for edge in edges.filter(|edge| !may.contains(&edge.as_str())) {
            findings.push(member.finding(edge, "is a new edge; arrows between crates are listed"));
        }
        for unused in may
            .iter()
            .filter(|name| !member.edges.iter().any(|edge| edge == *name))
        {
            findings.push(member.finding(unused, "is allowed as a dependency and unused"));
        }
        let below = &allowed[..position];
        for up in may
            .iter()
            .filter(|name| !below.iter().any(|(below, _)| below == *name))
        {
            findings.push(member.finding(up, "is not below this crate in the table"));
        }
    }
    findings
}

struct Member<'a> {
    file: &'a File,
    name: String,
    edges: Vec<String>,
}

impl<'a> Member<'a> {
    /// None when the manifest does not parse, which is another rule's finding.
    fn read(file: &'a File) -> Option<Self> {
        let manifest: Table = file.text.parse().ok()?;
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        let edges = dependencies(&manifest)
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        Some(Self { file, name, edges })
    }

    fn finding(&self, about: &str, complaint: &str) -> Finding {
        let line = line_of(&self.file.text, about);
        Finding::new(self.file, line, "edge", format!("`{about}` {complaint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Allowed<'_>] = &[("low", &[]), ("high", &["low"])];

    fn complaints(high: &str, low: &str, table: &[Allowed<'_>]) -> Vec<String> {
        let high = format!("[package]\nname = \"high\"\n{high}");
        let low = format!("[package]\nname = \"low\"\n{low}");
        let tree = Tree::of(&[("high/Cargo.toml", &high), ("low/Cargo.toml", &low)]);
        check(&tree, table)
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    const LOW: &str = "[dependencies]\nlow.workspace = true\n";
    const HIGH: &str = "[dev-dependencies]\nhigh.workspace = true\n";

    #[test]
    fn the_edges_of_the_table_pass_and_crates_of_others_are_not_edges() {
        let high = format!("{LOW}http.workspace = true\n");
        assert_eq!(complaints(&high, "", TABLE), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found_also_among_the_tests() {
        let found = complaints(LOW, HIGH, TABLE);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("low/Cargo.toml:4: edge: `high` is a new edge"),
            "{found:?}"
        );
    }

    #[test]
    fn an_allowance_that_nothing_uses_is_found() {
        let found = complaints("", "", TABLE);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("`low` is allowed as a dependency and unused"),
            "{found:?}"
        );
    }

    #[test]
    fn a_table_whose_arrow_points_up_is_found() {
        let found = complaints("", HIGH, &[("low", &["high"]), ("high", &[])]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("`high` is not below this crate"),
            "{found:?}"
        );
    }

    #[test]
    fn a_member_that_the_table_does_not_name_is_found() {
        let found = complaints(LOW, "", &[("low", &[])]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("`high` is missing in the allowed-edge table"),
            "{found:?}"
        );
    }
}
