//! Supervisors whose children come and go.
//!
//! A dynamic supervisor starts without children and is given them while it runs, thousands or
//! millions. They are in no order, are started at the same time, restarted one by one, stopped side
//! by side, and forgotten when they end for good. What [`Supervisor`](super::Supervisor) promises
//! of restarts, intensity, names and reports holds here as well. Elixir's `DynamicSupervisor` is
//! the model; `simple_one_for_one` of OTP is a dynamic supervisor with a
//! [template](super::simple_one_for_one).
//!
//! # Bounds
//! `children_max` children, [`CHILDREN_MAX`](super::CHILDREN_MAX) unless told otherwise; one more
//! is refused with [`StartChildError::TooManyChildren`](super::StartChildError).

mod builder;
mod children;
mod process;
mod reference;
mod slab;
mod stopping;

pub use builder::DynamicSupervisorBuilder;
pub use process::DynamicSupervisor;
pub use reference::DynamicSupervisorRef;

pub(super) use process::TemplateOf;
