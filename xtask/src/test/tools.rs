//! What the checks need beside cargo: found, or installed where that is possible.
//!
//! Tools of cargo go to `.tools`, npm packages to the `node_modules` of the suite, and the
//! browser comes from the system's package manager when the task runs as root. What cannot be
//! had is no error: the check that needs it is reported as NOT RUN.

use std::path::Path;

use anyhow::Result;

use super::Session;
use super::process::{Finished, Show};

/// Why something is not there.
pub(crate) struct Missing(pub(crate) String);

/// The thing, or why it is missing.
pub(crate) type Found<T> = Result<Result<T, Missing>>;

/// The oldest node whose test runner knows what the suites use.
const NODE_MAJOR_MIN: u32 = 20;

/// Names under which systems install the browser.
const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// What package managers say when the registry cannot be reached at all.
const OFFLINE_WORDS: &[&str] = &[
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ENETUNREACH",
    "ENOTFOUND",
    "ETIMEDOUT",
    "Could not resolve host",
    "Temporary failure resolving",
    "failed to download",
];

/// The licence checker: the system's, ours in `.tools`, or one built there now.
pub(super) fn cargo_deny(session: &mut Session) -> Found<String> {
    let ours = session
        .root
        .join(".tools/bin/cargo-deny")
        .to_string_lossy()
        .into_owned();
    for program in ["cargo-deny", ours.as_str()] {
        if answers(session, program, &["--version"]) {
            return Ok(Ok(program.to_owned()));
        }
    }
    println!("installing cargo-deny into .tools, which takes some minutes");
    // Without optimisation it builds in a third of the time, and the check takes a second.
    let arguments = [
        "install",
        "--locked",
        "--debug",
        "cargo-deny",
        "--root",
        ".tools",
    ];
    let mut command = session.command("cargo", arguments);
    command.env("CARGO_TARGET_DIR", session.root.join("target/tools"));
    command.env_remove("CARGO_BUILD_BUILD_DIR");
    let finished = session.run(command, Show::All)?;
    Ok(match finished.status.success() {
        true => Ok(ours),
        false => Err(Missing(
            "cargo-deny could not be installed, see above".to_owned(),
        )),
    })
}

/// A nightly toolchain with Miri, which is used when present and never installed.
pub(super) fn miri(session: &mut Session) -> Found<()> {
    Ok(match answers(session, "cargo", &["+nightly", "miri", "--version"]) {
        true => Ok(()),
        false => Err(Missing(
            "no nightly toolchain with Miri (rustup toolchain install nightly --component miri \
             --component rust-src)"
                .to_owned(),
        )),
    })
}

/// Where the sanitizer runs; its runtime comes with the toolchain.
pub(super) const SANITIZER_TARGET: &str = "x86_64-unknown-linux-gnu";

/// A nightly toolchain for this target, which is used when present and never installed.
pub(super) fn sanitizer(session: &mut Session) -> Found<()> {
    let is_target = cfg!(all(
        target_arch = "x86_64",
        target_os = "linux",
        target_env = "gnu"
    ));
    Ok(
        match is_target && answers(session, "cargo", &["+nightly", "--version"]) {
            true => Ok(()),
            false => Err(Missing(
                "no nightly toolchain for x86_64 Linux (rustup toolchain install nightly)"
                    .to_owned(),
            )),
        },
    )
}

/// Node in a version that the suites can use.
pub(crate) fn node(session: &mut Session) -> Found<String> {
    let Some(version) = output(session, "node", &["--version"]) else {
        return Ok(Err(Missing("node is not installed".to_owned())));
    };
    let major = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .unwrap_or("");
    Ok(match major.parse::<u32>() {
        Ok(major) if major >= NODE_MAJOR_MIN => Ok("node".to_owned()),
        _ => Err(Missing(format!(
            "node {} is older than {NODE_MAJOR_MIN}",
            version.trim()
        ))),
    })
}

/// The npm packages of a suite, as its lock file pins them.
pub(crate) fn packages(session: &mut Session, folder: &str) -> Found<()> {
    if output(session, "npm", &["--version"]).is_none() {
        return Ok(Err(Missing("npm is not installed".to_owned())));
    }
    println!("installing the npm packages of {folder}");
    let arguments = ["ci", "--no-audit", "--no-fund", "--prefix", folder];
    let command = session.command("npm", arguments);
    let finished = session.run(command, Show::All)?;
    installed(&finished, &format!("the npm packages of {folder}"))
}

/// The browser: the system's, or installed now when that is allowed.
pub(super) fn chromium(session: &mut Session) -> Found<String> {
    if let Some(program) = find_chromium(session) {
        return Ok(Ok(program));
    }
    if let Err(missing) = apt_install(session, "chromium")? {
        return Ok(Err(missing));
    }
    let found = find_chromium(session);
    Ok(found.ok_or_else(|| Missing("chromium was installed and does not start".to_owned())))
}

/// Where the Autobahn suite lives.
const AUTOBAHN: &str = ".tools/autobahn";

/// The suite's last release that is a wheel, and the last virtualenv that knows Python 2.7.
const AUTOBAHN_PACKAGES: [&str; 2] = ["autobahntestsuite==0.8.2", "virtualenv==20.21.1"];

