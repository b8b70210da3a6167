//! The checks, in the order in which they run: quick ones first.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use super::process::Show;
use super::tools::{self, Missing};
use super::{Outcome, Session, Stage};
use super::{autobahn, facade};

/// Every check. Limits are for a cold start on two busy cores; nobody waits for them otherwise.
pub(super) const STAGES: &[Stage] = &[
    Stage {
        name: "fmt",
        what: "rustfmt changes nothing",
        limit_minutes: 2,
        run: fmt,
    },
    Stage {
        name: "tidy",
        what: "the rules of the house",
        limit_minutes: 2,
        run: tidy,
    },
    Stage {
        name: "clippy",
        what: "lints, warnings denied",
        limit_minutes: 20,
        run: clippy,
    },
    Stage {
        name: "doc",
        what: "rustdoc, warnings denied",
        limit_minutes: 15,
        run: doc,
    },
    Stage {
        name: "deny",
        what: "licences and bans",
        limit_minutes: 25,
        run: deny,
    },
    Stage {
        name: "facade",
        what: "the crate without its server",
        limit_minutes: 5,
        run: facade::run,
    },
    Stage {
        name: "test",
        what: "unit and behaviour tests",
        limit_minutes: 25,
        run: test,
    },
    Stage {
        name: "postgres",
        what: "the contract of stores on a real PostgreSQL server, stopped and started",
        limit_minutes: 15,
        run: postgres,
    },
    Stage {
        name: "doctest",
        what: "examples in the docs",
        limit_minutes: 15,
        run: doctest,
    },
    Stage {
        name: "loom",
        what: "models of the lock-free code",
        limit_minutes: 20,
        run: loom,
    },
    Stage {
        name: "shuttle",
        what: "workers under random schedules",
        limit_minutes: 15,
        run: shuttle,
    },
    Stage {
        name: "miri",
        what: "the runtime under Miri",
        limit_minutes: 25,
        run: miri,
    },
    Stage {
        name: "sanitizer",
        what: "the runtime under an address and leak sanitizer",
        limit_minutes: 15,
        run: sanitizer,
    },
    Stage {
        name: "release",
        what: "the release build",
        limit_minutes: 20,
        run: release,
    },
    Stage {
        name: "chaos",
        what: "actors killed at random under load, and everything counted",
        limit_minutes: 15,
        run: chaos,
    },
    Stage {
        name: "soak",
        what: "bad clients torment a server whose good clients must not notice",
        limit_minutes: 15,
        run: soak,
    },
    Stage {
        name: "js",
        what: "the JavaScript client",
        limit_minutes: 5,
        run: js,
    },
    Stage {
        name: "conformance",
        what: "npm phoenix and raw frames against the server",
        limit_minutes: 15,
        run: conformance,
    },
    Stage {
        name: "autobahn",
        what: "the Autobahn suite against the connection plane",
        limit_minutes: 15,
        run: autobahn::run,
    },
    Stage {
        name: "otp",
        what: "the same scenarios on Vaxel and on Erlang/OTP, with faults",
        limit_minutes: 15,
        run: otp,
    },
    Stage {
        name: "browser",
        what: "the demo and the example dashboard in Chromium",
        limit_minutes: 15,
        run: browser,
    },
    Stage {
        name: "example",
        what: "npm phoenix drives the examples",
        limit_minutes: 20,
        run: example,
    },
];

/// Unwraps what a check needs, or ends the check as one that cannot run here.
macro_rules! need {
    ($found:expr) => {
        match $found? {
            Ok(found) => found,
            Err(Missing(why)) => return Ok(Outcome::NotRun(why)),
        }
    };
}

fn fmt(session: &mut Session) -> Result<Outcome> {
    let command = session.command("cargo", ["fmt", "--all", "--check"]);
    session.check(command)
}

fn tidy(session: &mut Session) -> Result<Outcome> {
    Ok(match crate::tidy::main(&session.root)? {
        true => Outcome::Passed,
        false => Outcome::Failed("see the findings above".to_owned()),
    })
}

fn clippy(session: &mut Session) -> Result<Outcome> {
    let arguments = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    let command = session.command("cargo", arguments);
    session.check(command)
}

