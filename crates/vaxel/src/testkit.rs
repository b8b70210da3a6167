//! Tests of actors in which a seed decides who runs next, and time is virtual.
//!
//! All of `vaxel-testkit`, which tells what a seed decides and what not. [`check`] runs a test
//! under many seeds; [`macro@test`] is the same as an attribute. When a run fails, its seed is
//! printed, and `VAXEL_SEED=0x…` replays it.
//!
//! ```
//! use vaxel::prelude::*;
//!
//! /// Forgets who has not been heard of for a minute.
//! struct Presence {
//!     here: Vec<String>,
//! }
//!
//! #[actor]
//! impl Presence {
//!     fn init() -> Self {
//!         Presence { here: Vec::new() }
//!     }
//!
//!     #[cast]
//!     fn beat(&mut self, who: String, cx: &mut Context<Self>) {
//!         cx.send_after(secs(60), Silent(who.clone()));
//!         self.here.push(who);
//!     }
//!
//!     #[info]
//!     fn silent(&mut self, Silent(who): Silent) {
//!         self.here.retain(|other| *other != who);
//!     }
//!
//!     #[call]
//!     fn here(&self) -> Vec<String> {
//!         self.here.clone()
//!     }
//! }
//!
//! #[derive(vaxel::Message)]
//! struct Silent(String);
//!
//! vaxel::testkit::check(|sim| async move {
//!     let presence = Presence::spawn();
//!     presence.beat("ada".into()).unwrap();
//!     assert_eq!(presence.here().await, Ok(vec!["ada".to_owned()]));
//!     // A minute costs nothing here.
//!     sim.advance(secs(60)).await;
//!     assert_eq!(presence.here().await, Ok(vec![]));
//! });
//! ```
//!
//! As an attribute, with other than the usual seeds:
//!
//! ```
//! #[vaxel::testkit::test(seeds = 20)]
//! async fn a_minute_passes(sim: vaxel::testkit::Sim) {
//!     sim.advance(vaxel::secs(60)).await;
//! }
//! # fn main() {}
//! ```

pub use vaxel_macros::facade_test as test;
pub use vaxel_testkit::*;
