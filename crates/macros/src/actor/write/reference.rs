//! The typed reference: a newtype of `ActorRef` with a method per call and cast.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::super::block::{Handler, Kind};
use super::super::types;
use super::{Writer, declared, outside};

impl Writer<'_> {
    /// The struct itself, as visible as `init`.
    pub(super) fn reference_type(&self) -> TokenStream {
        let Writer {
            block,
            support,
            reference,
            ..
        } = self;
        let visibility = &block.init.function.visibility;
        let (parameters, where_clause) = declared(&block.generics);
        let self_type = &block.self_type;
        let doc = format!(
            "A typed reference to a [`{0}`] actor: cheap to clone, valid across restarts.\n\n\
             It dereferences to the actor's `ActorRef`.",
            block.name
        );
        quote_spanned! {block.name.span()=>
            #[doc = #doc]
            #visibility struct #reference #parameters (#support::ActorRef<#self_type>)
            #where_clause;
        }
    }

    pub(super) fn reference_impls(&self) -> TokenStream {
        let methods = self.methods();
        let conversions = self.conversions();
        let comparisons = self.comparisons();
        quote!(#methods #conversions #comparisons)
    }

    fn methods(&self) -> TokenStream {
        let Writer {
            support, reference, ..
        } = self;
        let (impl_generics, type_generics, where_clause) = self.generics();
        let visibility = &self.block.init.function.visibility;
        let methods = self
            .block
            .handlers
            .iter()
            .filter_map(|handler| match handler.kind {
                Kind::Call => Some(self.call_method(handler)),
                Kind::Cast => {
                    let (cast, send) = (self.cast_method(handler), self.send_method(handler));
                    Some(quote!(#cast #send))
                }
                Kind::Info => None,
            });
        let is_taken = self
            .block
            .handlers
            .iter()
            .any(|handler| handler.function.name == "whereis");
        let whereis = (!is_taken).then(|| {
            quote! {
                /// The actor of this type that is registered under `name` in the current system.
                #visibility fn whereis(name: &str) -> ::core::option::Option<Self> {
                    #support::System::current().whereis(name).map(Self)
                }
            }
        });
        quote! {
            // A message type is as private as can be; that it shows in a signature harms nobody.
            #[allow(dead_code, private_interfaces)]
            impl #impl_generics #reference #type_generics #where_clause {
                #whereis
                #(#methods)*
            }
        }
    }

    fn call_method(&self, handler: &Handler) -> TokenStream {
        let support = &self.support;
        let output = outside(&handler.function.output, self.block);
        let (ok, error) = if !types::is_called(&output, "Result") {
            (quote!(#output), quote!(::core::convert::Infallible))
        } else if let Some((ok, error)) = types::result_arguments(&output) {
            (quote!(#ok), quote!(#error))
        } else {
            let outcome = quote!(<#output as #support::Outcome>);
            (quote!(#outcome::Ok), quote!(#outcome::Error))
        };
        let (name, message) = (self.message_name(handler), self.packed(handler));
        let (_, type_generics, _) = self.generics();
        let returned = quote!(#support::Call<#ok, #error, #name #type_generics>);
        self.method(
            handler,
            &returned,
            &quote!(#support::call(&self.0, #message)),
        )
    }

    fn cast_method(&self, handler: &Handler) -> TokenStream {
        let (support, given) = (&self.support, self.given(handler));
        let returned = quote!(::core::result::Result<(), #support::SendError<#given>>);
        let (message, unpack) = (self.packed(handler), self.unpacked(handler));
        self.method(
            handler,
            &returned,
            &quote!(#support::cast(&self.0, #message, #unpack)),
        )
    }

    /// The form of a cast that is awaited, `send_name`, unless a handler of the block is called so.
    fn send_method(&self, handler: &Handler) -> Option<TokenStream> {
        let (support, given) = (&self.support, self.given(handler));
        let function = &handler.function;
        let name = format_ident!("send_{}", function.plain_name(), span = function.span());
        let mut handlers = self.block.handlers.iter();
        if handlers.any(|other| other.function.name == name) {
            return None;
        }
        let (message_name, message) = (self.message_name(handler), self.packed(handler));
        let unpack = self.unpacked(handler);
        let (_, type_generics, _) = self.generics();
        let returned = quote!(#support::Cast<#given, #message_name #type_generics>);
        let body = quote!(#support::send(&self.0, #message, #unpack));
        let doc = format!(
            "As [`{0}`](Self::{0}), but sent when it is awaited: where the mailbox is one that \
             lets senders wait, it waits for room.",
            function.plain_name()
        );
        let conditions = function
            .attributes
            .iter()
            .filter(|kept| !kept.path().is_ident("doc"));
        let attributes = quote!(#[doc = #doc] #(#conditions)*);
        Some(self.named_method(handler, &name, &attributes, &returned, &body))
    }

    /// What a cast is given: nothing, the one argument, or a tuple of them.
    fn given(&self, handler: &Handler) -> TokenStream {
        let types = handler
            .function
            .arguments
            .iter()
            .map(|argument| outside(&argument.ty, self.block));
        match handler.function.arguments.len() {
            1 => quote!(#(#types)*),
            _ => quote!((#(#types),*)),
        }
    }

    fn method(&self, handler: &Handler, returned: &TokenStream, body: &TokenStream) -> TokenStream {
        let function = &handler.function;
        let attributes = &function.attributes;
        let attributes = quote!(#(#attributes)*);
        self.named_method(handler, &function.name, &attributes, returned, body)
    }

    fn named_method(
        &self,
        handler: &Handler,
        name: &Ident,
        attributes: &TokenStream,
        returned: &TokenStream,
        body: &TokenStream,
    ) -> TokenStream {
        let function = &handler.function;
        let visibility = &function.visibility;
        let arguments = function.arguments.iter().map(|argument| {
            let (name, ty) = (&argument.name, outside(&argument.ty, self.block));
            quote!(#name: #ty)
        });
        quote_spanned! {function.span()=>
            #attributes
            #visibility fn #name(&self, #(#arguments),*) -> #returned {
                #body
            }
        }
    }

    fn conversions(&self) -> TokenStream {
        let Writer {
            support,
            reference,
            block,
            ..
        } = self;
        let (impl_generics, type_generics, where_clause) = self.generics();
        let self_type = &block.self_type;
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::ops::Deref for #reference #type_generics #where_clause {
                type Target = #support::ActorRef<#self_type>;
                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }
            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#support::ActorRef<#self_type>>
                for #reference #type_generics #where_clause
            {
                fn from(actor: #support::ActorRef<#self_type>) -> Self {
                    Self(actor)
                }
            }
            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#reference #type_generics>
                for #support::ActorRef<#self_type> #where_clause
            {
                fn from(reference: #reference #type_generics) -> Self {
                    reference.0
                }
            }
        }
    }

    fn comparisons(&self) -> TokenStream {
        let Writer { reference, .. } = self;
        let (impl_generics, type_generics, where_clause) = self.generics();
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::clone::Clone for #reference #type_generics #where_clause {
                fn clone(&self) -> Self {
                    Self(::core::clone::Clone::clone(&self.0))
                }
            }
            #[automatically_derived]
            impl #impl_generics ::core::fmt::Debug for #reference #type_generics #where_clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Debug::fmt(&self.0, f)
                }
            }
            #[automatically_derived]
            impl #impl_generics ::core::cmp::PartialEq
                for #reference #type_generics #where_clause
            {
                fn eq(&self, other: &Self) -> bool {
                    self.0 == other.0
                }
            }
            #[automatically_derived]
            impl #impl_generics ::core::cmp::Eq for #reference #type_generics #where_clause {}
            #[automatically_derived]
            impl #impl_generics ::core::hash::Hash for #reference #type_generics #where_clause {
                fn hash<__H: ::core::hash::Hasher>(&self, state: &mut __H) {
                    ::core::hash::Hash::hash(&self.0, state);
                }
            }
        }
    }
}
