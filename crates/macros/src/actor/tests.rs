//! What the macro writes, and what it says when it cannot.
//!
//! That the output compiles and does what it should is tested where the runtime is at hand, in the
//! actor crate. Here it is parsed and searched, and every error is read as a user reads it.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{File, ImplItemFn, ItemImpl, ItemStruct};

/// The written items by what they are, as text without the spacing of tokens.
struct Written {
    impls: Vec<(String, ItemImpl)>,
    structs: Vec<ItemStruct>,
}

fn expand(options: &str, item: &str) -> TokenStream {
    let parsed = |text: &str| {
        text.parse::<TokenStream>()
            .expect("the text is made of tokens")
    };
    super::expand(parsed(options), parsed(item))
}

fn written(options: &str, item: &str) -> Written {
    let tokens = expand(options, item);
    let file: File =
        syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error}: {tokens}"));
    let mut found = Written {
        impls: Vec::new(),
        structs: Vec::new(),
    };
    found.visit_file(&file);
    found
}

impl<'ast> Visit<'ast> for Written {
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let of = item
            .trait_
            .as_ref()
            .map(|(_, path, _)| format!("{} for ", text(path)));
        let head = of.unwrap_or_default() + &text(&item.self_ty);
        self.impls.push((plain(&head), item.clone()));
        visit::visit_item_impl(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.structs.push(item.clone());
    }
}

impl Written {
    fn implementation(&self, head: &str) -> &ItemImpl {
        let found = self.impls.iter().find(|(name, _)| *name == plain(head));
        let heads: Vec<_> = self.impls.iter().map(|(name, _)| name).collect();
        &found
            .unwrap_or_else(|| panic!("no impl {head} among {heads:#?}"))
            .1
    }

    /// The function of a name, from whichever inherent or trait impl with that head has it.
    fn function(&self, head: &str, name: &str) -> ImplItemFn {
        let functions = self.impls.iter().filter(|(found, _)| *found == plain(head));
        let mut functions =
            functions
                .flat_map(|(_, item)| &item.items)
                .filter_map(|item| match item {
                    syn::ImplItem::Fn(function) => Some(function),
                    _ => None,
                });
        let found = functions.find(|function| function.sig.ident == name);
        found
            .unwrap_or_else(|| panic!("no fn {name} in impl {head}"))
            .clone()
    }

    fn structure(&self, name: &str) -> &ItemStruct {
        let found = self.structs.iter().find(|item| item.ident == name);
        found.unwrap_or_else(|| panic!("no struct {name}"))
    }
}

/// Tokens without the spaces between them, which depend on how they were made.
fn text(tokens: impl ToTokens) -> String {
    plain(&tokens.to_token_stream().to_string())
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect()
}

#[track_caller]
fn assert_has(tokens: impl ToTokens, expected: &str) {
    let text = text(tokens);
    assert!(text.contains(&plain(expected)), "no {expected} in {text}");
}

fn errors(options: &str, item: &str) -> Vec<String> {
    struct Errors(Vec<String>);
    impl<'ast> Visit<'ast> for Errors {
        fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
            if invocation
                .path
                .segments
                .last()
                .is_some_and(|last| last.ident == "compile_error")
            {
                let text: syn::LitStr = invocation.parse_body().expect("an error has a text");
                self.0.push(text.value());
            }
        }
    }
    let tokens = expand(options, item);
    let file: File = syn::parse2(tokens).expect("errors are items too");
    let mut found = Errors(Vec::new());
    found.visit_file(&file);
    found.0
}

/// The errors of a block with a good `init` and the given members.
fn errors_of(members: &str) -> Vec<String> {
    errors(
        "",
        &format!("impl Counter {{ fn init() -> Self {{ Counter }} {members} }}"),
    )
}

fn counter() -> &'static str {
    r#"
        impl Counter {
            const STEP: i64 = 1;
            /// Starts at `start`.
            pub(crate) fn init(start: i64) -> Self { Counter { n: start } }
            /// Adds.
            #[call]
            pub fn add(&mut self, by: i64) -> i64 { self.n += by; self.n }
            #[cfg(feature = "load")]
            #[call]
            async fn load(&mut self, from: Db, cx: &mut Context<Self>) -> Result<i64, DbError> {}
            #[cast]
            fn reset(&mut self) { self.n = 0; }
            #[info]
            fn down(&mut self, down: Down, cx: &mut Context<Self>) {}
            fn helper(&self) -> i64 { self.n }
        }
"#
}

#[test]
fn the_block_stays_without_its_markers() {
    let written = written("", counter());
    let (_, block) = &written.impls[0];
    for name in [
        "const STEP",
        "fn init",
        "fn add",
        "fn load",
        "fn reset",
        "fn down",
        "fn helper",
    ] {
        assert_has(block, name);
    }
    for marker in ["[call]", "[cast]", "[info]"] {
        assert!(!text(block).contains(marker), "{marker} stayed");
    }
}

