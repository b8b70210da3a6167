//! One message type per call and cast, one `Handler` implementation per handler.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::super::block::Handler;
use super::{Writer, call, declared, has_own_message, local, outside};

impl Writer<'_> {
    pub(super) fn messages(&self) -> TokenStream {
        let handlers = self.block.handlers.iter().map(|handler| {
            let message = has_own_message(handler.kind).then(|| self.message(handler));
            let implementation = self.handler(handler);
            quote!(#message #implementation)
        });
        quote!(#(#handlers)*)
    }

    /// `Counter_add`: no type a user writes is called so, and logs read well with it.
    pub(super) fn message_name(&self, handler: &Handler) -> Ident {
        let function = &handler.function;
        format_ident!(
            "{}_{}",
            self.block.name,
            function.plain_name(),
            span = function.span()
        )
    }

    fn message(&self, handler: &Handler) -> TokenStream {
        let Writer { block, support, .. } = self;
        let function = &handler.function;
        let conditions = function.conditions();
        let name = self.message_name(handler);
        let (parameters, where_clause) = declared(&block.generics);
        let (impl_generics, type_generics, _) = self.generics();
        let fields = function.arguments.iter().map(|argument| {
            let (field, ty) = (&argument.name, outside(&argument.ty, block));
            quote!(#field: #ty,)
        });
        let marker = self.is_generic().then(|| {
            let self_type = &block.self_type;
            quote!(__actor: ::core::marker::PhantomData<fn() -> #self_type>,)
        });
        let (reply, key) = (outside(&function.output, block), self.key(handler));
        // What the methods return names the message, so it is as visible as they are.
        let visibility = &function.visibility;
        quote! {
            #(#conditions)*
            #[doc(hidden)]
            #[allow(non_camel_case_types)]
            #visibility struct #name #parameters #where_clause { #(#fields)* #marker }

            #(#conditions)*
            #[automatically_derived]
            impl #impl_generics #support::Message for #name #type_generics #where_clause {
                type Reply = #reply;
                #key
            }
        }
    }

    /// What the message is about. The expression sees the arguments by reference.
    fn key(&self, handler: &Handler) -> Option<TokenStream> {
        let key = handler.key.as_ref()?;
        let support = &self.support;
        let fields = handler
            .function
            .arguments
            .iter()
            .map(|argument| &argument.name);
        Some(quote! {
            fn key(&self) -> ::core::option::Option<::core::primitive::u64> {
                #[allow(unused_variables)]
                let Self { #(#fields,)* .. } = self;
                ::core::option::Option::Some(#support::key_of(&(#key)))
            }
        })
    }

    fn handler(&self, handler: &Handler) -> TokenStream {
        let Writer { block, support, .. } = self;
        let function = &handler.function;
        let span = function.span();
        let conditions = function.conditions();
        let (message, context) = (local("message", span), local("cx", span));
        let (impl_generics, type_generics, where_clause) = self.generics();
        let self_type = &block.self_type;
        let (message_type, passed) = if has_own_message(handler.kind) {
            let name = self.message_name(handler);
            let fields = function.arguments.iter().map(|argument| &argument.name);
            let passed = fields.map(|field| quote!(#message.#field)).collect();
            (quote!(#name #type_generics), passed)
        } else {
            let ty = &function.arguments[0].ty;
            (quote!(#ty), vec![quote!(#message)])
        };
        let output = &function.output;
        let body = call(function, Some(quote!(self)), &passed, &context);
        quote_spanned! {span=>
            #(#conditions)*
            #[automatically_derived]
            impl #impl_generics #support::Handler<#message_type> for #self_type #where_clause {
                #[allow(unused_variables)]
                async fn handle(
                    &mut self,
                    #message: #message_type,
                    #context: &mut #support::Context<Self>,
                ) -> #output {
                    #body
                }
            }
        }
    }

    /// The expression that packs a typed method's arguments into the message.
    pub(super) fn packed(&self, handler: &Handler) -> TokenStream {
        let name = self.message_name(handler);
        let (_, type_generics, _) = self.generics();
        let turbofish = type_generics.as_turbofish();
        let fields = handler
            .function
            .arguments
            .iter()
            .map(|argument| &argument.name);
        let marker = self
            .is_generic()
            .then(|| quote!(__actor: ::core::marker::PhantomData));
        quote!(#name #turbofish { #(#fields,)* #marker })
    }

    /// The closure that gives a refused message's arguments back: nothing, the one, or a tuple.
    pub(super) fn unpacked(&self, handler: &Handler) -> TokenStream {
        let span = handler.function.span();
        let message = local("message", span);
        let fields = handler
            .function
            .arguments
            .iter()
            .map(|argument| &argument.name);
        match handler.function.arguments.len() {
            0 => quote!(|_| ()),
            1 => quote!(|#message| #(#message.#fields)*),
            _ => quote!(|#message| (#(#message.#fields),*)),
        }
    }
}