/// The program of the Autobahn suite: ours in `.tools`, installed there now when it is not.
pub(super) fn autobahn(session: &mut Session) -> Found<String> {
    let folder = session.root.join(AUTOBAHN);
    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let wstest = at("suite/bin/wstest");
    if answers(session, &wstest, &["--autobahnversion"]) {
        return Ok(Ok(wstest));
    }
    let Some(python2) = find_python2(session)? else {
        return Ok(Err(Missing(
            "the Autobahn suite needs Python 2.7, and there is none (no Debian since 11 has it; \
             pyenv install 2.7.18 builds one)"
                .to_owned(),
        )));
    };
    println!("installing the Autobahn suite into {AUTOBAHN}, which takes a minute");
    let [suite, virtualenv] = AUTOBAHN_PACKAGES;
    let (maker, suite_folder) = (at("maker"), at("suite"));
    let steps: [(String, Vec<&str>); 4] = [
        ("python3".to_owned(), vec!["-m", "venv", "--clear", &maker]),
        (at("maker/bin/pip"), vec!["install", "--quiet", virtualenv]),
        (
            at("maker/bin/virtualenv"),
            vec!["--quiet", "--clear", "--python", &python2, &suite_folder],
        ),
        (at("suite/bin/pip"), vec!["install", "--quiet", suite]),
    ];
    for (program, arguments) in steps {
        let command = session.command(&program, arguments);
        let finished = session.run(command, Show::All)?;
        if !finished.status.success() {
            return Ok(Err(Missing(
                "the Autobahn suite could not be installed, see above".to_owned(),
            )));
        }
    }
    Ok(match answers(session, &wstest, &["--autobahnversion"]) {
        true => Ok(wstest),
        false => Err(Missing(
            "the Autobahn suite was installed and does not start".to_owned(),
        )),
    })
}

/// Python 2.7: on the path, or among the versions of pyenv.
fn find_python2(session: &mut Session) -> Result<Option<String>> {
    let home = std::env::var("HOME").unwrap_or_default();
    let versions = Path::new(&home).join(".pyenv/versions");
    let mut candidates = vec!["python2.7".to_owned(), "python2".to_owned()];
    for entry in std::fs::read_dir(versions).into_iter().flatten() {
        let folder = entry?.path();
        if folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("2.7"))
        {
            candidates.push(folder.join("bin/python").to_string_lossy().into_owned());
        }
    }
    let is_27 = "import sys; sys.exit(sys.version_info[:2] != (2, 7))";
    let mut found = candidates.into_iter();
    Ok(found.find(|program| answers(session, program, &["-c", is_27])))
}

/// Erlang's machine, compiler and standard libraries: the system's, or installed now when that is
/// allowed.
pub(super) fn erlang(session: &mut Session) -> Found<()> {
    if has_erlang(session) {
        return Ok(Ok(()));
    }
    if let Err(missing) = apt_install(session, "erlang-base")? {
        return Ok(Err(missing));
    }
    Ok(match has_erlang(session) {
        true => Ok(()),
        false => Err(Missing(
            "erlang-base was installed and does not start".to_owned(),
        )),
    })
}

fn has_erlang(session: &mut Session) -> bool {
    answers(session, "erl", &["-noshell", "-eval", "halt(0)."])
        && answers(session, "sh", &["-c", "command -v erlc"])
}

/// PostgreSQL's server: the system's, or installed now when that is allowed. Tests find its
/// programs by themselves.
pub(super) fn postgres(session: &mut Session) -> Found<()> {
    if has_postgres() {
        return Ok(Ok(()));
    }
    if let Err(missing) = apt_install(session, "postgresql")? {
        return Ok(Err(missing));
    }
    Ok(match has_postgres() {
        true => Ok(()),
        false => Err(Missing(
            "postgresql was installed and its programs are not found".to_owned(),
        )),
    })
}

fn has_postgres() -> bool {
    vaxel_test_postgres::Binaries::find().is_ok()
}

/// Installs a package of the system, which only root on a Debian can.
pub(crate) fn apt_install(session: &mut Session, package: &str) -> Found<()> {
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return Ok(Err(Missing(format!(
            "{package} is not installed and only root on a Debian can (apt-get install {package})"
        ))));
    }
    println!("installing {package} with apt-get, since this runs as root");
    let install = [
        "install",
        "-q",
        "--assume-yes",
        "--no-install-recommends",
        package,
    ];
    for arguments in [["update", "-q"].as_slice(), &install] {
        let mut command = session.command("apt-get", arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        let finished = session.run(command, Show::All)?;
        if !finished.status.success() {
            return Ok(Err(Missing(format!(
                "apt-get could not install {package}, see above"
            ))));
        }
    }
    Ok(Ok(()))
}

fn find_chromium(session: &mut Session) -> Option<String> {
    let name = CHROMIUM_NAMES
        .iter()
        .find(|name| answers(session, name, &["--version"]))?;
    let path = output(session, "sh", &["-c", &format!("command -v {name}")])?;
    Some(path.trim().to_owned())
}

/// A failed installation is a missing tool when the network is away, and a failure otherwise.
fn installed(finished: &Finished, what: &str) -> Found<()> {
    if finished.status.success() {
        return Ok(Ok(()));
    }
    if OFFLINE_WORDS
        .iter()
        .any(|word| finished.output.contains(word))
    {
        return Ok(Err(Missing(format!(
            "{what} cannot be fetched: no network"
        ))));
    }
    anyhow::bail!("{what} could not be installed, see above")
}

/// Whether a program exists and is content with `arguments`.
pub(crate) fn answers(session: &mut Session, program: &str, arguments: &[&str]) -> bool {
    output(session, program, arguments).is_some()
}

/// What a program prints, when it exists and is content.
fn output(session: &mut Session, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = session.command(program, arguments);
    // The task itself was started by one toolchain; `cargo +nightly` must not be held to it.
    command.env_remove("RUSTUP_TOOLCHAIN");
    let finished = session.run(command, Show::Nothing).ok()?;
    finished.status.success().then_some(finished.output)
}
