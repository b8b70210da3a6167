//! Options inside an attribute's parentheses: `name = value`, separated by commas.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Path, Result, Token, parse_quote};

/// One `name = value`, with the value still unread.
pub(crate) fn each(
    input: ParseStream<'_>,
    mut read: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    while !input.is_empty() {
        // `crate` is a keyword and an option.
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        read(&name, input)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// The error for a name that no arm of an option list took.
pub(crate) fn unknown(name: &Ident, expected: &str) -> syn::Error {
    syn::Error::new(
        name.span(),
        format!("unknown option `{name}`: expected {expected}"),
    )
}

/// Where the generated code finds Vaxel.
pub(crate) struct Root(pub(crate) Path);

impl Default for Root {
    fn default() -> Self {
        Root(parse_quote!(::vaxel))
    }
}

impl Parse for Root {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        input.call(Path::parse_mod_style).map(Root)
    }
}