fn doc(session: &mut Session) -> Result<Outcome> {
    let arguments = ["doc", "--locked", "--workspace", "--no-deps", "--lib"];
    let mut command = session.command("cargo", arguments);
    command.env("RUSTDOCFLAGS", "-D warnings");
    session.check(command)
}

fn deny(session: &mut Session) -> Result<Outcome> {
    let program = need!(tools::cargo_deny(session));
    let mut command = session.command(program, ["--workspace", "--locked", "check"]);
    command.args(["bans", "licenses", "sources"]);
    session.check(command)
}

fn test(session: &mut Session) -> Result<Outcome> {
    let arguments = ["test", "--locked", "--workspace", "--no-fail-fast"];
    let mut command = session.command("cargo", arguments);
    command.args(["--lib", "--bins", "--tests"]);
    deeper(session, &mut command, "VAXEL_SEEDS", "2000");
    // Kills and power failures, and how many jobs are worked off through kills.
    deeper(session, &mut command, "VAXEL_ROUNDS", "100");
    deeper(session, &mut command, "VAXEL_SCALE", "1000000");
    session.check(command)
}

/// On servers of its own, as the user `postgres` when this runs as root. The lints and the
/// documentation of what only the feature compiles are looked at as well.
fn postgres(session: &mut Session) -> Result<Outcome> {
    need!(tools::postgres(session));
    let with_feature = ["--locked", "-p", "vaxel-store", "--features", "postgres"];
    let clippy = ["clippy", "--all-targets"].into_iter().chain(with_feature);
    let command = session.command("cargo", clippy.chain(["--", "-D", "warnings"]));
    let outcome = session.check(command)?;
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    let doc = ["doc", "--no-deps", "--lib"]
        .into_iter()
        .chain(with_feature);
    let mut command = session.command("cargo", doc);
    command.env("RUSTDOCFLAGS", "-D warnings");
    let outcome = session.check(command)?;
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    let test = ["test", "--no-fail-fast"].into_iter().chain(with_feature);
    let mut command = session.command("cargo", test);
    command.args(["--test", "contract", "--test", "postgres_server"]);
    command.args(["--test", "postgres_outages"]);
    deeper(session, &mut command, "VAXEL_POSTGRES_OUTAGES", "100");
    let outcome = session.check(command)?;
    Ok(no_tests_is_a_failure(session, outcome, "no test ran"))
}

fn doctest(session: &mut Session) -> Result<Outcome> {
    let arguments = ["test", "--locked", "--workspace", "--no-fail-fast", "--doc"];
    let command = session.command("cargo", arguments);
    session.check(command)
}

/// The runtime's models of its lock-free code, all orders of few steps.
fn loom(session: &mut Session) -> Result<Outcome> {
    let targets = ["-p", "vaxel-runtime", "--lib"];
    let bound = ("VAXEL_PREEMPTIONS", "4");
    explore(session, "loom", &targets, "models", bound)
}

/// As [`loom`], for whole workers and for supervisors on them, whose schedules are too many to go
/// through all.
fn shuttle(session: &mut Session) -> Result<Outcome> {
    let crates = ["-p", "vaxel-runtime", "-p", "vaxel-actor"];
    let targets = [&crates[..], &["--lib", "--test", "schedules"]].concat();
    let bound = ("VAXEL_SCHEDULES", "20000");
    explore(session, "shuttle", &targets, "schedules", bound)
}

/// Runs tests of that name under `--cfg EXPLORER`, in a target folder of its own: the
/// word changes every crate that knows it.
fn explore(
    session: &mut Session,
    explorer: &str,
    targets: &[&str],
    tests: &str,
    (bound, deep): (&str, &str),
) -> Result<Outcome> {
    let mut command = session.command("cargo", ["test", "--locked", "--release"]);
    command.args(targets).arg(tests);
    own_target(session, &mut command, explorer);
    command
        .env("RUSTFLAGS", format!("--cfg {explorer}"))
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    deeper(session, &mut command, bound, deep);
    let outcome = session.check(command)?;
    let none = format!("none of the {tests} ran");
    Ok(no_tests_is_a_failure(session, outcome, &none))
}

