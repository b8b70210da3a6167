//! Who is measured: ours and tokio, both in this program, and programs from outside.

use anyhow::Context;
use clap::ValueEnum;
use vaxel_bench_rows::{Asked, Case, Measured, Plan, Side, ask};

use super::{ours::Vaxel, peer::Tokio};
use crate::bench::outsider::Outsider;

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

impl Outsider {
    /// Asks the program, which offers the rows, for one of them.
    pub(super) fn measure(&self, case: Case, plan: &Plan) -> anyhow::Result<Measured> {
        ask(&self.program, &self.words, case, plan)
    }
}
