//! The other side: compiles the Erlang modules and runs the scenarios on the BEAM.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The traces of a run, by scenario.
pub(crate) type Traces = BTreeMap<String, String>;

/// Whether Erlang is there.
pub(crate) fn is_installed() -> bool {
    let answer = Command::new("erlc").arg("-help").output();
    answer.is_ok() && Command::new("erl").arg("-version").output().is_ok()
}

/// Compiles the modules of `sources` into `scratch` and runs the scenarios of `files`.
pub(crate) fn run(sources: &Path, files: &[PathBuf], scratch: &Path) -> io::Result<Traces> {
    std::fs::create_dir_all(scratch)?;
    compile(sources, scratch)?;
    let output = scratch.join("traces.txt");
    let status = Command::new("erl")
        .args(["-noshell", "-pa"])
        .arg(scratch)
        .args(["-run", "otp_driver", "main", "-extra"])
        .arg(&output)
        .args(files)
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("erl ended with {status}")));
    }
    Ok(read(&std::fs::read_to_string(output)?))
}

fn compile(sources: &Path, scratch: &Path) -> io::Result<()> {
    let mut modules: Vec<PathBuf> = std::fs::read_dir(sources)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    modules.retain(|path| path.extension().is_some_and(|extension| extension == "erl"));
    modules.sort();
    let status = Command::new("erlc")
        .args(["-Wall", "-Werror", "-o"])
        .arg(scratch)
        .args(&modules)
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("erlc ended with {status}"))),
    }
}

/// Takes the traces of all scenarios apart.
pub(crate) fn read(text: &str) -> Traces {
    let parts = text
        .split("== ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'));
    parts
        .map(|(name, trace)| (name.trim().to_owned(), trace.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_taken_apart() {
        let traces = read("== one\na: x\nb: y\n== two\n");
        assert_eq!(traces["one"], "a: x\nb: y\n");
        assert_eq!(traces["two"], "");
    }
}