#[test]
fn a_cast_has_the_key_that_it_names() {
    let screen = "impl Screen { fn init() -> Self { Screen } \
                  #[cast(key = (symbol, market))] fn price(&mut self, symbol: u32, market: u8) {} \
                  #[cast] fn send_price(&mut self) {} }";
    let written = written("", screen);
    let key = written.function("::vaxel::__macro::Message for Screen_price", "key");
    assert_has(&key, "let Self { symbol, market, .. } = self;");
    assert_has(&key, "::vaxel::__macro::key_of(&((symbol, market)))");
    let (_, other) = written
        .impls
        .iter()
        .find(|(name, _)| name.ends_with("MessageforScreen_send_price"))
        .expect("a message");
    assert_eq!(other.items.len(), 1, "no key unless it is named");
    // The handler of that name has its method, and the other cast no second one.
    let send = written.function("ScreenRef", "send_price").sig;
    assert_has(send, "Result<(), ::vaxel::__macro::SendError<()>>");
}

#[test]
fn calls_and_casts_get_messages_and_infos_do_not() {
    let written = written("", counter());
    assert_has(
        written.structure("Counter_add"),
        "struct Counter_add { by: i64, }",
    );
    assert_has(
        written.structure("Counter_reset"),
        "struct Counter_reset { }",
    );
    assert_eq!(
        written.structs.len(),
        4,
        "the reference, and one for each of add, load, reset"
    );
    let message = written.implementation("::vaxel::__macro::Message for Counter_add");
    assert_has(message, "type Reply = i64;");
    let down = written.implementation("::vaxel::__macro::Handler<Down> for Counter");
    assert_has(down, "Self::down(self, message, cx)");
}

#[test]
fn sync_handlers_await_nothing_and_async_ones_are_awaited() {
    let written = written("", counter());
    let add = written.function(
        "::vaxel::__macro::Handler<Counter_add> for Counter",
        "handle",
    );
    assert_has(&add.block, "{ Self::add(self, message.by) }");
    let load = written.function(
        "::vaxel::__macro::Handler<Counter_load> for Counter",
        "handle",
    );
    assert_has(&load.block, "Self::load(self, message.from, cx).await");
}

#[test]
fn typed_methods_flatten_results_and_return_what_was_refused() {
    let written = written("", counter());
    let method = |name| written.function("CounterRef", name).sig;
    assert_has(
        method("add"),
        "fn add(&self, by: i64) -> ::vaxel::__macro::Call<i64, ::core::convert::Infallible,",
    );
    assert_has(
        method("load"),
        "(&self, from: Db) -> ::vaxel::__macro::Call<i64, DbError, Counter_load>",
    );
    assert_has(
        method("reset"),
        "Result<(), ::vaxel::__macro::SendError<()>>",
    );
    assert_has(
        method("send_reset"),
        "-> ::vaxel::__macro::Cast<(), Counter_reset>",
    );
    let file =
        "impl File { fn init() -> Self { File } #[call] fn read(&self) -> io::Result<u8> {} }";
    assert_has(
        expand("", file),
        "Call<<io::Result<u8> as ::vaxel::__macro::Outcome>::Ok",
    );
}

#[test]
fn visibility_docs_and_conditions_carry_over() {
    let written = written("", counter());
    assert_has(
        written.structure("CounterRef"),
        "pub(crate) struct CounterRef",
    );
    assert_has(
        written.function("Counter", "spawn"),
        "pub(crate) fn spawn(start: i64)",
    );
    let add = written.function("CounterRef", "add");
    assert_has(&add.vis, "pub");
    assert_has(&add.attrs[0], "Adds.");
    for item in [
        written.function("CounterRef", "load").to_token_stream(),
        written.structure("Counter_load").to_token_stream(),
        written
            .implementation("::vaxel::__macro::Message for Counter_load")
            .to_token_stream(),
        written
            .implementation("::vaxel::__macro::Handler<Counter_load> for Counter")
            .to_token_stream(),
    ] {
        assert_has(item, "#[cfg(feature = \"load\")]");
    }
}

