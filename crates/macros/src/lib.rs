//! The attribute macros of Vaxel.
//!
//! * [`actor`](macro@actor) turns an `impl` block into an actor: message types, trait
//!   implementations and a typed reference.
//! * [`Message`](macro@Message) derives the trait of the same name for a message that several
//!   actors understand.
//! * [`main`] runs an async `main` inside an actor system with tokio beside it.
//!
//! Each is sugar: what it writes can be written by hand on the public traits, and `cargo expand`
//! shows it. The macros are re-exported by the `vaxel` crate, which is where generated code looks
//! for the items it needs; `crate = path` names another place.

#![forbid(unsafe_code)]

mod actor;
mod entry;
mod message;
mod options;
mod simulated;

use proc_macro::TokenStream;

/// Turns an inherent `impl` block into an actor.
///
/// ```ignore
/// use vaxel::prelude::*;
///
/// struct Counter { n: i64 }
///
/// #[actor]
/// impl Counter {
///     fn init(start: i64) -> Self { Counter { n: start } }
///
///     #[call] fn add(&mut self, by: i64) -> i64 { self.n += by; self.n }
///     #[cast] fn reset(&mut self) { self.n = 0; }
///     #[info] fn down(&mut self, down: Down) { println!("{down:?}") }
/// }
///
/// let counter = Counter::spawn(0);
/// assert_eq!(counter.add(5).await?, 5);
/// counter.reset()?;
/// ```
///
/// # What is recognised
/// Every function may be sync or async, and may take `cx: &mut Context<Self>` as its last
/// argument. Everything that is not named here stays in the block as it is.
///
/// * `fn init(args…) -> Self`, or `-> Result<Self, E>`: required. Runs in the actor's own cell,
///   once per incarnation. An error must implement `Display`; it becomes the exit reason, with its
///   causes.
/// * `#[call] fn name(&mut self, args…) -> T`: a request with a reply.
/// * `#[cast] fn name(&mut self, args…)`: a message without a reply. `#[cast(key = symbol)]` says
///   what it is about, for mailboxes with `OnFull::KeepNewest`: of several that wait under one key
///   the older ones give way first. The key is any expression over the arguments, which it sees by
///   reference, whose value can be hashed: `key = (room, user)`.
/// * `#[info] fn name(&mut self, message: M)`: implements `Handler<M>` for a message type that
///   exists already: downs, timers, shared protocols.
/// * `fn terminate(&mut self, reason: &ExitReason)`: runs after a stop or a shutdown, not after a
///   panic or a kill. `reason` may be left out.
///
/// # What is written
/// * `CounterRef`, a newtype of `ActorRef<Counter>` with one method per call and cast. A call
///   returns a future `Call`; where the handler returns a type written `Result<T, E>`, the call
///   yields `Result<T, CallError<E>>`. A cast returns `Result<(), SendError<_>>` at once, with the
///   arguments given back; beside it there is `send_name`, a future of the same, which waits for
///   room where the mailbox lets senders wait (`OnFull::Wait`). A handler of that name replaces it.
/// * `Counter::spawn(args…)` in the current system, `Counter::spawn_in(&system, args…)`, and
///   `Counter::child(args…)`, the child spec for a supervisor (the arguments must be `Clone`, since
///   every restart takes a fresh copy). A function of the same name in the block replaces it.
/// * one hidden message type per call and cast, and the `Actor` and `Handler` implementations.
///
/// # Visibility
/// `CounterRef`, `spawn`, `spawn_in` and `child` are as visible as `init`; each typed method is as
/// visible as its handler. Doc comments, `cfg` and `deprecated` carry over.
///
/// # Options
/// * `mailbox = 256`: messages that may wait before senders are told that the mailbox is full;
///   any expression of type `Mailbox` is accepted too.
/// * `skip_expired = true`: calls whose callers have gone, or whose deadlines have passed, are
///   dropped unhandled.
/// * `debug = true`: inspection may show the state, which then needs `Debug`.
/// * `crate = path`: where the generated code finds Vaxel, `::vaxel` by default.
#[proc_macro_attribute]
pub fn actor(options: TokenStream, item: TokenStream) -> TokenStream {
    actor::expand(options.into(), item.into()).into()
}

/// Implements `Message`, with `()` as the reply unless `#[message(reply = T)]` names another.
///
/// ```ignore
/// #[derive(Message)]
/// #[message(reply = Option<Price>)]
/// struct Lookup { symbol: String }
/// ```
///
/// `#[message(key = self.symbol)]` says what it is about, as the `key` of a `#[cast]` does.
///
/// `#[message(crate = path)]` names where Vaxel is found, `::vaxel` by default.
#[proc_macro_derive(Message, attributes(message))]
pub fn message(item: TokenStream) -> TokenStream {
    message::expand(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Runs an async function as the program: an actor system and a tokio runtime are built, the
/// body runs inside both, and both are shut down in order when it ends.
///
/// Options: `workers = n` (actor workers, one per core by default) and `crate = path`.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Runs an async function as a test under many seeds; `vaxel-testkit` says what that means.
///
/// Options, which are the methods of `vaxel_testkit::Check`: `seeds`, `delays`, `steps_max`,
/// `trace_lines`; and `crate = path`, `::vaxel_testkit` by default.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    let root = syn::parse_quote!(::vaxel_testkit);
    simulated::expand(options.into(), item.into(), root)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// As `vaxel_testkit::test`, for those who have the testkit as a part of the `vaxel` crate.
#[proc_macro_attribute]
pub fn facade_test(options: TokenStream, item: TokenStream) -> TokenStream {
    let root = syn::parse_quote!(::vaxel::testkit);
    simulated::expand(options.into(), item.into(), root)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
