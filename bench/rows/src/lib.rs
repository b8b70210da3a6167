//! The rows of `vaxel bench actors`: what each measures, how large it is, and how a side answers.
//!
//! A *side* is one way to write actors: ours, plain tokio, another library. It implements [`Side`]
//! and is measured by [`measure`], in this process or in one started for the purpose, whose output
//! is read back by [`ask`]. So all sides do the same work, in the same amount, and
//! nobody's process has touched memory before it is asked to.
//!
//! A program that offers sides takes the options of [`Asked`] and prints one line of JSON.

#![forbid(unsafe_code)]

mod asked;
mod case;
mod measure;
mod measured;
mod open_loop;
mod side;

pub use asked::{Asked, ask};
pub use case::{Case, Measure};
pub use measure::{Delays, Sample, Tally, resident_bytes};
pub use measured::{Measured, Stall};
pub use open_loop::{OpenLoop, Outcome, run as open_loop, spin};
pub use side::{NotPossible, Plan, Side, measure};
