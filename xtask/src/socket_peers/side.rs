//! The servers that are measured, and how each is had.
//!
//! Python's and cargo's packages go to folders of this repository, npm's to the folder of the
//! server. Debian's are installed when the task runs as root.

use std::path::Path;

use anyhow::Result;

use super::PATIENCE;
use crate::test::Session;
use crate::test::process::Show;
use crate::test::tools::{self, Missing, answers};

/// The release that brings uWebSockets to Python, as a library with an interface in C.
const SOCKETIFY: &str = "socketify==0.0.31";
/// What its library loads that the wheel does not hold.
const SOCKETIFY_NEEDS: &str = "libuv1";
/// Where it is installed, from the root.
const SOCKETIFY_FOLDER: &str = ".tools/socketify";
/// Debian's compiler and library, and where the library's source is.
const GO_PACKAGES: [&str; 2] = ["golang-go", "golang-github-gorilla-websocket-dev"];
const GO_PATH: &str = "/usr/share/gocode";

/// A server.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) name: &'static str,
    /// What its column in the table says.
    pub(super) title: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vaxel,
    Socketify,
    Node,
    Gorilla,
    Rust,
}

/// In the order of the table, where the bare loop comes second.
pub(super) const SIDES: &[Side] = &[
    side("vaxel", "Vaxel, through a channel", Kind::Vaxel),
    side("uws", "uWebSockets", Kind::Socketify),
    side("ws", "Node ws", Kind::Node),
    side("gorilla", "Go gorilla", Kind::Gorilla),
    side("tungstenite", "tokio-tungstenite", Kind::Rust),
    side("fastwebsockets", "fastwebsockets", Kind::Rust),
    side("axum", "axum", Kind::Rust),
];

const fn side(name: &'static str, title: &'static str, kind: Kind) -> Side {
    Side { name, title, kind }
}

/// The command line of a server, or why there is none.
type Prepared = Result<Result<String, String>>;

impl Side {
    pub(super) fn is_ours(&self) -> bool {
        self.kind == Kind::Vaxel
    }

    /// Installs and builds the server; says how it is started, or why it cannot be had.
    pub(super) fn prepare(&self, root: &Path, place: &Path) -> Prepared {
        let mut session = Session::new(root, PATIENCE)?;
        let session = &mut session;
        match self.kind {
            Kind::Vaxel => Ok(Ok(String::new())),
            Kind::Socketify => socketify(session, root, place),
            Kind::Node => node(session, root),
            Kind::Gorilla => gorilla(session, root, place),
            Kind::Rust => rust(session, place).map(|built| {
                built.map(|()| format!("{}/release/socket-peers {}", place.display(), self.name))
            }),
        }
    }
}

fn socketify(session: &mut Session, root: &Path, place: &Path) -> Prepared {
    let folder = root.join(SOCKETIFY_FOLDER);
    let pip = folder.join("bin/pip").display().to_string();
    if !answers(session, &pip, &["show", "--quiet", "socketify"]) {
        println!("installing {SOCKETIFY} into {SOCKETIFY_FOLDER}");
        let venv = folder.display().to_string();
        let steps = [
            ("python3", vec!["-m", "venv", "--clear", &venv]),
            (&pip, vec!["install", "--quiet", SOCKETIFY]),
        ];
        for (program, words) in steps {
            if !succeeds(session, program, &words) {
                let words = words.join(" ");
                let reason = format!("{SOCKETIFY} could not be installed: `{program} {words}`");
                return Ok(Err(reason));
            }
        }
    }
    let Some(library) = find_socketify(&folder) else {
        return Ok(Err(format!("{SOCKETIFY} has no library for this machine")));
    };
    let program = place.join("uws").display().to_string();
    let source = root.join("bench/sockets/uws.c").display().to_string();
    let (name, rpath) = (
        format!("-l:{}", library.1),
        format!("-Wl,-rpath,{}", library.0),
    );
    let words = [
        "-O2", "-o", &program, &source, "-L", &library.0, &name, &rpath,
    ];
    if succeeds(session, "cc", &words) {
        return Ok(Ok(program));
    }
    // The library itself needs one that not every system has.
    let is_installed = tools::apt_install(session, SOCKETIFY_NEEDS)?.is_ok();
    Ok(match is_installed && succeeds(session, "cc", &words) {
        true => Ok(program),
        false => Err(format!(
            "bench/sockets/uws.c does not build; it needs cc and {SOCKETIFY_NEEDS} (apt-get \
             install gcc {SOCKETIFY_NEEDS})"
        )),
    })
}

/// The folder and the name of the library that pip has installed.
fn find_socketify(folder: &Path) -> Option<(String, String)> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let name = format!("libsocketify_linux_{machine}.so");
    let versions = std::fs::read_dir(folder.join("lib")).ok()?;
    let mut packages = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/socketify")))
        .filter(|package| package.join(&name).exists());
    Some((packages.next()?.display().to_string(), name))
}

fn node(session: &mut Session, root: &Path) -> Prepared {
    let node = match tools::node(session)? {
        Ok(node) => node,
        Err(Missing(reason)) => return Ok(Err(reason)),
    };
    if let Err(Missing(reason)) = tools::packages(session, "bench/sockets/ws")? {
        return Ok(Err(reason));
    }
    let server = root.join("bench/sockets/ws/server.mjs");
    Ok(Ok(format!("{node} {}", server.display())))
}

fn gorilla(session: &mut Session, root: &Path, place: &Path) -> Prepared {
    let library = Path::new(GO_PATH).join("src/github.com/gorilla/websocket");
    let is_there = [answers(session, "go", &["version"]), library.exists()];
    for (package, _) in GO_PACKAGES
        .iter()
        .zip(is_there)
        .filter(|(_, is_there)| !is_there)
    {
        if tools::apt_install(session, package)?.is_err() {
            let packages = GO_PACKAGES.join(" ");
            return Ok(Err(format!("install it with apt-get install {packages}")));
        }
    }
    let program = place.join("gorilla");
    let mut build = session.command("go", ["build", "-o"]);
    build
        .arg(&program)
        .arg(root.join("bench/sockets/gorilla.go"));
    build.env("GO111MODULE", "off").env("GOPATH", GO_PATH);
    let finished = session.run(build, Show::All)?;
    Ok(match finished.status.success() {
        true => Ok(program.display().to_string()),
        false => Err("bench/sockets/gorilla.go does not build".to_owned()),
    })
}

fn rust(session: &mut Session, place: &Path) -> Result<Result<(), String>> {
    let manifest = "bench/sockets/rust/Cargo.toml";
    let words = [
        "build",
        "--locked",
        "--release",
        "--manifest-path",
        manifest,
    ];
    let mut build = session.command("cargo", words);
    build.env("CARGO_TARGET_DIR", place);
    let finished = session.run(build, Show::All)?;
    Ok(match finished.status.success() {
        true => Ok(()),
        false => Err(format!("{manifest} does not build (no network?)")),
    })
}

fn succeeds(session: &mut Session, program: &str, words: &[&str]) -> bool {
    let command = session.command(program, words);
    session
        .run(command, Show::All)
        .is_ok_and(|finished| finished.status.success())
}
