//! The code that a block stands for.
//!
//! The reference type is an item beside the block, because users name it. Everything else sits in
//! a `const _` block: the implementations apply everywhere, and the message types inside cannot
//! collide with anything a user wrote.

mod messages;
mod reference;
mod spawn;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Expr, Generics, Ident, Index, Type, TypeGenerics, WhereClause};

use super::Options;
use super::block::{Block, Kind, Terminate};
use super::function::Function;

/// The names and fragments that every part of the output shares.
struct Writer<'a> {
    block: &'a Block,
    /// The module of the actor crate that exists for generated code.
    support: TokenStream,
    reference: Ident,
}

pub(crate) fn all(options: &Options, block: &Block) -> TokenStream {
    let root = &options.root.0;
    let writer = Writer {
        block,
        support: quote!(#root::__macro),
        reference: format_ident!("{}Ref", block.name),
    };
    let reference = writer.reference_type();
    let hidden = [
        writer.actor(options),
        writer.messages(),
        writer.reference_impls(),
        writer.spawn(),
    ];
    quote! {
        #reference
        const _: () = { #(#hidden)* };
    }
}

impl Writer<'_> {
    fn generics(
        &self,
    ) -> (
        syn::ImplGenerics<'_>,
        TypeGenerics<'_>,
        Option<&WhereClause>,
    ) {
        self.block.generics.split_for_impl()
    }

    fn is_generic(&self) -> bool {
        !self.block.generics.params.is_empty()
    }

    /// `impl Actor for …`.
    fn actor(&self, options: &Options) -> TokenStream {
        let Writer { block, support, .. } = self;
        let (impl_generics, _, where_clause) = self.generics();
        let self_type = &block.self_type;
        let arguments = self.arguments_type();
        let inspect = options.debug.then(|| {
            quote! {
                fn inspect(&self) -> ::std::option::Option<::std::string::String> {
                    ::std::option::Option::Some(::std::format!("{self:#?}"))
                }
            }
        });
        let mailbox = options.mailbox.as_ref().map(|mailbox| {
            let value = match mailbox {
                Expr::Lit(count) => quote!(#support::Mailbox::bounded(#count)),
                policy => policy.to_token_stream(),
            };
            quote!(const MAILBOX: #support::Mailbox = #value;)
        });
        let init = self.init();
        let terminate = block
            .terminate
            .as_ref()
            .map(|terminate| self.terminate(terminate));
        quote! {
            #[automatically_derived]
            impl #impl_generics #support::Actor for #self_type #where_clause {
                type Args = #arguments;
                #mailbox
                #init
                #terminate
                #inspect
            }
        }
    }

    /// Nothing, the one type, or a tuple.
    fn arguments_type(&self) -> TokenStream {
        let types = self
            .block
            .init
            .function
            .arguments
            .iter()
            .map(|argument| &argument.ty);
        match self.block.init.function.arguments.len() {
            1 => quote!(#(#types)*),
            _ => quote!((#(#types),*)),
        }
    }

    fn init(&self) -> TokenStream {
        let support = &self.support;
        let function = &self.block.init.function;
        let span = function.span();
        let (given, context) = (local("given", span), local("cx", span));
        let passed = match function.arguments.len() {
            0 => Vec::new(),
            1 => vec![quote!(#given)],
            count => (0..count)
                .map(Index::from)
                .map(|at| quote!(#given.#at))
                .collect(),
        };
        let call = call(function, None, &passed, &context);
        let made = if self.block.init.is_fallible {
            quote!(match #call {
                ::core::result::Result::Ok(actor) => ::core::result::Result::Ok(actor),
                ::core::result::Result::Err(error) => {
                    // One of the two traits gives the method, depending on what the error is.
                    #[allow(unused_imports)]
                    use #support::{ReasonOfDisplay as _, ReasonOfError as _};
                    ::core::result::Result::Err((&#support::Failure(error)).reason())
                }
            })
        } else {
            quote!(::core::result::Result::Ok(#call))
        };
        quote_spanned! {span=>
            #[allow(unused_variables)]
            async fn init(
                #given: Self::Args,
                #context: &mut #support::Context<Self>,
            ) -> ::core::result::Result<Self, #support::ExitReason> {
                #made
            }
        }
    }

    fn terminate(&self, terminate: &Terminate) -> TokenStream {
        let support = &self.support;
        let span = terminate.function.span();
        let (reason, context) = (local("reason", span), local("cx", span));
        let passed = if terminate.takes_reason {
            vec![quote!(#reason)]
        } else {
            Vec::new()
        };
        let call = call(&terminate.function, Some(quote!(self)), &passed, &context);
        quote_spanned! {span=>
            #[allow(unused_variables)]
            async fn terminate(
                &mut self,
                #reason: &#support::ExitReason,
                #context: &mut #support::Context<Self>,
            ) {
                #call
            }
        }
    }
}

/// A local name that no user's name can meet.
fn local(name: &str, span: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(span))
}

/// `Self::name(receiver, arguments…, context)`, awaited if the function is async.
fn call(
    function: &Function,
    receiver: Option<TokenStream>,
    passed: &[TokenStream],
    context: &Ident,
) -> TokenStream {
    let name = &function.name;
    let context = function.takes_context.then(|| context.to_token_stream());
    let arguments = receiver
        .into_iter()
        .chain(passed.iter().cloned())
        .chain(context);
    let call = quote_spanned!(function.span()=> Self::#name(#(#arguments),*));
    if function.is_async {
        quote!(#call.await)
    } else {
        call
    }
}

/// The generics as a struct declares them, bounds included.
fn declared(generics: &Generics) -> (TokenStream, Option<&WhereClause>) {
    let parameters = &generics.params;
    let parameters = if parameters.is_empty() {
        quote!()
    } else {
        quote!(<#parameters>)
    };
    (parameters, generics.where_clause.as_ref())
}

/// The type as seen from outside the actor's block.
fn outside(ty: &Type, block: &Block) -> Type {
    super::types::without_self(ty, &block.self_type)
}

/// Calls and casts have message types of their own; an info's exists already.
fn has_own_message(kind: Kind) -> bool {
    kind != Kind::Info
}
