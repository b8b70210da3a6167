//! What `vaxel` costs those who want actors only: it compiles without the server, and from few
//! crates.

use anyhow::Result;

use super::process::Show;
use super::{Outcome, Session};

/// Crates that a build without default features may compile, Vaxel's own included.
const CRATES_MAX: usize = 60;

pub(super) fn run(session: &mut Session) -> Result<Outcome> {
    const LEAN: [&str; 4] = ["--locked", "-p", "vaxel", "--no-default-features"];
    let check = session.command("cargo", ["check"].into_iter().chain(LEAN));
    let outcome = session.check(check)?;
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    let tree = ["tree", "--edges", "normal,build", "--prefix", "none"];
    let tree = session.command("cargo", tree.into_iter().chain(LEAN));
    let output = session.run(tree, Show::Errors)?.output;
    let crates = distinct(&output);
    println!("{crates} crates, {CRATES_MAX} at most");
    Ok(match crates {
        0 => Outcome::Failed("cargo tree lists no crate".to_owned()),
        crates if crates > CRATES_MAX => Outcome::Failed(format!("{crates} crates")),
        _ => Outcome::Passed,
    })
}

/// Crates in the output of `cargo tree`, each once however often it stands there.
fn distinct(tree: &str) -> usize {
    let name_and_version = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let crates = tree.lines().filter_map(name_and_version);
    crates.collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_stands_twice_counts_once() {
        let tree = "vaxel v0.1.0 (/somewhere)\nlibc v0.2.1\nlibc v0.2.1 (*)\nlibc v0.3.0\n";
        assert_eq!(distinct(tree), 3);
    }
}
