//! State in memory that many actors share: a bounded cache, and tables in ETS's manner.
//!
//! [`Cache`] keeps what is dear to make for a while, and has it made by one caller at a time.
//! [`Table`], [`OrderedTable`] and [`Bag`] are read and written by any actor without a message;
//! each belongs to its owner, whose death deletes it or hands it over.
//!
//! ```
//! use vaxel_cache::{Cache, Table};
//! use vaxel_actor::secs;
//!
//! # vaxel_actor::Program::new().workers(1).run(async {
//! let users = Cache::<u64, String>::builder().entries_max(10_000).time_to_live(secs(60)).build();
//! let load = async || Ok::<_, std::io::Error>("Ada".to_owned());
//! assert_eq!(users.get_or_load(17, load()).await.expect("it loads"), "Ada");
//!
//! let seats = Table::<&str, u32>::new();
//! seats.insert("hall", 120)?;
//! seats.update("hall", |seats| *seats -= 1);
//! assert_eq!(seats.get("hall"), Some(119));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

#![forbid(unsafe_code)]

mod bag;
mod cache;
mod ordered;
mod owner;
mod table;

pub use bag::Bag;
pub use cache::{Cache, CacheBuilder};
pub use ordered::OrderedTable;
pub use owner::{Inherited, Owned};
pub use table::{Table, TableError};
