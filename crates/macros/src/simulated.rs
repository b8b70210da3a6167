//! `#[vaxel_testkit::test]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, ItemFn, Path, Result, parse2};

use crate::options::{self, Root};

#[derive(Default)]
struct Options {
    root: Option<Path>,
    settings: Vec<(Ident, Expr)>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut found = Options::default();
        options::each(input, |name, value| {
            match name.to_string().as_str() {
                "seeds" | "delays" | "steps_max" | "trace_lines" => {
                    found.settings.push((name.clone(), value.parse()?));
                }
                "crate" => found.root = Some(value.parse::<Root>()?.0),
                _ => {
                    let known = "`seeds`, `delays`, `steps_max`, `trace_lines` or `crate`";
                    return Err(options::unknown(name, known));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// `default` is where the testkit is found unless the options say otherwise.
pub(crate) fn expand(
    options: TokenStream,
    item: TokenStream,
    default: Path,
) -> Result<TokenStream> {
    let Options { root, settings } = parse2(options)?;
    let function: ItemFn = parse2(item)?;
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let text = "`#[vaxel_testkit::test]` goes on an `async fn`";
        return Err(Error::new(signature.fn_token.span, text));
    }
    if signature.inputs.len() != 1 {
        let text = "a simulated test takes one argument, the `Sim`";
        return Err(Error::new_spanned(&signature.ident, text));
    }
    let root = root.unwrap_or(default);
    let settings = settings.iter().map(|(name, value)| quote!(.#name(#value)));
    let (attributes, visibility, name) = (&function.attrs, &function.vis, &signature.ident);
    let (inputs, output, body) = (&signature.inputs, &signature.output, &function.block);
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        #visibility fn #name() {
            async fn simulated(#inputs) #output #body
            #root::Check::new() #(#settings)* .run(simulated);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn text(options: TokenStream, item: TokenStream) -> String {
        let place = parse_quote!(::vaxel_testkit);
        expand(options, item, place)
            .map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn the_body_runs_under_the_seeds() {
        let code = text(
            quote!(seeds = 20, crate = testkit),
            quote!(
                async fn it_works(sim: Sim) -> Result<(), String> {
                    Ok(())
                }
            ),
        );
        let expected = quote!(
            #[::core::prelude::v1::test]
            fn it_works() {
                async fn simulated(sim: Sim) -> Result<(), String> {
                    Ok(())
                }
                testkit::Check::new().seeds(20).run(simulated);
            }
        );
        assert_eq!(code, expected.to_string());
    }

    #[test]
    fn wrong_signatures_and_options_are_refused() {
        let sync = text(
            quote!(),
            quote!(
                fn a(sim: Sim) {}
            ),
        );
        assert_eq!(sync, "`#[vaxel_testkit::test]` goes on an `async fn`");
        let none = text(
            quote!(),
            quote!(
                async fn a() {}
            ),
        );
        assert_eq!(none, "a simulated test takes one argument, the `Sim`");
        let option = text(
            quote!(threads = 2),
            quote!(
                async fn a(sim: Sim) {}
            ),
        );
        assert!(option.starts_with("unknown option `threads`"), "{option}");
    }
}