#[test]
fn options_set_the_mailbox_and_the_root() {
    let bounded = written("mailbox = 256, crate = ours::place", counter());
    let actor = bounded.implementation("ours::place::__macro::Actor for Counter");
    assert_has(actor, "= ours::place::__macro::Mailbox::bounded(256);");
    let shown = written("debug = true", counter());
    let actor = shown.implementation("::vaxel::__macro::Actor for Counter");
    assert_has(actor, "fn inspect(&self)");
    let policy = written("mailbox = MAIL", counter());
    let actor = policy.implementation("::vaxel::__macro::Actor for Counter");
    assert_has(actor, "const MAILBOX: ::vaxel::__macro::Mailbox = MAIL;");
    let skips = written("skip_expired = true", counter());
    let actor = skips.implementation("::vaxel::__macro::Actor for Counter");
    assert_has(actor, "const SKIP_EXPIRED: ::core::primitive::bool = true;");
}

#[test]
fn generic_actors_keep_their_bounds() {
    let block = r#"
        impl<K: Hash + Send + 'static, V> Cache<K, V> where V: Clone + Send + 'static {
            fn init() -> Self { Cache::new() }
            #[call] fn take(&mut self, key: K) -> Option<V> { None }
            #[cast] fn merge(&mut self, other: Vec<Self>) {}
        }
    "#;
    let written = written("", block);
    let take = written.structure("Cache_take");
    assert_has(
        take,
        "<K: Hash + Send + 'static, V> where V: Clone + Send + 'static",
    );
    assert_has(take, "PhantomData<fn() -> Cache<K, V>>");
    assert_has(written.structure("Cache_merge"), "other: Vec<Cache<K, V>>");
    written.implementation("::vaxel::__macro::Handler<Cache_take<K, V>> for Cache<K, V>");
    assert_has(
        written.function("CacheRef<K, V>", "take"),
        "Cache_take::<K, V> { key,",
    );
}

#[test]
fn init_and_terminate_take_every_shape() {
    let block = r#"
        impl Ledger {
            async fn init(at: PathBuf, cap: u64, cx: &mut Context<Self>) -> io::Result<Self> {}
            async fn terminate(&mut self, why: &ExitReason) {}
        }
    "#;
    let written = written("", block);
    let init = written.function("::vaxel::__macro::Actor for Ledger", "init");
    assert_has(init, "match Self::init(given.0, given.1, cx).await");
    let end = written.function("::vaxel::__macro::Actor for Ledger", "terminate");
    assert_has(end, "Self::terminate(self, reason).await");
    assert_has(
        written.function("Ledger", "child"),
        "for<'__clone> u64: ::core::clone::Clone",
    );
}

#[test]
fn an_own_spawn_replaces_the_generated_one() {
    let block = "impl Counter { fn init() -> Self { Counter } fn spawn(at: Db) -> u8 { 1 } }";
    let written = written("", block);
    let spawn = |(_, item): &&(String, ItemImpl)| text(item).contains("fnspawn(");
    assert_eq!(written.impls.iter().filter(spawn).count(), 1);
    written.function("Counter", "spawn_in");
}

#[test]
fn misplaced_attributes_are_refused() {
    let on_struct = errors("", "struct Counter;");
    assert_eq!(
        on_struct,
        ["`#[actor]` goes on an impl block: `#[actor] impl Counter { … }`"]
    );
    let on_trait = errors("", "impl Clone for Counter {}");
    assert_eq!(
        on_trait,
        ["`#[actor]` goes on an inherent impl block, not on the implementation of a trait"]
    );
    let unnamed = errors("", "impl (u8, u8) { fn init() -> Self { (1, 2) } }");
    assert_eq!(unnamed, ["an actor is a struct or an enum with a name"]);
    let borrowing = errors("", "impl<'a> Walk<'a> { fn init() -> Self { Walk } }");
    assert_eq!(borrowing, ["an actor owns its state: it has no lifetimes"]);
    assert_eq!(
        errors_of("#[call] const N: u8 = 1;"),
        ["`#[call]` goes on a function"]
    );
}

#[test]
fn init_has_one_of_two_shapes() {
    let init = |member: &str| errors("", &format!("impl Counter {{ {member} }}"));
    let missing = ["an actor needs `fn init(args…) -> Self`, or `-> Result<Self, E>`"];
    assert_eq!(init(""), missing);
    let shape = ["`init` returns `Self`, or `Result<Self, E>` when it can fail"];
    assert_eq!(init("fn init() {}"), shape);
    assert_eq!(init("fn init() -> Option<Self> { None }"), shape);
    let method = ["`init` makes the actor, so there is no self yet"];
    assert_eq!(init("fn init(&self) -> Self {}"), method);
    let borrowed = ["an argument of `init` owns its data: use an owned type, not a reference"];
    assert_eq!(init("fn init(name: &str) -> Self {}"), borrowed);
    assert!(init("fn init(name: &'static str) -> Counter {}").is_empty());
}