fn miri(session: &mut Session) -> Result<Outcome> {
    need!(tools::miri(session));
    let arguments = [
        "+nightly",
        "miri",
        "test",
        "--locked",
        "-p",
        "vaxel-runtime",
        "--lib",
    ];
    let mut command = session.command("cargo", arguments);
    if session.is_deep {
        command.arg("--tests");
    }
    own_target(session, &mut command, "miri");
    command
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .env_remove("RUSTUP_TOOLCHAIN");
    // Tests ask for the time and the folder; the packed state word turns integers into pointers.
    command.env(
        "MIRIFLAGS",
        "-Zmiri-disable-isolation -Zmiri-permissive-provenance",
    );
    // Each case is some hundred times slower than natively.
    command.env("PROPTEST_CASES", "4");
    let outcome = session.check(command)?;
    Ok(no_tests_is_a_failure(session, outcome, "no test ran"))
}

/// The storm passes through every path of a cell's life; the sanitizer sees what it touches and
/// what it leaves behind.
fn sanitizer(session: &mut Session) -> Result<Outcome> {
    need!(tools::sanitizer(session));
    let arguments = [
        "+nightly",
        "test",
        "--locked",
        "-p",
        "vaxel-runtime",
        "--target",
        tools::SANITIZER_TARGET,
        "--test",
        "storm",
        "--test",
        "actors",
    ];
    let mut command = session.command("cargo", arguments);
    own_target(session, &mut command, "sanitizer");
    command
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("RUSTFLAGS", "-Zsanitizer=address");
    let outcome = session.check(command)?;
    Ok(no_tests_is_a_failure(session, outcome, "no test ran"))
}

fn release(session: &mut Session) -> Result<Outcome> {
    let arguments = ["build", "--locked", "--release", "--workspace"];
    let command = session.command("cargo", arguments);
    session.check(command)
}

/// A short bout in a small tree; with `--deep` a thousand kills a second for a minute among a
/// hundred thousand actors.
fn chaos(session: &mut Session) -> Result<Outcome> {
    let program = build(session, "vaxel-cli")?;
    let mut command = session.command(program, ["bench", "chaos"]);
    if !session.is_deep {
        command.args(["--actors", "20000", "--seconds", "10"]);
    }
    session.check(command)
}

/// Twenty seconds; with `--deep` an hour.
fn soak(session: &mut Session) -> Result<Outcome> {
    let program = build(session, "vaxel-cli")?;
    let minutes = if session.is_deep { "60" } else { "0.2" };
    let command = session.command(program, ["bench", "soak", "--minutes", minutes]);
    session.check(command)
}

fn js(session: &mut Session) -> Result<Outcome> {
    let node = need!(tools::node(session));
    let suites = suites(&session.root.join("js"))?;
    run_suites(session, &node, suites, |_| {})
}

fn conformance(session: &mut Session) -> Result<Outcome> {
    let node = need!(tools::node(session));
    need!(tools::packages(session, "tests/conformance"));
    let server = build(session, "vaxel-conformance")?;
    let suites = suites(&session.root.join("tests/conformance"))?;
    run_suites(session, &node, suites, |command| {
        command.env("VAXEL_SERVER", &server);
    })
}

fn otp(session: &mut Session) -> Result<Outcome> {
    need!(tools::erlang(session));
    let program = build(session, "vaxel-otp")?;
    let command = session.command(&program, ["compare"]);
    let outcome = session.check(command)?;
    if outcome != Outcome::Passed {
        return Ok(outcome);
    }
    // A scenario that cannot fail proves nothing: the fault of each rule must be noticed.
    let command = session.command(&program, ["mutations"]);
    let outcome = session.check(command)?;
    Ok(no_tests_is_a_failure(session, outcome, "no scenario ran"))
}

fn browser(session: &mut Session) -> Result<Outcome> {
    let node = need!(tools::node(session));
    let chromium = need!(tools::chromium(session));
    need!(tools::packages(session, "tests/browser"));
    let server = build(session, "vaxel-cli")?;
    let dashboard = build(session, "dashboard")?;
    let mut command = session.command(node, ["tests/browser/run.mjs"]);
    command
        .env("VAXEL_SERVER", server)
        .env("VAXEL_DASHBOARD", dashboard)
        .env("CHROMIUM", chromium);
    session.check(command)
}

