//! `spawn`, `spawn_in` and `child`: the arguments of `init`, packed for the runtime.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::block::GENERATED;
use super::{Writer, outside};

impl Writer<'_> {
    pub(super) fn spawn(&self) -> TokenStream {
        let (impl_generics, _, where_clause) = self.generics();
        let self_type = &self.block.self_type;
        let [spawn, spawn_in, child] = GENERATED;
        let functions = [
            (spawn, self.spawn_here()),
            (spawn_in, self.spawn_in()),
            (child, self.child()),
        ]
        .into_iter()
        .filter(|(name, _)| !self.block.replaced.iter().any(|replaced| replaced == name))
        .map(|(_, function)| function);
        quote! {
            #[allow(dead_code)]
            impl #impl_generics #self_type #where_clause {
                #(#functions)*
            }
        }
    }

    fn spawn_here(&self) -> TokenStream {
        let Writer { support, .. } = self;
        let (visibility, parameters, packed) = self.parts();
        let reference = self.returned();
        quote! {
            /// Starts the actor in the current system; its `init` runs in the new actor.
            ///
            /// # Panics
            /// When called outside of every system.
            #visibility fn spawn(#(#parameters),*) -> #reference {
                #support::spawn::<Self>(#packed).into()
            }
        }
    }

    fn spawn_in(&self) -> TokenStream {
        let Writer { support, .. } = self;
        let (visibility, parameters, packed) = self.parts();
        let reference = self.returned();
        let system = super::local("system", self.block.init.function.span());
        quote! {
            /// Starts the actor in the given system; its `init` runs in the new actor.
            #visibility fn spawn_in(
                #system: &#support::System,
                #(#parameters),*
            ) -> #reference {
                #system.spawn::<Self>(#packed).into()
            }
        }
    }

    fn child(&self) -> TokenStream {
        let Writer { support, .. } = self;
        let (visibility, parameters, packed) = self.parts();
        // The binder keeps the bound from being judged before somebody asks for a child.
        let bounds = self.block.init.function.arguments.iter().map(|argument| {
            let ty = &argument.ty;
            quote!(for<'__clone> #ty: ::core::clone::Clone)
        });
        quote! {
            /// The specification of such an actor as a supervisor's child.
            #visibility fn child(#(#parameters),*) -> #support::ChildSpec<Self>
            where
                #(#bounds),*
            {
                #support::ChildSpec::new(#packed)
            }
        }
    }

    fn parts(&self) -> (&syn::Visibility, Vec<TokenStream>, TokenStream) {
        let function = &self.block.init.function;
        let parameters = function.arguments.iter().map(|argument| {
            let (name, ty) = (&argument.name, outside(&argument.ty, self.block));
            quote!(#name: #ty)
        });
        let names = function.arguments.iter().map(|argument| &argument.name);
        let packed = match function.arguments.len() {
            1 => quote!(#(#names)*),
            _ => quote!((#(#names),*)),
        };
        (&function.visibility, parameters.collect(), packed)
    }

    fn returned(&self) -> TokenStream {
        let (reference, (_, type_generics, _)) = (&self.reference, self.generics());
        quote!(#reference #type_generics)
    }
}
