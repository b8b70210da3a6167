//! `vaxel demo`: the page served from memory.

pub(crate) mod args;

use args::DemoArgs;

/// Serves the demo until the process is told to stop.
pub(crate) fn run(args: DemoArgs) -> anyhow::Result<()> {
    anyhow::bail!(
        "the demo is not built into this binary, so nothing listens on {} ({:?} shards, {:?} workers)",
        args.listen,
        args.shards,
        args.workers,
    )
}
