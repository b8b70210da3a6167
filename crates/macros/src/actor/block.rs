//! The `impl` block: which function is what.

use syn::parse::ParseStream;
use syn::{
    Attribute, Error, Expr, Generics, Ident, ImplItem, ImplItemFn, ItemImpl, Meta, PathArguments,
    Result, Type,
};

use super::function::{Function, combined};
use super::types;
use crate::options;

/// Everything the block says about its actor.
pub(crate) struct Block {
    /// The type's own name, the stem of every generated name.
    pub(crate) name: Ident,
    pub(crate) self_type: Type,
    pub(crate) generics: Generics,
    pub(crate) init: Init,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) terminate: Option<Terminate>,
    /// Functions of the block that replace a generated one of the same name.
    pub(crate) replaced: Vec<Ident>,
}

pub(crate) struct Init {
    pub(crate) function: Function,
    pub(crate) is_fallible: bool,
}

pub(crate) struct Terminate {
    pub(crate) function: Function,
    pub(crate) takes_reason: bool,
}

pub(crate) struct Handler {
    pub(crate) kind: Kind,
    /// What the messages of a cast are about, over its arguments.
    pub(crate) key: Option<Expr>,
    pub(crate) function: Function,
}

/// `#[call]`, `#[cast]`, `#[cast(key = …)]` or `#[info]`.
struct Marker {
    kind: Kind,
    key: Option<Expr>,
}

impl Marker {
    /// Reads the arguments of the attribute; a cast has one.
    fn read(kind: Kind, attribute: &Attribute) -> Result<Marker> {
        let mut key = None;
        match &attribute.meta {
            Meta::Path(_) => {}
            Meta::List(list) if kind == Kind::Cast => {
                list.parse_args_with(|input: ParseStream<'_>| {
                    options::each(input, |name, value| {
                        if name != "key" {
                            return Err(options::unknown(name, "`key`"));
                        }
                        key = Some(value.parse()?);
                        Ok(())
                    })
                })?;
            }
            _ if kind == Kind::Cast => {
                let text = "`#[cast]` takes one argument, `key = …`";
                return Err(Error::new_spanned(attribute, text));
            }
            _ => {
                let text = format!("{} takes no arguments", kind.marker());
                return Err(Error::new_spanned(attribute, text));
            }
        }
        Ok(Marker { kind, key })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Cast,
    Info,
}

impl Kind {
    fn of(attribute: &Attribute) -> Option<Kind> {
        let path = attribute.path();
        [
            (Kind::Call, "call"),
            (Kind::Cast, "cast"),
            (Kind::Info, "info"),
        ]
        .into_iter()
        .find_map(|(kind, name)| path.is_ident(name).then_some(kind))
    }

    fn marker(self) -> &'static str {
        match self {
            Kind::Call => "`#[call]`",
            Kind::Cast => "`#[cast]`",
            Kind::Info => "`#[info]`",
        }
    }
}

/// The functions written beside the actor's own.
pub(crate) const GENERATED: [&str; 3] = ["spawn", "spawn_in", "child"];

impl Block {
    /// Reads the block and takes the markers out of it, also when it fails.
    pub(crate) fn take(item: &mut ItemImpl) -> Result<Block> {
        let mut errors = Vec::new();
        let mut functions = Vec::new();
        for member in &mut item.items {
            match member {
                ImplItem::Fn(function) => {
                    let marker = take_marker(&mut function.attrs, &mut errors);
                    functions.push((marker, &*function));
                }
                ImplItem::Const(constant) => refuse_marker(&mut constant.attrs, &mut errors),
                ImplItem::Type(alias) => refuse_marker(&mut alias.attrs, &mut errors),
                _ => {}
            }
        }
        let mut parts = Parts::default();
        for (marker, function) in functions {
            errors.extend(parts.add(marker, function, &item.self_ty).err());
        }
        let name = actor_name(&item.self_ty)
            .map_err(|error| errors.push(error))
            .ok();
        errors.extend(refuse_lifetimes(&item.generics).err());
        if parts.init.is_none() && !parts.init_failed {
            errors.push(Error::new_spanned(
                &item.self_ty,
                "an actor needs `fn init(args…) -> Self`, or `-> Result<Self, E>`",
            ));
        }
        combined(errors)?;
        Ok(Block {
            name: name.expect("its error was returned"),
            self_type: (*item.self_ty).clone(),
            generics: item.generics.clone(),
            init: parts.init.expect("its error was returned"),
            handlers: parts.handlers,
            terminate: parts.terminate,
            replaced: parts.replaced,
        })
    }
}

#[derive(Default)]
struct Parts {
    init: Option<Init>,
    /// An `init` is there, and its own error says what is wrong with it.
    init_failed: bool,
    handlers: Vec<Handler>,
    terminate: Option<Terminate>,
    replaced: Vec<Ident>,
}

