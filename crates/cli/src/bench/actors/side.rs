//! Who is measured: ours and tokio, both in this program, and programs from outside.

use std::{ffi::OsString, str::FromStr};

use anyhow::Context;
use clap::ValueEnum;
use vaxel_bench_rows::{Asked, Case, Measured, Plan, Side, ask};

use super::{ours::Vaxel, peer::Tokio};

/// The sides that this program holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Within {
    Vaxel,
    Tokio,
}

impl Within {
    pub(super) fn name(self) -> &'static str {
        match self {
            Within::Vaxel => Vaxel::NAME,
            Within::Tokio => Tokio::NAME,
        }
    }

    /// Measures in this process, which was started for it.
    pub(super) fn answer(self, asked: Asked) -> anyhow::Result<()> {
        match self {
            Within::Vaxel => asked.answer::<Vaxel>(),
            Within::Tokio => asked.answer::<Tokio>(),
        }
    }

    /// Measures in a process that has touched no memory yet.
    pub(super) fn measure(self, case: Case, plan: &Plan) -> anyhow::Result<Measured> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let words = ["bench", "actors", "--within", self.name()].map(str::to_owned);
        ask(program.as_os_str(), &words, case, plan)
    }
}

/// A program that offers the rows, and how to start it.
#[derive(Debug, Clone)]
pub(crate) struct Outsider {
    pub(super) name: String,
    program: OsString,
    words: Vec<String>,
}

impl Outsider {
    pub(super) fn measure(&self, case: Case, plan: &Plan) -> anyhow::Result<Measured> {
        ask(&self.program, &self.words, case, plan)
    }
}

impl FromStr for Outsider {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "write it as NAME=COMMAND, for instance ractor=target/release/peers";
        let (name, command) = text.split_once('=').ok_or(SHAPE)?;
        let mut words = command.split_ascii_whitespace().map(str::to_owned);
        let program = words.next().ok_or(SHAPE)?;
        if name.is_empty() {
            return Err(SHAPE);
        }
        Ok(Outsider {
            name: name.to_owned(),
            program: program.into(),
            words: words.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer: Outsider = "ractor=target/release/peers ractor".parse().unwrap();
        assert_eq!(peer.name, "ractor");
        assert_eq!(peer.program, "target/release/peers");
        assert_eq!(peer.words, ["ractor"]);
        for wrong in ["ractor", "=peers", "ractor="] {
            assert!(wrong.parse::<Outsider>().is_err(), "{wrong}");
        }
    }
}
