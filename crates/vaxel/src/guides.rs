//! The README and the guides, so that `cargo test --doc` compiles and runs what they show.

#[doc = include_str!("../../../README.md")]
mod readme {}

#[doc = include_str!("../../../docs/actors.md")]
mod actors {}

#[doc = include_str!("../../../docs/channels.md")]
mod channels {}

#[doc = include_str!("../../../docs/semantics.md")]
mod semantics {}

#[doc = include_str!("../../../docs/from-elixir.md")]
mod from_elixir {}

#[doc = include_str!("../../../docs/from-tokio.md")]
mod from_tokio {}

#[cfg(feature = "state")]
#[doc = include_str!("../../../docs/state.md")]
mod state {}
