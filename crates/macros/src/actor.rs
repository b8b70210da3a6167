//! `#[actor]`: read the block, then write what it stands for.
//!
//! [`block`] reads the whole block and collects every mistake rather than the first;
//! [`function`] reads one signature; [`types`] judges and rewrites the types in it; [`mod@write`]
//! produces the code. When something is wrong the block itself is still written out, without its
//! markers, so that the compiler reports our errors and not their echoes.

mod block;
mod function;
mod types;
mod write;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Item, ItemImpl, Lit, LitBool, Result, parse2};

use crate::options::{self, Root};
use block::Block;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut item = match inherent_impl(item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    let options = parse2::<Options>(options);
    let block = Block::take(&mut item);
    let written = match (options, block) {
        (Ok(options), Ok(block)) => write::all(&options, &block),
        (Err(mut first), Err(rest)) => {
            first.combine(rest);
            first.into_compile_error()
        }
        (Err(error), _) | (_, Err(error)) => error.into_compile_error(),
    };
    let mut tokens = item.into_token_stream();
    tokens.extend(written);
    tokens
}

fn inherent_impl(item: TokenStream) -> Result<ItemImpl> {
    match parse2(item)? {
        Item::Impl(item) => match &item.trait_ {
            None => Ok(item),
            Some((_, path, _)) => Err(Error::new_spanned(
                path,
                "`#[actor]` goes on an inherent impl block, not on the implementation of a trait",
            )),
        },
        other => Err(Error::new_spanned(
            other,
            "`#[actor]` goes on an impl block: `#[actor] impl Counter { … }`",
        )),
    }
}

/// What stands in the parentheses of `#[actor(…)]`.
#[derive(Default)]
struct Options {
    root: Root,
    /// How many messages may wait, or an expression of type `Mailbox`.
    mailbox: Option<Expr>,
    /// Whether inspection shows the state, by its `Debug`.
    debug: bool,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut found = Options::default();
        options::each(input, |name, value| {
            match name.to_string().as_str() {
                "mailbox" => found.mailbox = Some(mailbox(value.parse()?)?),
                "debug" => found.debug = value.parse::<LitBool>()?.value,
                "crate" => found.root = value.parse()?,
                _ => return Err(options::unknown(name, "`mailbox`, `debug` or `crate`")),
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn mailbox(value: Expr) -> Result<Expr> {
    let Expr::Lit(literal) = &value else {
        return Ok(value);
    };
    match &literal.lit {
        Lit::Int(count) if count.base10_parse::<u32>().is_ok_and(|count| count > 0) => Ok(value),
        other => Err(Error::new_spanned(
            other,
            "a mailbox holds at least one message, or is an expression of type `Mailbox`",
        )),
    }
}
