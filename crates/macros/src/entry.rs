//! `#[vaxel::main]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, ItemFn, Result, parse2};

use crate::options::{self, Root};

#[derive(Default)]
struct Options {
    root: Root,
    workers: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut found = Options::default();
        options::each(input, |name, value| {
            match name.to_string().as_str() {
                "workers" => found.workers = Some(value.parse()?),
                "crate" => found.root = value.parse()?,
                _ => return Err(options::unknown(name, "`workers` or `crate`")),
            }
            Ok(())
        })?;
        Ok(found)
    }
}

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let Options {
        root: Root(root),
        workers,
    } = parse2(options)?;
    let mut function: ItemFn = parse2(item)?;
    let signature = &mut function.sig;
    if signature.asyncness.take().is_none() {
        return Err(Error::new(
            signature.fn_token.span,
            "`#[vaxel::main]` goes on an `async fn`",
        ));
    }
    if let Some(input) = signature.inputs.first() {
        return Err(Error::new_spanned(
            input,
            "the main function takes no arguments",
        ));
    }
    let workers = workers.map(|count| quote!(.workers(#count)));
    let (attributes, visibility) = (&function.attrs, &function.vis);
    let (signature, body) = (&function.sig, &function.block);
    Ok(quote! {
        #(#attributes)* #visibility #signature {
            #root::__macro::Program::new()#workers.run(async #body)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(options: TokenStream, item: TokenStream) -> String {
        expand(options, item).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn body_runs_in_a_program() {
        let code = text(
            quote!(workers = 3),
            quote!(
                async fn main() -> u8 {
                    7
                }
            ),
        );
        let expected = quote!(
            fn main() -> u8 {
                ::vaxel::__macro::Program::new().workers(3).run(async { 7 })
            }
        );
        assert_eq!(code, expected.to_string());
    }

    #[test]
    fn wrong_signatures_are_refused() {
        let sync = text(
            quote!(),
            quote!(
                fn main() {}
            ),
        );
        assert_eq!(sync, "`#[vaxel::main]` goes on an `async fn`");
        let argument = text(
            quote!(),
            quote!(
                async fn main(n: u8) {}
            ),
        );
        assert_eq!(argument, "the main function takes no arguments");
        let option = text(
            quote!(threads = 2),
            quote!(
                async fn main() {}
            ),
        );
        assert_eq!(
            option,
            "unknown option `threads`: expected `workers` or `crate`"
        );
    }
}