fn example(session: &mut Session) -> Result<Outcome> {
    let node = need!(tools::node(session));
    need!(tools::packages(session, "tests/conformance"));
    let mut programs = Vec::new();
    for name in EXAMPLES {
        let variable = format!("VAXEL_{}", name.to_uppercase());
        programs.push((variable, build(session, name)?));
    }
    programs.push(("VAXEL_DEMO".to_owned(), build(session, "vaxel-cli")?));
    let folder = session.root.join("tests/conformance/example");
    let names = EXAMPLES.iter().chain(&["demo"]);
    let suites = names.map(|name| folder.join(format!("{name}.mjs")));
    run_suites(session, &node, suites.collect(), |command| {
        command.envs(programs);
    })
}

/// The packages that the npm client drives; a suite each, which finds its program by the name.
const EXAMPLES: [&str; 4] = ["chat", "dashboard", "orders", "ticker"];

/// How files that node's test runner is given end; others are helpers.
const SUITE_ENDINGS: &[&str] = &[".test.js", ".test.mjs"];

/// A single test of node's that takes longer hangs.
const TEST_TIMEOUT_MS: u32 = 120_000;

/// The suites of a folder and of those below it.
fn suites(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("node_modules") {
            found.extend(suites(&path)?);
        } else if SUITE_ENDINGS
            .iter()
            .any(|ending| path.to_string_lossy().ends_with(ending))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs suites one file after the other: they watch time and memory of one machine.
fn run_suites(
    session: &mut Session,
    node: &str,
    suites: Vec<PathBuf>,
    prepare: impl FnOnce(&mut Command),
) -> Result<Outcome> {
    let arguments = ["--test", "--test-concurrency=1", "--test-reporter=spec"];
    let mut command = session.command(node, arguments);
    command.arg(format!("--test-timeout={TEST_TIMEOUT_MS}"));
    command.args(suites);
    prepare(&mut command);
    let outcome = session.check(command)?;
    Ok(no_tests_is_a_failure(session, outcome, "no test ran"))
}

/// A suite that runs nothing is broken, however cheerful its exit status.
fn no_tests_is_a_failure(session: &Session, outcome: Outcome, complaint: &str) -> Outcome {
    match outcome {
        Outcome::Passed if session.count.passed == 0 => Outcome::Failed(complaint.to_owned()),
        outcome => outcome,
    }
}

/// Builds the binary of a package in release mode and says where it is.
pub(super) fn build(session: &mut Session, package: &str) -> Result<String> {
    let arguments = ["build", "--locked", "--release", "-p", package];
    let mut command = session.command("cargo", arguments);
    command.arg("--message-format=json-render-diagnostics");
    let finished = session.run(command, Show::Errors)?;
    anyhow::ensure!(finished.status.success(), "cannot build {package}");
    let executable = finished.output.lines().rev().find_map(executable);
    executable.with_context(|| format!("{package} has no binary"))
}

fn executable(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message.get("executable")?.as_str().map(str::to_owned)
}

/// With `--deep`, sets what makes a check go further.
fn deeper(session: &Session, command: &mut Command, variable: &str, value: &str) {
    if session.is_deep {
        command.env(variable, value);
    }
}

/// Gives a command a folder of its own below `target`, wherever the build is kept otherwise.
fn own_target(session: &Session, command: &mut Command, name: &str) {
    let folder = session.root.join("target").join(name);
    command
        .env("CARGO_TARGET_DIR", folder)
        .env_remove("CARGO_BUILD_BUILD_DIR");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_in_the_messages_of_cargo() {
        let message = r#"{"reason":"compiler-artifact","executable":"target/release/ticker"}"#;
        assert_eq!(
            executable(message).as_deref(),
            Some("target/release/ticker")
        );
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(executable(r#"{"executable":null}"#), None);
        assert_eq!(executable("   Compiling ticker"), None);
    }

    #[test]
    fn suites_are_found_below_their_folder_without_helpers_and_packages() {
        let folder = std::env::temp_dir().join(format!("vaxel-suites-{}", std::process::id()));
        for path in [
            "a.test.mjs",
            "help.mjs",
            "deep/b.test.js",
            "node_modules/c.test.mjs",
        ] {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = suites(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            found,
            [folder.join("a.test.mjs"), folder.join("deep/b.test.js")]
        );
    }
}
