//! One function of the block, read down to what the generated code needs of it.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, Ident, ImplItemFn, Pat, PatType, Receiver, Result, ReturnType, Type,
    Visibility, parse_quote,
};

use super::types;

/// A function that the macro understands: `init`, `terminate` or a handler.
pub(crate) struct Function {
    /// Doc comments, `cfg` and `deprecated`: what carries over to generated items.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) is_async: bool,
    pub(crate) receiver: Option<Receiver>,
    /// The arguments between the receiver and the context.
    pub(crate) arguments: Vec<Argument>,
    pub(crate) takes_context: bool,
    pub(crate) output: Type,
}

pub(crate) struct Argument {
    /// The name written, or `argument_n` where a pattern is.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

impl Function {
    /// Reads the signature; fails on what no generated call could satisfy.
    pub(crate) fn read(item: &ImplItemFn) -> Result<Function> {
        refuse_modifiers(item)?;
        let mut receiver = None;
        let mut arguments = Vec::new();
        let mut takes_context = false;
        for (position, input) in item.sig.inputs.iter().enumerate() {
            match input {
                FnArg::Receiver(found) => receiver = Some(found.clone()),
                FnArg::Typed(input) if types::is_context(&input.ty) => {
                    if position + 1 != item.sig.inputs.len() {
                        let text = "the context is the last argument";
                        return Err(Error::new_spanned(input, text));
                    }
                    takes_context = true;
                }
                FnArg::Typed(input) => arguments.push(Argument::read(input, arguments.len())),
            }
        }
        Ok(Function {
            attributes: carried(&item.attrs),
            visibility: item.vis.clone(),
            name: item.sig.ident.clone(),
            is_async: item.sig.asyncness.is_some(),
            receiver,
            arguments,
            takes_context,
            output: match &item.sig.output {
                ReturnType::Default => parse_quote!(()),
                ReturnType::Type(_, ty) => (**ty).clone(),
            },
        })
    }

    /// The name without `r#`, for building other names.
    pub(crate) fn plain_name(&self) -> Ident {
        self.name.unraw()
    }

    pub(crate) fn span(&self) -> Span {
        self.name.span()
    }

    /// The conditions under which the function exists at all.
    pub(crate) fn conditions(&self) -> Vec<&Attribute> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .collect()
    }

    /// Fails unless the function borrows its actor.
    pub(crate) fn must_borrow_self(&self, what: &str) -> Result<()> {
        match &self.receiver {
            None => Err(Error::new(
                self.span(),
                format!("{what} needs `&mut self` or `&self`: it works on the actor's state"),
            )),
            Some(receiver) if !matches!(*receiver.ty, Type::Reference(_)) => {
                Err(Error::new_spanned(
                    receiver,
                    format!("{what} borrows its actor: `&mut self` or `&self`"),
                ))
            }
            Some(_) => Ok(()),
        }
    }

    /// Fails when an argument borrows: it has to travel in a message.
    pub(crate) fn must_own_arguments(&self, what: &'static str) -> Result<()> {
        let mut errors = Vec::new();
        for argument in &self.arguments {
            errors.extend(types::must_own(&argument.ty, what).err());
        }
        combined(errors)
    }
}

impl Argument {
    fn read(input: &PatType, position: usize) -> Argument {
        let name = match &*input.pat {
            Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
            other => Ident::new(&format!("argument_{position}"), other.span()),
        };
        Argument {
            name,
            ty: (*input.ty).clone(),
        }
    }
}

fn refuse_modifiers(item: &ImplItemFn) -> Result<()> {
    let signature = &item.sig;
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new_spanned(
            parameter,
            format!(
                "`{}` has no generics of its own: put them on the actor",
                signature.ident
            ),
        ));
    }
    if let Some(clause) = &signature.generics.where_clause {
        let text = "conditions belong on the actor's impl block";
        return Err(Error::new_spanned(clause, text));
    }
    if let Some(token) = &signature.unsafety {
        return Err(Error::new(
            token.span,
            "the runtime calls this function: it cannot be unsafe",
        ));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new_spanned(
            variadic,
            "a message has a fixed set of arguments",
        ));
    }
    Ok(())
}

fn carried(attributes: &[Attribute]) -> Vec<Attribute> {
    let kept = ["doc", "cfg", "deprecated"];
    let is_kept = |attribute: &&Attribute| kept.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(is_kept).cloned().collect()
}

/// All errors as one, so that a block with three mistakes reports three.
pub(crate) fn combined(errors: Vec<Error>) -> Result<()> {
    let whole = errors.into_iter().reduce(|mut whole, error| {
        whole.combine(error);
        whole
    });
    whole.map_or(Ok(()), Err)
}