impl Parts {
    fn add(&mut self, marker: Option<Marker>, item: &ImplItemFn, self_type: &Type) -> Result<()> {
        let name = &item.sig.ident;
        if let Some(marker) = marker {
            self.handlers.push(handler(marker, Function::read(item)?)?);
        } else if name == "init" {
            self.init_failed = true;
            self.init = Some(init(Function::read(item)?, self_type)?);
        } else if name == "terminate" {
            self.terminate = Some(terminate(Function::read(item)?)?);
        } else if GENERATED.iter().any(|generated| name == generated) {
            self.replaced.push(name.clone());
        }
        Ok(())
    }
}

fn take_marker(attributes: &mut Vec<Attribute>, errors: &mut Vec<Error>) -> Option<Marker> {
    let mut found: Option<Marker> = None;
    attributes.retain(|attribute| {
        let Some(kind) = Kind::of(attribute) else {
            return true;
        };
        if let Some(first) = &found {
            let text = format!(
                "{} after {}: a handler has one marker",
                kind.marker(),
                first.kind.marker()
            );
            errors.push(Error::new_spanned(attribute, text));
        }
        match Marker::read(kind, attribute) {
            Ok(marker) => _ = found.get_or_insert(marker),
            Err(error) => {
                errors.push(error);
                found.get_or_insert(Marker { kind, key: None });
            }
        }
        false
    });
    found
}

fn refuse_marker(attributes: &mut Vec<Attribute>, errors: &mut Vec<Error>) {
    attributes.retain(|attribute| {
        let Some(kind) = Kind::of(attribute) else {
            return true;
        };
        let text = format!("{} goes on a function", kind.marker());
        errors.push(Error::new_spanned(attribute, text));
        false
    });
}

fn handler(Marker { kind, key }: Marker, function: Function) -> Result<Handler> {
    let marker = kind.marker();
    function.must_borrow_self(marker)?;
    function.must_own_arguments("a message")?;
    if GENERATED.iter().any(|generated| function.name == generated) {
        let text = format!(
            "every actor has a generated `{}`: name this handler",
            function.name
        );
        return Err(Error::new(function.span(), format!("{text} differently")));
    }
    types::must_own(&function.output, "a reply")?;
    match kind {
        Kind::Call => {}
        Kind::Cast => {
            if !matches!(&function.output, Type::Tuple(tuple) if tuple.elems.is_empty()) {
                return Err(Error::new_spanned(
                    &function.output,
                    "`#[cast]` has no reply: use `#[call]` to answer",
                ));
            }
        }
        Kind::Info => {
            if function.arguments.len() != 1 {
                return Err(Error::new(
                    function.span(),
                    "`#[info]` takes one message: `fn name(&mut self, message: M)`",
                ));
            }
        }
    }
    Ok(Handler {
        kind,
        key,
        function,
    })
}

fn init(function: Function, self_type: &Type) -> Result<Init> {
    if let Some(receiver) = &function.receiver {
        let text = "`init` makes the actor, so there is no self yet";
        return Err(Error::new_spanned(receiver, text));
    }
    function.must_own_arguments("an argument of `init`")?;
    let is_fallible = types::is_called(&function.output, "Result");
    let is_self = types::is_called(&function.output, "Self") || function.output == *self_type;
    if !is_fallible && !is_self {
        return Err(Error::new_spanned(
            &function.output,
            "`init` returns `Self`, or `Result<Self, E>` when it can fail",
        ));
    }
    Ok(Init {
        function,
        is_fallible,
    })
}

fn terminate(function: Function) -> Result<Terminate> {
    function.must_borrow_self("`terminate`")?;
    let shape = "`terminate` takes at most `reason: &ExitReason` and the context";
    let takes_reason = match &function.arguments[..] {
        [] => false,
        [reason] if matches!(&reason.ty, Type::Reference(to) if to.mutability.is_none()) => true,
        [other, ..] => return Err(Error::new_spanned(&other.ty, shape)),
    };
    if !matches!(&function.output, Type::Tuple(tuple) if tuple.elems.is_empty()) {
        return Err(Error::new_spanned(
            &function.output,
            "`terminate` returns nothing",
        ));
    }
    Ok(Terminate {
        function,
        takes_reason,
    })
}

fn actor_name(self_type: &Type) -> Result<Ident> {
    if let Type::Path(path) = self_type
        && path.qself.is_none()
        && let Some(last) = path.path.segments.last()
        && !matches!(last.arguments, PathArguments::Parenthesized(_))
    {
        return Ok(last.ident.clone());
    }
    Err(Error::new_spanned(
        self_type,
        "an actor is a struct or an enum with a name",
    ))
}

fn refuse_lifetimes(generics: &Generics) -> Result<()> {
    match generics.lifetimes().next() {
        Some(lifetime) => Err(Error::new_spanned(
            lifetime,
            "an actor owns its state: it has no lifetimes",
        )),
        None => Ok(()),
    }
}