#[test]
fn handlers_borrow_their_actor() {
    let missing = "needs `&mut self` or `&self`: it works on the actor's state";
    assert_eq!(
        errors_of("#[call] fn add(by: i64) {}"),
        [format!("`#[call]` {missing}")]
    );
    assert_eq!(
        errors_of("fn terminate() {}"),
        [format!("`terminate` {missing}")]
    );
    let owned = ["`#[cast]` borrows its actor: `&mut self` or `&self`"];
    assert_eq!(errors_of("#[cast] fn add(self) {}"), owned);
    assert_eq!(errors_of("#[cast] fn add(mut self: Box<Self>) {}"), owned);
    assert!(errors_of("#[cast] fn add(self: &mut Self) {}").is_empty());
}

#[test]
fn messages_and_replies_own_their_data() {
    let borrowed = "a message owns its data: use an owned type, not a reference";
    assert_eq!(
        errors_of("#[call] fn put(&mut self, key: &str) {}"),
        [borrowed]
    );
    let two = errors_of("#[call] fn put(&mut self, key: Option<&str>, value: &[u8]) {}");
    assert_eq!(two, [borrowed, borrowed]);
    assert!(errors_of("#[call] fn put(&mut self, with: Box<dyn Fn(&str) + Send>) {}").is_empty());
    assert!(errors_of("#[call] fn put(&mut self, with: fn(&str) -> u8) {}").is_empty());
    let reply = "a reply owns its data: use an owned type, not a reference";
    assert_eq!(
        errors_of(r#"#[call] fn name(&self) -> &str { "" }"#),
        [reply]
    );
    let unnamed = "a message has one type: name it instead of `impl Trait`";
    assert_eq!(
        errors_of("#[cast] fn put(&mut self, key: impl Into<String>) {}"),
        [unnamed]
    );
}

#[test]
fn each_handler_has_one_meaning() {
    assert_eq!(
        errors_of("#[call] #[cast] fn add(&mut self) {}"),
        ["`#[cast]` after `#[call]`: a handler has one marker"]
    );
    assert_eq!(
        errors_of("#[call(5)] fn add(&self) {}"),
        ["`#[call]` takes no arguments"]
    );
    assert_eq!(
        errors_of("#[cast(keys = who)] fn add(&mut self, who: u8) {}"),
        ["unknown option `keys`: expected `key`"]
    );
    assert_eq!(
        errors_of("#[cast = 5] fn add(&mut self) {}"),
        ["`#[cast]` takes one argument, `key = …`"]
    );
    assert_eq!(
        errors_of("#[cast] fn add(&mut self) -> u8 { 1 }"),
        ["`#[cast]` has no reply: use `#[call]` to answer"]
    );
    let one = ["`#[info]` takes one message: `fn name(&mut self, message: M)`"];
    assert_eq!(errors_of("#[info] fn down(&mut self) {}"), one);
    assert_eq!(errors_of("#[info] fn down(&mut self, a: A, b: B) {}"), one);
    assert_eq!(
        errors_of("#[call] fn spawn(&mut self) {}"),
        ["every actor has a generated `spawn`: name this handler differently"]
    );
}

#[test]
fn signatures_are_plain() {
    assert_eq!(
        errors_of("#[call] fn put<T: Send>(&mut self, value: T) {}"),
        ["`put` has no generics of its own: put them on the actor"]
    );
    assert_eq!(
        errors_of("#[call] fn put(&mut self, cx: &mut Context<Self>, value: u8) {}"),
        ["the context is the last argument"]
    );
    assert_eq!(
        errors_of("#[call] unsafe fn put(&mut self) {}"),
        ["the runtime calls this function: it cannot be unsafe"]
    );
    assert_eq!(
        errors_of("fn terminate(&mut self, reason: ExitReason) {}"),
        ["`terminate` takes at most `reason: &ExitReason` and the context"]
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found = errors(
        "mailbox = 0",
        r#"
            impl Counter {
                fn init() -> u8 { 1 }
                #[call] fn add(by: i64) {}
                #[cast] fn put(&mut self, key: &str) {}
            }
"#,
    );
    assert_eq!(found.len(), 4, "{found:#?}");
    let option = errors("inbox = 5", counter());
    assert_eq!(
        option,
        ["unknown option `inbox`: expected `mailbox`, `skip_expired`, `debug` or `crate`"]
    );
}

#[test]
fn errors_point_at_what_is_wrong() {
    let item: TokenStream = "impl C {\n fn init() -> Self { C }\n #[call]\n fn add(by: u8) {} }"
        .parse()
        .expect("the text is a block");
    let mut item = syn::parse2::<ItemImpl>(item).expect("an impl");
    let Err(error) = super::Block::take(&mut item) else {
        panic!("the block was accepted")
    };
    let start = error.span().start();
    assert_eq!(
        (start.line, start.column),
        (4, 4),
        "the name of the function without self"
    );
}
