//! The rows of `vaxel bench actors`, written for other actor libraries as their users write them.
//!
//! `peers ractor --case ring --workers 2` measures one row of one library in this process and
//! prints one line of JSON; `vaxel bench actors --peer ractor="peers ractor"` runs them all beside
//! ours. Every library has the allocator that the `vaxel` binary has.

#![forbid(unsafe_code)]

mod actix;
mod kameo;
mod on_tokio;
mod ractor;

use clap::{Parser, Subcommand};
use vaxel_bench_rows::Asked;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures one row of one actor library and prints one line of JSON.
#[derive(Debug, Parser)]
#[command(name = "peers")]
struct Arguments {
    #[command(subcommand)]
    library: Library,
}

#[derive(Debug, Subcommand)]
enum Library {
    /// ractor on tokio.
    Ractor(Asked),
    /// kameo on tokio.
    Kameo(Asked),
    /// actix with one arbiter a worker.
    Actix(Asked),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().library {
        Library::Ractor(asked) => asked.answer::<ractor::Ractor>(),
        Library::Kameo(asked) => asked.answer::<kameo::Kameo>(),
        Library::Actix(asked) => asked.answer::<actix::Actix>(),
    }
}
