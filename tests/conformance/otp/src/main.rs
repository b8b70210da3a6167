//! The same scenarios on Vaxel and on Erlang/OTP, and their traces compared line by line.
//!
//! `vaxel-otp compare [SCENARIO...]` runs both sides, `vaxel-otp mutations [RULE...]` plants a
//! fault for each rule and looks whether a scenario notices; see the README beside this crate. The
//! last line is `test result: ...`, as that of a suite of tests.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a suite is what it prints"
)]

mod beam;
mod compare;
mod driver;
mod entry;
mod events;
mod machine;
mod mutants;
mod mutation;
mod ops;
mod process;
mod reason;
mod scenario;
mod tree;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        None => compare::main(&[]),
        Some((command, names)) if command == "compare" => compare::main(names),
        Some((command, rules)) if command == "mutations" => mutants::main(rules),
        Some((command, names)) if command == "vaxel" => compare::show(names),
        Some((command, _)) => Err(format!("unknown command `{command}`").into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of this crate: scenarios and Erlang modules are read where they are.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of scenarios, in the order of their names.
fn scenario_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("scenarios"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}
