//! `#[derive(Message)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Expr, Result, Type, parse_quote, parse2};

use crate::options::{self, Root};

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let input: DeriveInput = parse2(item)?;
    let mut root = Root::default();
    let mut reply: Type = parse_quote!(());
    let mut key: Option<Expr> = None;
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("message"))
    {
        attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
            options::each(input, |name, value| {
                match name.to_string().as_str() {
                    "reply" => reply = value.parse()?,
                    "key" => key = Some(value.parse()?),
                    "crate" => root = value.parse()?,
                    _ => return Err(options::unknown(name, "`reply`, `key` or `crate`")),
                }
                Ok(())
            })
        })?;
    }
    let (name, Root(root)) = (&input.ident, root);
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let key = key.map(|key| {
        quote! {
            fn key(&self) -> ::core::option::Option<::core::primitive::u64> {
                ::core::option::Option::Some(#root::__macro::key_of(&(#key)))
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #root::__macro::Message for #name #type_generics #where_clause {
            type Reply = #reply;
            #key
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(item: TokenStream) -> String {
        expand(item).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn reply_is_unit_unless_named() {
        let plain = text(quote!(
            struct Tick;
        ));
        assert!(
            plain.contains(":: vaxel :: __macro :: Message for Tick"),
            "{plain}"
        );
        assert!(plain.contains("type Reply = () ;"), "{plain}");
        let named = text(quote!(
            #[message(reply = Option<u8>, crate = other::place)]
            struct Get<T: Send + 'static>(T);
        ));
        assert!(named.contains("type Reply = Option < u8 > ;"), "{named}");
        assert!(
            named.contains("other :: place :: __macro :: Message for Get < T >"),
            "{named}"
        );
    }

    #[test]
    fn a_key_is_what_a_newer_message_must_share() {
        let keyed = text(quote!(
            #[message(key = self.symbol)]
            struct Price {
                symbol: u32,
                price: u32,
            }
        ));
        let key = "Some (:: vaxel :: __macro :: key_of (& (self . symbol)))";
        assert!(
            keyed.contains("fn key (& self)") && keyed.contains(key),
            "{keyed}"
        );
    }

    #[test]
    fn unknown_option_names_the_known_ones() {
        let error = text(quote!(
            #[message(answer = u8)]
            struct Get;
        ));
        assert_eq!(
            error,
            "unknown option `answer`: expected `reply`, `key` or `crate`"
        );
    }
}
