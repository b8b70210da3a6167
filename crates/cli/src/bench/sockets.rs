//! `vaxel bench sockets`: clients that speak Phoenix Channels to any server, and the comparison
//! with the bare epoll loop.
//!
//! # Life of a measurement
//! The clients live on lanes ([`lane`]), threads with an epoll each. A phase gives each lane a
//! task ([`task`]) and is watched by the main thread ([`fleet`]), which reads the server's CPU
//! time and the lanes' counters at the beginning and the end of the window: nothing is added to
//! the path being measured but relaxed stores. A session ([`session`]) is a server and its fleet;
//! [`suite`] puts one through every case, [`compare`] many of them in turn.
//!
//! # Latency
//! Counts from the time something was due, not from the time it could be sent, and whatever was
//! due within the window counts however late it comes. At saturation, in a closed loop, it is due
//! when the one before has been answered.
//!
//! # Bounds
//! Every phase has an end: a duration, a count, or a standstill.

mod args;
mod compare;
mod connection;
mod fleet;
mod lane;
mod scale;
mod script;
mod seen;
mod session;
mod shared;
mod soak;
mod step;
mod suite;
mod target;
mod task;
mod template;
mod visitor;

use anyhow::Context;

pub(crate) use args::SocketsArgs;
pub(crate) use scale::{ScaleArgs, run as run_scale};
pub(crate) use soak::{SoakArgs, run as run_soak};

use super::{interrupt, process::Process, report::Report};

/// Runs the cases and prints their figures.
pub(crate) fn run(args: &SocketsArgs) -> anyhow::Result<()> {
    interrupt::install()?;
    let mut report = Report::stdout("sockets", args.json);
    match &args.url {
        Some(url) => {
            let target = target::Target::parse(url)?;
            let server = args.pid.map(Process::new).transpose();
            let server = server.context("cannot read the figures of --pid from /proc")?;
            suite::run(args, target, server, &mut report)?;
        }
        None => compare::run(args, &mut report)?,
    }
    report.finish()
}

#[cfg(test)]
mod tests;
